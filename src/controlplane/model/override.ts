/** Overrides: what an operator says of members, whatever their probes say. Which one holds is in `override-index.ts`. */

export const overrideStates = ['up', 'down', 'drain'] as const
export type OverrideState = (typeof overrideStates)[number]

/** An operator's word on members. It stands beside the measured state and never replaces it. */
export interface Override {
  /** The pool's name, or a pattern (`glob.ts`) for such names. */
  readonly pool: string
  /** The member's name, or a pattern for such names. */
  readonly member: string
  readonly state: OverrideState
  /** When it ends by itself; null means that it stays until it is deleted. */
  readonly until: Date | null
  readonly reason: string
  readonly actor: string
  readonly since: Date
}
