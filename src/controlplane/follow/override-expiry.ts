import type { Override } from '../model/override.ts'
import { Alarm } from '../timing/alarm.ts'
import { wallClock } from '../timing/clock.ts'

/** Calls back when overrides end by themselves. One timer, for the one that ends next. */
export class OverrideExpiry implements Disposable {
  readonly #onEnded: (overrides: readonly Override[]) => void
  readonly #now: () => Date
  #pending: readonly Override[] = []
  readonly #alarm: Alarm

  /** @param onEnded told of the overrides whose time has come, once each */
  constructor(onEnded: (overrides: readonly Override[]) => void, now: () => Date) {
    this.#onEnded = onEnded
    this.#now = now
    this.#alarm = new Alarm(wallClock(now), () => this.#fire())
  }

  /** Says which overrides there are now. */
  watch(overrides: Iterable<Override>): void {
    this.#pending = [...overrides].filter(({ until }) => until !== null)
    this.#arm()
  }

  [Symbol.dispose](): void {
    this.#alarm[Symbol.dispose]()
  }

  #arm(): void {
    this.#alarm.set(
      this.#pending.reduce(
        (soonest, { until }) => Math.min(soonest, until!.getTime()),
        Number.POSITIVE_INFINITY,
      ),
    )
  }

  #fire(): void {
    const now = this.#now()
    const ended = this.#pending.filter(({ until }) => until! <= now)
    this.#pending = this.#pending.filter(({ until }) => until! > now)
    this.#arm()
    if (ended.length > 0) this.#onEnded(ended)
  }
}
