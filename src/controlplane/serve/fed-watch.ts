/**
 * Tells when what feeds say of members and pools begins to count, or ceases to: a value that is too old or good again, a member that
 * sheds, a pool that is full. What it is when it is looked at first is no change: after a start, and when it is new; nor is that
 * nothing has been read yet. Bounded by the members and pools of the configuration.
 */
import type { SteeringTurn } from '../model/event.ts'
import type { ReadingKey } from '../model/feed-use.ts'
import type { Pool } from '../model/pool.ts'
import { type FedUse, usesOfMember, usesOfPool } from '../steering/fed-words.ts'
import type { FedNow } from './fed-states.ts'

export interface SteeringChange extends ReadingKey {
  readonly what: SteeringTurn
  readonly pool: string
  readonly member?: string
  /** Such as `load of fra-1 is 93: 65 % of its answers go elsewhere`. */
  readonly reason: string
}

/** One use of a feed, by whom. */
export interface FedUseNow extends FedUse {
  readonly pool: string
  /** Null: it is the pool's. */
  readonly member: string | null
}

interface Known {
  readonly isGood: boolean
  readonly moves: boolean
}

/** All that goes by feeds of one pool. */
export function usesOf(pool: Pool, now: FedNow): FedUseNow[] {
  const ofMembers = pool.members.flatMap((member) => {
    if (member.weightFeed === null && member.shed === null) return []
    const uses = usesOfMember(member, now.fed(pool, member))
    return uses.map((use) => ({ pool: pool.name, member: member.name, ...use }))
  })
  if (pool.capacity === null) return ofMembers
  return [
    ...ofMembers,
    ...usesOfPool(pool, now.full(pool)).map((use) => ({ pool: pool.name, member: null, ...use })),
  ]
}

export class FedWatch {
  /** By pool, and in it by use. Bound: the members and pools that go by feeds. */
  readonly #known = new Map<string, Map<string, Known>>()

  /** Forgets pools that are no more, though others may have their names. */
  forget(ended: Iterable<string>): void {
    for (const pool of ended) this.#known.delete(pool)
  }

  /** Looks at pools that may have changed; those that are not there any more are forgotten. */
  look(names: Iterable<string>, pools: ReadonlyMap<string, Pool>, now: FedNow): SteeringChange[] {
    return [...new Set(names)].flatMap((name) => {
      const pool = pools.get(name)
      const uses = pool === undefined ? [] : usesOf(pool, now)
      if (uses.length === 0) {
        this.#known.delete(name)
        return []
      }
      const before = this.#known.get(name)
      const after = new Map<string, Known>()
      this.#known.set(name, after)
      return uses.flatMap((use) => {
        const key = JSON.stringify([use.member, use.kind, use.fed.key])
        const known = before?.get(key)
        if (use.fed.state === 'waiting') {
          if (known !== undefined) after.set(key, known)
          return []
        }
        const is = { isGood: use.fed.state === 'good', moves: use.share > 0 }
        after.set(key, is)
        return known === undefined ? [] : changesOf(use, known, is)
      })
    })
  }
}

function changesOf(use: FedUseNow, before: Known, after: Known): SteeringChange[] {
  const turns: SteeringTurn[] = []
  if (before.isGood !== after.isGood) turns.push(after.isGood ? 'fresh' : 'stale')
  // That a stale value moves nothing is said by that.
  else if (before.moves !== after.moves) turns.push(...movingTurn(use, after))
  if (turns[0] === 'fresh' && after.moves) turns.push(...movingTurn(use, after))
  const { pool, member, fed, reason } = use
  return turns.map((what) => {
    return { what, pool, ...(member === null ? {} : { member }), ...fed.key, reason }
  })
}

function movingTurn({ kind }: FedUse, { moves }: Known): SteeringTurn[] {
  if (kind === 'weight') return []
  if (kind === 'shed') return [moves ? 'shedding' : 'shed-over']
  return [moves ? 'full' : 'full-over']
}
