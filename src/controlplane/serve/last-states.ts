import { memberKey } from '../catalog/catalog.ts'
import type { HealthState, MemberHealth } from '../model/observation.ts'

/**
 * The last state of each member that was not `unknown`, also of a machine that has been replaced since. Bounded by the members of
 * the configuration, as long as `retain` is told of each change.
 */
export class LastStates {
  readonly #states = new Map<string, 'up' | 'down'>()

  note({ pool, member, state }: { pool: string; member: string; state: HealthState }): void {
    if (state !== 'unknown') this.#states.set(memberKey(pool, member), state)
  }

  of(pool: string, member: string): 'up' | 'down' | null {
    return this.#states.get(memberKey(pool, member)) ?? null
  }

  restore(health: readonly MemberHealth[]): void {
    for (const one of health) if (this.of(one.pool, one.member) === null) this.note(one)
  }

  retain(members: Iterable<{ readonly pool: string; readonly member: string }>): void {
    const kept = new Set(Array.from(members, ({ pool, member }) => memberKey(pool, member)))
    for (const key of this.#states.keys()) if (!kept.has(key)) this.#states.delete(key)
  }
}
