/**
 * Brings what this node sees to the store, a tenth of a second behind, with the last state of each member. While the database
 * is away both wait here. States are at most one a member; of events the oldest give way beyond the bound, which is counted, and how
 * many were lost is said when the rest is stored. What waits at a stop is kept for the next start.
 *
 * Stored at least once: when the connection broke while it committed, nobody can say whether it did, and what was sent is
 * sent again. What the database refuses (a text that it can't keep) is left out and told, and holds up nothing else.
 */
import { ControlError } from '../model/errors.ts'
import type { Event, NewEvent } from '../model/event.ts'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import type { MemberHealth } from '../model/observation.ts'
import type { Database } from '../store/database.ts'
import { appendEvents } from '../store/events.ts'
import { type MeasuredHealth, saveHealth } from '../store/health.ts'
import { PollLoop } from '../timing/poll-loop.ts'
import type { KeptEvents } from './kept-events.ts'

export interface EventRecorderOptions {
  readonly database: Database
  /** Id of this node; every event gets it. */
  readonly node: string
  /** What tells a member from others that have had its name; null when that is not known. */
  readonly bornOf?: (key: MemberKey) => number | null
  readonly onError: (error: unknown) => void
  /** What waits from a stop to the next start. */
  readonly kept?: Pick<KeptEvents, 'read' | 'write' | 'clear'>
  /** Events give way to others, because too many wait. */
  readonly onShed?: (count: number) => void
  /** Events that were not stored, because too many waited, or they could not be kept. */
  readonly onLost: (count: number) => void
  /** What was kept can't be used. */
  readonly onBad?: (message: string) => void
  /** Events have been stored. */
  readonly onStored?: () => void
}

/** While they can't be stored. */
const retryEveryMs = 100
/** How long what happens at once is gathered. */
const gatherMs = 50
const maxEvents = 10_000

export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #loop: PollLoop
  #health = new Map<string, MeasuredHealth>()
  #events: Event[] = []
  #lost = 0

  constructor(options: EventRecorderOptions) {
    this.#options = options
    this.#loop = new PollLoop({
      look: () => this.#flush(),
      everyMs: () => (this.#events.length > 0 ? retryEveryMs : Number.POSITIVE_INFINITY),
      settleMs: () => gatherMs,
      lastLook: true,
      onError: options.onError,
    })
  }

  /** Begins with what the last stop has kept. */
  async open(): Promise<void> {
    const { kept, onBad = () => undefined } = this.#options
    const before = (await kept?.read(onBad)) ?? []
    this.#events = [...before, ...this.#events]
    this.#trim()
  }

  /** How many events are not stored yet, but for those that are being stored. */
  get waiting(): number {
    return this.#events.length
  }

  start(): void {
    this.#loop.start()
  }

  /** Takes what this node saw, in order. @returns it as it will be stored */
  add(seen: readonly NewEvent[]): readonly Event[] {
    for (const event of seen) {
      const known = healthAfter(event)
      if (known === null) continue
      const born = this.#options.bornOf?.(known) ?? null
      this.#health.set(formatMemberKey(known), { ...known, born })
    }
    const { node } = this.#options
    // What is known of the member goes to the store by itself.
    const events = seen.map((event): Event => {
      const { kind, health: _, ...rest } = { health: undefined, ...event }
      return { kind, node, ...rest } as Event
    })
    this.#events.push(...events)
    this.#trim()
    this.#loop.hint()
    return events
  }

  /** Ends after a last flush, if the database is there for it; else what waits is kept. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    const { kept, onError, onLost } = this.#options
    const events = this.#events
    if (kept === undefined || events.length === 0) return
    try {
      await kept.write(events)
      if (this.#lost > 0) onLost(this.#lost)
    } catch (error) {
      onError(error)
      onLost(this.#lost + events.length)
    }
    this.#events = []
    this.#lost = 0
  }

  #trim(): void {
    const excess = this.#events.length - maxEvents
    if (excess <= 0) return
    this.#events.splice(0, excess)
    this.#lost += excess
    this.#options.onShed?.(excess)
  }

  async #flush(): Promise<boolean> {
    if (this.#events.length === 0 || !this.#options.database.up) return false
    const events = this.#events
    const health = this.#health
    this.#events = []
    this.#health = new Map()
    try {
      await this.#store(events, [...health.values()])
      await this.#options.kept?.clear().catch(this.#options.onError)
      this.#options.onStored?.()
      if (this.#lost > 0) this.#options.onLost(this.#lost)
      this.#lost = 0
      return false
    } catch (error) {
      this.#health = new Map([...health, ...this.#health])
      this.#events = [...events, ...this.#events]
      this.#trim()
      throw error
    }
  }

  /** All at once; when the database refuses something, halves of halves until that one is found. */
  async #store(events: readonly Event[], health: readonly MeasuredHealth[]): Promise<void> {
    try {
      await this.#options.database.record(async (tx) => {
        await saveHealth(tx, health)
        await appendEvents(tx, events)
      })
    } catch (error) {
      if (!(error instanceof ControlError) || error.code !== 'invalid') throw error
      if (events.length + health.length <= 1) {
        this.#options.onError(error)
        return
      }
      const ofEvents = Math.ceil(events.length / 2)
      const ofHealth = Math.floor(health.length / 2)
      await this.#store(events.slice(0, ofEvents), health.slice(0, ofHealth))
      await this.#store(events.slice(ofEvents), health.slice(ofHealth))
    }
  }
}

/** What an event says of a member's health; null for nothing. */
function healthAfter(event: NewEvent): MemberHealth | null {
  if (event.kind === 'certificate') return event.health ?? null
  if (event.kind !== 'member') return null
  const { pool, member, to, at, reason, health } = event
  return health ?? { pool, member, state: to, since: at, reason }
}
