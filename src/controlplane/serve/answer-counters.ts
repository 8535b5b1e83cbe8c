/**
 * Which slot of the workers' counters counts answers with which member of which pool for which service. Slots are used again
 * when members go, so each holder remembers what the slot had counted before it.
 */
import { type AnswerReader, answerSlots } from '../../dataplane/counters.ts'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import { Slots } from './slots.ts'

/** Taken by members that find every slot taken; not reported. */
const overflowSlot = 0

interface Holder extends MemberKey {
  readonly slot: number
  /** Count of the slot when this holder took it. */
  readonly base: number
}

type OnHeld = (slot: number, holder: MemberKey & { readonly service: string }) => void

export class AnswerCounters {
  readonly #slots = new Slots(overflowSlot + 1, answerSlots)
  /** Holders by service, then by pool and member. Bounded by `answerSlots`. */
  readonly #holders = new Map<string, Map<string, Holder>>()
  readonly #reader: () => AnswerReader
  readonly #onHeld: OnHeld

  /**
   * @param reader the counters of all workers
   * @param onHeld told who is counted in a slot from now on
   */
  constructor(reader: () => AnswerReader, onHeld: OnHeld = () => undefined) {
    this.#reader = reader
    this.#onHeld = onHeld
  }

  /** The slot that counts a member in the answers of a service. */
  slotOf(service: string, pool: string, member: string): number {
    const holders = this.#holders.get(service) ?? new Map<string, Holder>()
    this.#holders.set(service, holders)
    const key = formatMemberKey({ pool, member })
    const held = holders.get(key)
    if (held !== undefined) return held.slot
    const slot = this.#slots.take(`${service} ${key}`)
    if (slot === null) return overflowSlot
    holders.set(key, { pool, member, slot, base: this.#reader().total(slot) })
    this.#onHeld(slot, { service, pool, member })
    return slot
  }

  /**
   * Says that the counters are known now which a process has had from before our start: it counted others' answers in our slots, which
   * count from here.
   */
  beginAnew(): void {
    const reader = this.#reader()
    for (const holders of this.#holders.values()) {
      for (const [key, holder] of holders) holders.set(key, { ...holder, base: reader.total(holder.slot) })
    }
  }

  /** Frees the slots of a service whose members are not among those for which `keep` says so. */
  retain(service: string, keep: (pool: string, member: string) => boolean): void {
    const holders = this.#holders.get(service)
    if (holders === undefined) return
    for (const [key, { pool, member }] of holders) {
      if (keep(pool, member)) continue
      holders.delete(key)
      this.#slots.release(`${service} ${key}`)
    }
    if (holders.size === 0) this.#holders.delete(service)
  }

  /** How often members were answered for one service. */
  readOf(service: string): (MemberKey & { readonly count: number })[] {
    const reader = this.#reader()
    return Array.from(this.#holders.get(service)?.values() ?? [], ({ pool, member, slot, base }) => ({
      pool,
      member,
      count: reader.total(slot) - base,
    }))
  }

  read() {
    const reader = this.#reader()
    return [...this.#holders].flatMap(([service, holders]) =>
      Array.from(holders.values(), ({ pool, member, slot, base }) => ({
        service,
        pool,
        member,
        count: reader.total(slot) - base,
      })),
    )
  }
}
