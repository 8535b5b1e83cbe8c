/** Overrides: what an operator says of members, whatever their probes say. Which one holds is in `override-index.ts`. */

export const overrideStates = ['up', 'down', 'drain'] as const
export type OverrideState = (typeof overrideStates)[number]

/** What an operator says, until when, and why. */
interface Word {
  readonly state: OverrideState
  /** When it ends by itself; null means that it stays until it is deleted. */
  readonly until: Date | null
  readonly reason: string
  readonly actor: string
  readonly since: Date
  /** It was said to this node while the database was away, which has not been told yet. */
  readonly pending?: true
}

/** An operator's word on members. It stands beside the measured state and never replaces it. */
export interface Override extends Word {
  /** The pool's name, or a pattern (`glob.ts`) for such names. */
  readonly pool: string
  /** The member's name, or a pattern for such names. */
  readonly member: string
}

/**
 * An operator's word on a service where it stands in a pool's place, among the choices of another one. Whoever asks for it by its own
 * name is answered as ever.
 */
export interface ServiceOverride extends Word {
  readonly service: string
}

/** Whether it is still good; one that ends at `now` is not. */
export function isStanding({ until }: Word, now: Date): boolean {
  return until === null || until > now
}
