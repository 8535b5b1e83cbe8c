/**
 * Brings what the checker finds to the store, a tenth of a second behind: the last state of each member and the transitions. While the database
 * is away both wait here. States are at most one a member; of transitions the oldest give way beyond the bound, and
 * how many were lost is said when the rest is stored.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ControlError } from '../errors.ts'
import type { HealthEvent, MemberHealth } from '../model.ts'
import type { Database } from '../store/database.ts'
import { appendEvents, saveHealth } from '../store/health.ts'

export interface HealthRecorderOptions {
  readonly database: Database
  readonly onError: (error: unknown) => void
  /** Transitions that were not stored, because too many waited. */
  readonly onLost: (count: number) => void
}

const flushEveryMs = 100
const maxEvents = 10_000

export class HealthRecorder implements AsyncDisposable {
  readonly #options: HealthRecorderOptions
  readonly #abort = new AbortController()
  readonly #health = new Map<string, MemberHealth>()
  #events: HealthEvent[] = []
  #lost = 0
  #loop: Promise<void> | undefined

  constructor(options: HealthRecorderOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop = this.#run(this.#abort.signal)
  }

  add(events: readonly HealthEvent[]): void {
    for (const event of events) {
      const { pool, member, to, at, reason } = event
      this.#health.set(`${pool}/${member}`, { pool, member, state: to, since: at, reason })
      this.#events.push(event)
    }
    const excess = this.#events.length - maxEvents
    if (excess <= 0) return
    this.#events.splice(0, excess)
    this.#lost += excess
  }

  /** Ends after a last flush, if the database is there for it. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#loop
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(flushEveryMs, undefined, { signal }).catch(() => undefined)
      await this.#flush()
    }
  }

  async #flush(): Promise<void> {
    if (this.#events.length === 0 || !this.#options.database.up) return
    const events = this.#events
    const health = [...this.#health.values()]
    this.#events = []
    this.#health.clear()
    try {
      await this.#options.database.record(async (tx) => {
        await saveHealth(tx, health)
        await appendEvents(tx, events)
      })
      if (this.#lost > 0) this.#options.onLost(this.#lost)
      this.#lost = 0
    } catch (error) {
      const newer = this.#events
      this.#events = []
      this.add([...events, ...newer])
      if (!(error instanceof ControlError && error.code === 'unavailable')) this.#options.onError(error)
    }
  }
}
