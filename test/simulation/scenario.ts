/** What happens in a simulation: a world, and steps in it, drawn at random and small enough to be made smaller. */
import fc from 'fast-check'
import type { OverrideState } from '../../src/controlplane/model/override.ts'
import type { Quorum } from '../../src/controlplane/model/pool.ts'

export interface Scenario {
  /** Members of each pool. */
  readonly pools: readonly { readonly members: number; readonly quorum: Quorum }[]
  readonly nodes: number
  readonly canaries: boolean
  readonly rise: number
  readonly fall: number
  readonly steps: readonly Step[]
}

/** Members and nodes are meant by a number, modulo how many there are. */
export type Step =
  | { readonly what: 'wait'; readonly seconds: number }
  | { readonly what: 'member'; readonly nth: number; readonly alive: boolean }
  | { readonly what: 'network'; readonly node: number; readonly up: boolean }
  /** Between one node and one member. */
  | { readonly what: 'path'; readonly node: number; readonly nth: number; readonly open: boolean }
  | { readonly what: 'database'; readonly up: boolean }
  /** Refused while the database is away. */
  | {
      readonly what: 'override'
      readonly nth: number
      readonly state: OverrideState | null
      readonly seconds: number | null
    }
  /** Somebody sets the time of day. */
  | { readonly what: 'clock'; readonly node: number; readonly seconds: number }
  /** Nobody gets a turn for so long. */
  | { readonly what: 'stall'; readonly seconds: number }

const nth = fc.nat(30)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ what: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 90 }) }),
  },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('member' as const), nth, alive: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('network' as const), node: nth, up: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('path' as const), node: nth, nth, open: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('database' as const), up: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('override' as const),
      nth,
      state: fc.constantFrom('up' as const, 'down' as const, 'drain' as const, null),
      seconds: fc.option(fc.integer({ min: 1, max: 600 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('clock' as const),
      node: nth,
      seconds: fc.integer({ min: -7200, max: 7200 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('stall' as const), seconds: fc.integer({ min: 1, max: 120 }) }),
  },
)

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  pools: fc.array(
    fc.record({
      members: fc.integer({ min: 1, max: 4 }),
      quorum: fc.constantFrom('own' as const, 'majority' as const),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  nodes: fc.integer({ min: 1, max: 3 }),
  canaries: fc.boolean(),
  rise: fc.integer({ min: 1, max: 3 }),
  fall: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(step, { minLength: 1, maxLength: 25, size: 'max' }),
})
