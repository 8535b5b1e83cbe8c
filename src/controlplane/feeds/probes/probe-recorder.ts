/**
 * Has what probes find written down as rows of the feed `probes`.
 *
 * While there is room each probe is a row of its own. This node writes `rowsPerSecond` at the most, so that a hundred thousand
 * members cost no more of the database than a hundred: where more probes end, those of one member are summed up until it is that
 * member's turn, and turns go round. Nothing of what is summed up is lost but the single instants.
 *
 *     a probe ends ──> sum of its member ──its turn, and a row is left for this second──> row ──every 5 s──> the database
 *
 * The checker only adds to a sum. While the database is away rows wait, up to a bound; beyond it the oldest go, and are counted.
 *
 * Rejected: leaving probes out where there are too many (sampling): a failure between two successes is what one looks for.
 */
import type { FeedRow } from '../../model/feed-row.ts'
import type { MemberKey } from '../../model/member-key.ts'
import { type Clock, monotonicClock } from '../../timing/clock.ts'
import { PollLoop } from '../../timing/poll-loop.ts'
import { probedEntity } from './probes-feed.ts'

/** Rows of this node, on average over some seconds. */
export const probeRowsPerSecond = 20
/** What may come at once after a quiet time. */
const burstSeconds = 5
const writeEveryMs = 5_000
/** That wait for the database: what 20 a second come to in eight minutes. */
export const mostWaitingRows = 10_000
/** Of one transaction. */
const batchRows = 1_000

export interface ProbeRecorderOptions {
  /** Id of this node. */
  readonly node: string
  /** Resolves when the rows are kept. */
  readonly write: (rows: readonly FeedRow[]) => Promise<unknown>
  /** Whether it is worth a try. */
  readonly databaseUp: () => boolean
  /** Rows were not kept, because too many waited or the stop came before the database. */
  readonly onLost: (count: number) => void
  readonly onError: (error: unknown) => void
  /** UNIX time in milliseconds. */
  readonly now?: () => number
  readonly clock?: Clock
  readonly rowsPerSecond?: number
}

/** To the microsecond: no clock knows more of a probe. */
const toMicros = (ms: number) => Math.round(ms * 1000) / 1000

interface Probed {
  readonly ok: boolean
  readonly durationMs: number
}

/** What has been found of a member since its last row. */
interface Sum {
  readonly key: MemberKey
  probes: number
  succeeded: number
  totalMs: number
  longestMs: number
  /** Of the last one. */
  atMs: number
}

export class ProbeRecorder implements AsyncDisposable {
  readonly #options: ProbeRecorderOptions
  readonly #now: () => number
  readonly #clock: Clock
  readonly #loop: PollLoop
  readonly #perSecond: number
  /** Members that have no row yet of what they have shown, the one that waits longest first. Bound: the members that are probed. */
  readonly #sums = new Map<string, Sum>()
  /** Bound: `mostWaitingRows`. */
  #waiting: FeedRow[] = []
  #allowed: number
  #filledAtMs: number
  #lastMicros = 0

  constructor(options: ProbeRecorderOptions) {
    const { clock = monotonicClock, now = Date.now, rowsPerSecond = probeRowsPerSecond } = options
    this.#options = options
    this.#clock = clock
    this.#now = now
    this.#perSecond = rowsPerSecond
    this.#allowed = rowsPerSecond * burstSeconds
    this.#filledAtMs = clock.nowMs()
    this.#loop = new PollLoop({
      look: () => this.#write(),
      everyMs: () => writeEveryMs,
      lastLook: true,
      onError: options.onError,
      clock,
    })
  }

  /** A probe of this node has ended. */
  add(key: MemberKey, { ok, durationMs }: Probed): void {
    const name = `${key.pool}/${key.member}`
    let sum = this.#sums.get(name)
    if (sum === undefined) {
      sum = { key, probes: 0, succeeded: 0, totalMs: 0, longestMs: 0, atMs: 0 }
      this.#sums.set(name, sum)
    }
    sum.probes++
    sum.atMs = this.#now()
    if (ok) {
      sum.succeeded++
      sum.totalMs += durationMs
      if (durationMs > sum.longestMs) sum.longestMs = durationMs
    }
    this.#takeTurns()
  }

  /** Begins to write. */
  start(): void {
    this.#loop.start()
  }

  /** Writes what there is once more, and tells what could not be kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#loop.started) await this.#loop.stop()
    if (this.#waiting.length > 0) this.#options.onLost(this.#waiting.length)
    this.#waiting = []
    this.#sums.clear()
  }

  #takeTurns(): void {
    const nowMs = this.#clock.nowMs()
    const gained = ((nowMs - this.#filledAtMs) / 1000) * this.#perSecond
    this.#allowed = Math.min(this.#perSecond * burstSeconds, this.#allowed + gained)
    this.#filledAtMs = nowMs
    while (this.#allowed >= 1) {
      const [first] = this.#sums
      if (first === undefined) return
      const [name, sum] = first
      this.#sums.delete(name)
      this.#allowed--
      this.#waiting.push(this.#rowOf(sum))
    }
  }

  #rowOf({ key, probes, succeeded, totalMs, longestMs, atMs }: Sum): FeedRow {
    const [latency, longest] =
      succeeded === 0 ? [null, null] : [toMicros(totalMs / succeeded), toMicros(longestMs)]
    const values = [succeeded / probes, latency, longest, probes]
    return { entity: probedEntity(key, this.#options.node), micros: this.#microsAt(atMs), values }
  }

  /** Never one twice, so that of two probes of a millisecond both are kept, unless the clock was set back. */
  #microsAt(atMs: number): number {
    const micros = atMs * 1000
    const isNear = this.#lastMicros - micros < 1_000_000
    this.#lastMicros = isNear ? Math.max(micros, this.#lastMicros + 1) : micros
    return this.#lastMicros
  }

  async #write(): Promise<boolean> {
    this.#takeTurns()
    this.#shed()
    while (this.#waiting.length > 0 && this.#options.databaseUp()) {
      const rows = this.#waiting.slice(0, batchRows)
      await this.#options.write(rows)
      this.#waiting.splice(0, rows.length)
    }
    return false
  }

  #shed(): void {
    const excess = this.#waiting.length - mostWaitingRows
    if (excess <= 0) return
    this.#waiting.splice(0, excess)
    this.#options.onLost(excess)
  }
}
