import type { Override } from '../model/override.ts'

/** setTimeout takes at most this; a later end is looked at again then. */
const longestMs = 2 ** 31 - 1

/** Calls back when overrides end by themselves. One timer, for the one that ends next. */
export class OverrideExpiry implements Disposable {
  readonly #onEnded: (overrides: readonly Override[]) => void
  readonly #now: () => Date
  #pending: readonly Override[] = []
  #timer: NodeJS.Timeout | undefined

  /** @param onEnded told of the overrides whose time has come, once each */
  constructor(onEnded: (overrides: readonly Override[]) => void, now: () => Date) {
    this.#onEnded = onEnded
    this.#now = now
  }

  /** Says which overrides there are now. */
  watch(overrides: Iterable<Override>): void {
    this.#pending = [...overrides].filter(({ until }) => until !== null)
    this.#arm()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#pending = []
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const next = this.#pending.reduce(
      (soonest, { until }) => Math.min(soonest, until!.getTime()),
      Number.POSITIVE_INFINITY,
    )
    if (next === Number.POSITIVE_INFINITY) return
    const waitMs = Math.max(0, next - this.#now().getTime())
    this.#timer = setTimeout(() => this.#fire(), Math.min(waitMs, longestMs))
  }

  #fire(): void {
    const now = this.#now()
    const ended = this.#pending.filter(({ until }) => until! <= now)
    this.#pending = this.#pending.filter(({ until }) => until! > now)
    this.#arm()
    if (ended.length > 0) this.#onEnded(ended)
  }
}
