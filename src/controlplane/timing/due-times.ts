import { Alarm } from './alarm.ts'
import type { Clock } from './clock.ts'

/** Calls back when things are due. One timer, for what is due next. Bounded by the things that whoever notes them has. */
export class DueTimes<Thing> implements Disposable {
  readonly #clock: Clock
  readonly #onDue: (things: readonly Thing[]) => void
  readonly #dueMs = new Map<Thing, number>()
  readonly #alarm: Alarm

  /** @param onDue told of the things whose time has come, once each; may note others */
  constructor(clock: Clock, onDue: (things: readonly Thing[]) => void) {
    this.#clock = clock
    this.#onDue = onDue
    this.#alarm = new Alarm(clock, () => this.#tell())
  }

  /** Says when a thing is due, by the clock. Of two times the sooner counts. */
  note(thing: Thing, dueMs: number): void {
    if (dueMs >= (this.#dueMs.get(thing) ?? Number.POSITIVE_INFINITY)) return
    this.#dueMs.set(thing, dueMs)
    if (dueMs < this.#alarm.atMs) this.#alarm.set(dueMs)
  }

  /** Forgets all that was noted. */
  clear(): void {
    this.#dueMs.clear()
    this.#alarm.set(Number.POSITIVE_INFINITY)
  }

  [Symbol.dispose](): void {
    this.#alarm[Symbol.dispose]()
  }

  #tell(): void {
    const nowMs = this.#clock.nowMs()
    const due = [...this.#dueMs].flatMap(([thing, dueMs]) => (dueMs <= nowMs ? [thing] : []))
    for (const thing of due) this.#dueMs.delete(thing)
    for (const dueMs of this.#dueMs.values()) if (dueMs < this.#alarm.atMs) this.#alarm.set(dueMs)
    if (due.length > 0) this.#onDue(due)
  }
}
