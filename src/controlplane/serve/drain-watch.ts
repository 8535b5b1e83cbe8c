/**
 * Tells when drained members are safe to work on: the answers with them stop, and then the last TTL that was handed out runs
 * out. Each drain is told once; a member that is answered again although it is drained (everything else is down) is told again
 * once it has left.
 *
 * What was told before a restart is told no more, unless it was in the minute before and the snapshot does not know of it.
 */
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import { Alarm } from '../timing/alarm.ts'
import { wallClock } from '../timing/clock.ts'
import type { HandedOutState } from './handed-out.ts'

export interface DrainedMember extends MemberKey {
  /** When the last TTL had run out; the time at which it was drained for one that was safe already. */
  readonly at: Date
}

export interface DrainWatchOptions {
  readonly state: (pool: string, member: string) => HandedOutState
  /** Drained members that have become safe. */
  readonly onDrained: (members: readonly DrainedMember[]) => void
  readonly now: () => Date
}

interface Drain extends MemberKey {
  told: boolean
}

export class DrainWatch implements Disposable {
  readonly #options: DrainWatchOptions
  /** Bounded by the members that are drained. */
  #drains: ReadonlyMap<string, Drain> | undefined
  readonly #alarm: Alarm

  constructor(options: DrainWatchOptions) {
    this.#options = options
    this.#alarm = new Alarm(wallClock(options.now), () => this.look())
  }

  /** Says which members are drained now, by name. What is drained at the first call was so before the start. */
  watch(drained: Iterable<MemberKey>): void {
    const before = this.#drains
    this.#drains = new Map(
      Array.from(drained, ({ pool, member }) => {
        const key = formatMemberKey({ pool, member })
        const told = before === undefined && this.#wasSafe(pool, member)
        return [key, before?.get(key) ?? { pool, member, told }]
      }),
    )
    this.look()
  }

  /** Who is drained, and whether it is safe by now. */
  states(): readonly (MemberKey & { readonly complete: boolean })[] {
    return Array.from(this.#drains?.values() ?? [], ({ pool, member, told }) => ({
      pool,
      member,
      complete: told,
    }))
  }

  /** Forgets members that are no more: others of their names are told of anew. */
  forget(ended: Iterable<MemberKey>): void {
    if (this.#drains === undefined) return
    const left = new Map(this.#drains)
    for (const key of ended) left.delete(formatMemberKey(key))
    this.#drains = left
  }

  /** Says that answers may have changed. */
  look(): void {
    const now = this.#options.now()
    const safe: DrainedMember[] = []
    let next = Number.POSITIVE_INFINITY
    for (const drain of this.#drains?.values() ?? []) {
      const { answered, safeAt } = this.#options.state(drain.pool, drain.member)
      if (answered) drain.told = false
      else if (drain.told) continue
      else if (safeAt !== null && safeAt > now) next = Math.min(next, safeAt.getTime())
      else {
        drain.told = true
        safe.push({ pool: drain.pool, member: drain.member, at: safeAt ?? now })
      }
    }
    this.#alarm.set(next)
    if (safe.length > 0) this.#options.onDrained(safe)
  }

  [Symbol.dispose](): void {
    this.#alarm[Symbol.dispose]()
    this.#drains = undefined
  }

  #wasSafe(pool: string, member: string): boolean {
    const { answered, safeAt } = this.#options.state(pool, member)
    return !answered && safeAt === null
  }
}
