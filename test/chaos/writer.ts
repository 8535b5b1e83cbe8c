/**
 * Writes all the time, one after the other, and remembers what was acknowledged. The texts of a name rise, so what stands there in the end
 * may be later than what was acknowledged, by a write whose reply was lost, and never earlier.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '../e2e/ask.ts'
import type { DaemonProcess } from '../support/daemon.ts'
import { patienceMs } from '../support/patience.ts'

const names = 50
/** Longer than the server keeps a write waiting. */
const replyTimeoutMs = 40_000

export interface WriteCounts {
  readonly acknowledged: number
  readonly refused: number
  readonly lost: number
  readonly slowestMs: number
  readonly examples: readonly string[]
}

export class Writer implements AsyncDisposable {
  readonly #zone: string
  readonly #everyMs: number
  #daemon: DaemonProcess
  #going = true
  #nth = 0
  #acknowledged = 0
  #refused = 0
  #slowestMs = 0
  /** By name, the last text that was acknowledged. */
  readonly #latest = new Map<string, number>()
  #onAcknowledged: (() => void)[] = []
  readonly #running: Promise<void>

  constructor(daemon: DaemonProcess, zone: string, everyMs: number) {
    this.#daemon = daemon
    this.#zone = zone
    this.#everyMs = everyMs
    this.#running = this.#run()
  }

  /** Goes on with another daemon on the same data. */
  moveTo(daemon: DaemonProcess): void {
    this.#daemon = daemon
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Resolves with the next acknowledgement of a write that was begun after this call. */
  async next(timeoutMs = patienceMs): Promise<void> {
    const from = this.#nth
    const deadlineMs = performance.now() + timeoutMs
    while (performance.now() < deadlineMs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#onAcknowledged.push(resolve)
      await Promise.race([promise, delay(1000, undefined, { ref: false })])
      if (this.#lastAcknowledged > from) return
    }
    throw new Error(`no write was acknowledged within ${timeoutMs} ms`)
  }

  #lastAcknowledged = 0

  /** Writes no more, and reads what was acknowledged, by HTTP and by DNS. */
  async stop(): Promise<WriteCounts> {
    this.#going = false
    await this.#running
    const examples: string[] = []
    let lost = 0
    for (const [name, wanted] of this.#latest) {
      const stored = await this.#stored(name)
      const { answers } = await ask(this.#daemon.dns, `${name}.${this.#zone}`, 'TXT')
      const served = Number(/\d+/.exec(answers[0] ?? '')?.[0] ?? Number.NaN)
      if (stored >= wanted && served >= wanted) continue
      lost++
      examples.push(`${name}: ${wanted} was acknowledged, ${stored} is stored, ${served} is answered`)
    }
    return {
      acknowledged: this.#acknowledged,
      refused: this.#refused,
      lost,
      slowestMs: this.#slowestMs,
      examples,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#going = false
    await this.#running
  }

  async #stored(name: string): Promise<number> {
    const response = await this.#daemon.request(`/v1/zones/${this.#zone}/rrsets/${name}/TXT`)
    if (!response.ok) return Number.NaN
    const { data } = (await response.json()) as { readonly data: readonly string[] }
    return Number(/\d+/.exec(data[0] ?? '')?.[0] ?? Number.NaN)
  }

  async #run(): Promise<void> {
    while (this.#going) {
      const beganMs = performance.now()
      await this.#write()
      const tookMs = performance.now() - beganMs
      if (tookMs < this.#everyMs) await delay(this.#everyMs - tookMs)
    }
  }

  async #write(): Promise<void> {
    const nth = ++this.#nth
    const name = `w${nth % names}`
    const beganMs = performance.now()
    try {
      const response = await this.#daemon.request(`/v1/zones/${this.#zone}/rrsets/${name}/TXT`, {
        method: 'PUT',
        json: { ttl: 5, data: [`"${nth}"`] },
        signal: AbortSignal.timeout(replyTimeoutMs),
      })
      await response.arrayBuffer()
      if (!response.ok) {
        this.#refused++
        return
      }
    } catch {
      // The connection ended, or was refused: it is not known whether it was written.
      this.#refused++
      return
    } finally {
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - beganMs)
    }
    this.#acknowledged++
    this.#latest.set(name, nth)
    this.#lastAcknowledged = nth
    for (const resolve of this.#onAcknowledged.splice(0)) resolve()
  }
}
