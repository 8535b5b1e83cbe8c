/**
 * Has events that wait for webhooks survive this process: what waits for longer than a second or so is in the database, too, and what
 * has been told is taken out of it. So a receiver that is well costs no write, and one that is not loses nothing by a restart. A process
 * that is killed loses what came in its last second.
 *
 * A start takes up what the last one left, and each node what is left by others that are no more: in a cluster, what comes back is often
 * a node of another name. What is told at that moment may be told twice, with the same id.
 */
import type { Database } from '../../store/database.ts'
import { claimWaiting, removeWaiting, saveWaiting, type WaitingEvent } from '../../store/webhook-waiting.ts'
import { PollLoop } from '../../timing/poll-loop.ts'
import type { WebhookSender } from './webhook-sender.ts'

export interface WaitingStoreOptions {
  readonly database: Database
  /** Id of this node. */
  readonly node: string
  readonly sender: Pick<WebhookSender, 'waiting' | 'restore' | 'names'>
  readonly onError: (error: unknown) => void
  /** A stop could not store what waits, and it is lost to webhooks. */
  readonly onLost: (count: number) => void
  /** Others than a second. */
  readonly everyMs?: number
}

const defaultEveryMs = 1_000
/** Looks between two at what other nodes have left. */
const adoptEvery = 30

export class WaitingStore {
  readonly #options: WaitingStoreOptions
  readonly #loop: PollLoop
  /** Ids that the database has. Bound: what queues hold. */
  #stored = new Set<string>()
  /** Ids that waited at the last look. Bound: the same. */
  #seen = new Set<string>()
  #looks = 0
  #stopping = false

  constructor(options: WaitingStoreOptions) {
    this.#options = options
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => options.everyMs ?? defaultEveryMs,
      lastLook: true,
      onError: options.onError,
    })
  }

  /** Call it when the webhooks are known. */
  start(): void {
    this.#loop.start()
  }

  /** Stores what waits, when the sender has come to rest. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#loop.stop()
    const unsaved = this.#waiting().filter(({ id }) => !this.#stored.has(id))
    if (unsaved.length > 0) this.#options.onLost(unsaved.length)
  }

  async #look(): Promise<false> {
    const { database } = this.#options
    if (!database.up) return false
    if (!this.#stopping && this.#looks % adoptEvery === 0) await this.#takeUp()
    this.#looks++
    const waiting = this.#waiting()
    const ids = new Set(waiting.map(({ id }) => id))
    const late = waiting.filter(({ id }) => !this.#stored.has(id) && (this.#stopping || this.#seen.has(id)))
    const told = [...this.#stored].filter((id) => !ids.has(id))
    this.#seen = ids
    if (late.length === 0 && told.length === 0) return false
    const { node } = this.#options
    await database.record(async (tx) => {
      await removeWaiting(tx, node, told)
      await saveWaiting(tx, node, late)
    })
    for (const id of told) this.#stored.delete(id)
    for (const { id } of late) this.#stored.add(id)
    return false
  }

  /** What the last start left, at the first look, and what nodes that are gone did. */
  async #takeUp(): Promise<void> {
    const { database, node, sender } = this.#options
    const { names } = sender
    if (names.length === 0) return
    const isFirst = this.#looks === 0
    const found = await database.record((tx) => claimWaiting(tx, node, names, isFirst))
    for (const { id } of found) this.#stored.add(id)
    for (const [webhook, events] of Map.groupBy(found, (one) => one.webhook)) sender.restore(webhook, events)
  }

  #waiting(): WaitingEvent[] {
    return [...this.#options.sender.waiting()]
  }
}
