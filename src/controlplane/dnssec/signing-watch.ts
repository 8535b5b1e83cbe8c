/**
 * When zones are to be signed again. Knows what each was signed with on this node, and has those that are due signed: all that has fallen
 * due at once, an hour apart at the least. A zone that can't be signed is tried again every minute, and once more when the last of its
 * signatures ends: from then on it is SERVFAIL.
 *
 *     what is due                                  when
 *     signatures that have a week left             `renewAt`, an hour after the attempt before at the least
 *     a zone that could not be signed              a minute after the attempt before
 *     a zone whose last signature ends             `endsAt`
 *     signatures that have not begun               at once: they were made by a clock that was set back since
 */
import type { SigningReport } from '../model/dnssec.ts'
import { Alarm } from '../timing/alarm.ts'
import type { Clock } from '../timing/clock.ts'

const batchMs = 3_600_000
const retryMs = 60_000

/** What is known of the signatures of a zone. */
export interface WatchedZone extends SigningReport {
  /** How many signatures were made since this node was started. */
  readonly madeInAll: number
}

export interface SigningWatchOptions {
  /** Tells UNIX time. */
  readonly clock: Clock
  /** Has these zones signed; what comes of it is told by `tell`. */
  readonly onDue: (zones: readonly WatchedZone[]) => void
}

export class SigningWatch implements Disposable {
  readonly #clock: Clock
  readonly #onDue: (zones: readonly WatchedZone[]) => void
  readonly #alarm: Alarm
  /** By apex. Bounded by the zones. */
  readonly #zones = new Map<string, WatchedZone>()
  /** When a zone was last found due, by apex. Bounded by the zones. */
  readonly #tried = new Map<string, number>()
  #made = 0
  #started = false
  #seenMs = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | null = null

  constructor({ clock, onDue }: SigningWatchOptions) {
    this.#clock = clock
    this.#onDue = onDue
    this.#alarm = new Alarm(clock, () => this.#look())
  }

  /** All that are signed, or should be. */
  get zones(): Iterable<WatchedZone> {
    return this.#zones.values()
  }

  zone(apex: string): WatchedZone | null {
    return this.#zones.get(apex) ?? null
  }

  /** How many signatures were made since this node was started. */
  get made(): number {
    return this.#made
  }

  /** From now on what is due is signed. */
  start(): void {
    this.#started = true
    this.#wait()
    this.#heed()
  }

  /** Takes in what was made of zones. */
  tell(reports: Iterable<SigningReport>): void {
    for (const report of reports) {
      this.#made += report.made
      const madeInAll = report.made + (this.#zones.get(report.apex)?.madeInAll ?? 0)
      this.#zones.set(report.apex, { ...report, madeInAll })
    }
    this.#wait()
  }

  /** Forgets zones that are not signed any more. @param isSigned says whether one is, by its apex */
  retain(isSigned: (apex: string) => boolean): void {
    for (const apex of [...this.#zones.keys()]) {
      if (isSigned(apex)) continue
      this.#zones.delete(apex)
      this.#tried.delete(apex)
    }
    this.#wait()
  }

  /** Whether none of a zone's signatures is good any more. */
  hasEnded({ endsAt }: SigningReport): boolean {
    return endsAt * 1000 <= this.#clock.nowMs()
  }

  /** Whether some of a zone's signatures have not begun. */
  isEarly({ beginsAt }: SigningReport): boolean {
    return beginsAt * 1000 > this.#clock.nowMs()
  }

  [Symbol.dispose](): void {
    this.#cancel?.()
    this.#alarm[Symbol.dispose]()
  }

  /** Looks each minute whether the clock was set back, which alarms don't hear. */
  #heed(): void {
    const nowMs = this.#clock.nowMs()
    if (nowMs < this.#seenMs) {
      // In times that are still to come.
      this.#tried.clear()
      this.#alarm.set(Number.POSITIVE_INFINITY)
      this.#wait()
    }
    this.#seenMs = nowMs
    this.#cancel = this.#clock.after(retryMs, () => this.#heed())
  }

  #look(): void {
    const nowMs = this.#clock.nowMs()
    const due = [...this.#zones.values()].filter((zone) => this.#dueMs(zone) <= nowMs)
    for (const { apex } of due) this.#tried.set(apex, nowMs)
    if (due.length > 0) this.#onDue(due)
    this.#wait()
  }

  #wait(): void {
    if (!this.#started) return
    let nextMs = Number.POSITIVE_INFINITY
    for (const zone of this.#zones.values()) nextMs = Math.min(nextMs, this.#dueMs(zone))
    this.#alarm.set(nextMs)
  }

  #dueMs(zone: WatchedZone): number {
    const { apex, renewAt, endsAt, trouble } = zone
    const triedMs = this.#tried.get(apex) ?? Number.NEGATIVE_INFINITY
    if (this.isEarly(zone)) return triedMs + retryMs
    const again = trouble === null ? Math.max(renewAt * 1000, triedMs + batchMs) : triedMs + retryMs
    const endsMs = endsAt * 1000
    return triedMs < endsMs ? Math.min(again, endsMs) : again
  }
}
