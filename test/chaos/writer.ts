/**
 * Writes all the time, some at once, and remembers what was acknowledged. The texts of a name rise, and nobody writes a name while a
 * write of it is under way, so what stands there in the end may be later than what was acknowledged, by a write whose reply was lost,
 * and never earlier.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '../e2e/ask.ts'
import type { DaemonProcess } from '../support/daemon.ts'
import { patienceLeftMs } from '../support/patience.ts'

/** Of each of those that write at once. */
const names = 50
/** After a write that was refused: somebody who is not there refuses many at once. */
const pauseMs = 10
const settlesWithinMs = 10_000
/** Longer than the server keeps a write waiting. */
const replyTimeoutMs = 40_000

/** How much is written. */
export interface WriteLoad {
  /** So many write, each one write after the other. */
  readonly atOnce: number
  /** Of each, from the beginning of a write to that of the next, unless the write takes longer. */
  readonly everyMs: number
}

export interface WriteCounts {
  readonly acknowledged: number
  readonly refused: number
  readonly lost: number
  readonly slowestMs: number
  readonly examples: readonly string[]
}

export class Writer implements AsyncDisposable {
  readonly #zone: string
  readonly #load: WriteLoad
  #daemon: DaemonProcess
  #going = true
  #nth = 0
  #acknowledged = 0
  #refused = 0
  #slowestMs = 0
  /** By name, the last text that was acknowledged. */
  #latest = new Map<string, number>()
  #onAcknowledged: (() => void)[] = []
  #onRefused: (() => void)[] = []
  /** Nobody begins a write until it resolves. */
  #paused: Promise<void> | null = null
  #underWay = new Set<Promise<boolean>>()
  readonly #running: Promise<unknown>

  constructor(daemon: DaemonProcess, zone: string, load: WriteLoad) {
    this.#daemon = daemon
    this.#zone = zone
    this.#load = load
    this.#running = Promise.all(Array.from({ length: load.atOnce }, (_, lane) => this.#run(lane)))
  }

  /** Goes on with another daemon on the same data. */
  moveTo(daemon: DaemonProcess): void {
    this.#daemon = daemon
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Resolves with the next acknowledgement of a write that was begun after this call. */
  async next(timeoutMs = patienceLeftMs()): Promise<void> {
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

  /** Resolves when a write is refused. */
  async refused(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onRefused.push(resolve)
    await promise
  }

  /** Does something while no write is under way, with what was acknowledged, which it may change. */
  async between<Result>(work: (latest: Map<string, number>) => Promise<Result>): Promise<Result> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#paused = promise
    try {
      await Promise.all(this.#underWay)
      return await work(this.#latest)
    } finally {
      this.#paused = null
      resolve()
    }
  }

  /** Writes no more, and reads what was acknowledged, by HTTP and by DNS. */
  async stop(): Promise<WriteCounts> {
    this.#going = false
    await this.#running
    const examples: string[] = []
    let lost = 0
    for (const [name, wanted] of this.#latest) {
      const { stored, served } = await this.#settled(name)
      if (stored >= wanted && served === stored) continue
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

  /** What is stored and what is answered: the same in the end, also of a write that nobody acknowledged. */
  async #settled(name: string): Promise<{ stored: number; served: number }> {
    for (const deadlineMs = performance.now() + settlesWithinMs; ; await delay(100)) {
      const stored = await this.#stored(name)
      const { answers } = await ask(this.#daemon.dns, `${name}.${this.#zone}`, 'TXT')
      const served = Number(/\d+/.exec(answers[0] ?? '')?.[0] ?? Number.NaN)
      if (stored === served || performance.now() > deadlineMs) return { stored, served }
    }
  }

  async #stored(name: string): Promise<number> {
    const response = await this.#daemon.request(`/v1/zones/${this.#zone}/rrsets/${name}/TXT`)
    if (!response.ok) return Number.NaN
    const { data } = (await response.json()) as { readonly data: readonly string[] }
    return Number(/\d+/.exec(data[0] ?? '')?.[0] ?? Number.NaN)
  }

  async #run(lane: number): Promise<void> {
    for (let round = 0; this.#going; round++) {
      await this.#paused
      const beganMs = performance.now()
      const writing = this.#write(`w${lane}-${round % names}`)
      this.#underWay.add(writing)
      const wasDone = await writing
      this.#underWay.delete(writing)
      const tookMs = performance.now() - beganMs
      const restMs = Math.max(this.#load.everyMs - tookMs, wasDone ? 0 : pauseMs)
      if (restMs > 0) await delay(restMs)
    }
  }

  /** @returns whether it was acknowledged */
  async #write(name: string): Promise<boolean> {
    const nth = ++this.#nth
    const beganMs = performance.now()
    try {
      const response = await this.#daemon.request(`/v1/zones/${this.#zone}/rrsets/${name}/TXT`, {
        method: 'PUT',
        json: { ttl: 5, data: [`"${nth}"`] },
        signal: AbortSignal.timeout(replyTimeoutMs),
      })
      await response.arrayBuffer()
      if (!response.ok) return this.#wasRefused()
    } catch {
      // The connection ended, or was refused: it is not known whether it was written.
      return this.#wasRefused()
    } finally {
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - beganMs)
    }
    this.#acknowledged++
    this.#latest.set(name, nth)
    this.#lastAcknowledged = Math.max(this.#lastAcknowledged, nth)
    for (const resolve of this.#onAcknowledged.splice(0)) resolve()
    return true
  }

  #wasRefused(): false {
    this.#refused++
    for (const resolve of this.#onRefused.splice(0)) resolve()
    return false
  }
}
