import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import type { MemberHealth } from '../model/observation.ts'

/**
 * The last state of each member that was not `unknown`, also of a machine that has been replaced since. Bounded by the members of
 * the configuration, as long as `retain` is told of each change.
 */
export class LastStates {
  readonly #states = new Map<string, 'up' | 'down'>()

  note({ state, ...key }: Pick<MemberHealth, 'pool' | 'member' | 'state'>): void {
    if (state !== 'unknown') this.#states.set(formatMemberKey(key), state)
  }

  of(pool: string, member: string): 'up' | 'down' | null {
    return this.#states.get(formatMemberKey({ pool, member })) ?? null
  }

  restore(health: readonly MemberHealth[]): void {
    for (const one of health) if (this.of(one.pool, one.member) === null) this.note(one)
  }

  forget(ended: Iterable<MemberKey>): void {
    for (const key of ended) this.#states.delete(formatMemberKey(key))
  }

  retain(members: Iterable<MemberKey>): void {
    const kept = new Set(Array.from(members, formatMemberKey))
    for (const key of this.#states.keys()) if (!kept.has(key)) this.#states.delete(key)
  }
}
