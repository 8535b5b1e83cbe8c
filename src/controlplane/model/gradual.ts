/**
 * Gradual changes: weights of services or pools that go from what they were to what a document says in steps, and back by
 * themselves when what gains traffic fails.
 */

export const gradualPhases = ['running', 'paused', 'done', 'returned', 'halted'] as const
/**
 * - `running`: the next step comes when its time has come
 * - `paused`: an operator holds it; what gains traffic is still watched
 * - `done`: the weights are what the document says
 * - `returned`: they are what they were before
 * - `halted`: somebody else has changed them, who has the last word; nothing is moved any more
 */
export type GradualPhase = (typeof gradualPhases)[number]

export const haltConditions = ['degraded', 'down', 'member-down'] as const
/**
 * What of those that gain traffic takes a change back:
 *
 * - `degraded`: a pool or a service is degraded or down; of members that gain, one is down
 * - `down`: a pool or a service is down; of members that gain, their pool
 * - `member-down`: a member is down: one that gains, or one of a pool that does
 */
export type HaltCondition = (typeof haltConditions)[number]

/** What happened to a gradual change, in the words of its events. */
export const gradualTurns = ['started', 'step', 'paused', 'resumed', 'done', 'returned', 'halted'] as const
export type GradualTurn = (typeof gradualTurns)[number]

/** How long the next step is waited for: a whole step, what was left when it was paused, or not at all. */
export type GradualWait = 'whole' | 'rest' | 'none'

/** The weight of a choice (`pool web-eu`) or of a member (its name), before the change and after it. */
export interface MovedWeight {
  readonly key: string
  readonly before: number
  readonly after: number
}

/** A service or a pool whose weights move: all of its weights, also those that stay, in its order. */
export interface GradualPart {
  readonly kind: 'service' | 'pool'
  readonly name: string
  readonly weights: readonly MovedWeight[]
}

/** The fragments of a part as somebody wrote them, which it gets again where nothing else of it has changed meanwhile. */
export interface GradualFragments {
  readonly before: Readonly<Record<string, unknown>>
  readonly after: Readonly<Record<string, unknown>>
}

/** What a gradual change is to be. */
export interface GradualCourse {
  /** Shares of the way in percent, rising; the last is 100. */
  readonly steps: readonly number[]
  /** How long each step is watched before the next; the last one, too. */
  readonly stepMs: number
  /** At least one. */
  readonly haltWhen: readonly HaltCondition[]
}

export interface GradualChange extends GradualCourse {
  readonly id: number
  readonly phase: GradualPhase
  /** Steps that were taken, at least one. */
  readonly step: number
  readonly parts: readonly GradualPart[]
  readonly actor: string
  /** Why, as who started it said. */
  readonly message: string | null
  /** Why it is what it is; null where that goes without saying. */
  readonly reason: string | null
  readonly startedAt: Date
  /** When the step that was taken last has been watched long enough; null unless it runs. */
  readonly dueAt: Date | null
  /** So long before that, by the clock of the database, the change was read; null unless it runs. */
  readonly dueInMs: number | null
  readonly endedAt: Date | null
  /** The revision since which the weights are what they are. */
  readonly revision: number
  /** Rises with each turn. */
  readonly version: number
}

export function isActive({ phase }: Pick<GradualChange, 'phase'>): boolean {
  return phase === 'running' || phase === 'paused'
}

/** How far the weights have come, in percent of the way. */
export function percentOf({ phase, step, steps }: Pick<GradualChange, 'phase' | 'step' | 'steps'>): number {
  return phase === 'returned' ? 0 : steps[step - 1]!
}

/** Such as `service www.example.test`. */
export function partName({ kind, name }: Pick<GradualPart, 'kind' | 'name'>): string {
  return `${kind} ${name}`
}
