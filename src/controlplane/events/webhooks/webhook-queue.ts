/**
 * The events that wait for one webhook, and their delivery: one message at a time, in order.
 *
 *     idle ──push──> gathering ──the window is over──> sending ──2xx──> idle, or gathering the next
 *                                                        │ ▲
 *                                                   other│ │after a while, or at once when the webhook was changed
 *                                                        ▼ │
 *                                                      waiting ──after the last retry──> given up: idle, or gathering the next
 *                                                      sending ──410──> stopped ──webhook changed──> idle
 *
 * A message is of one event, or of those that came within the webhook's window (`groupMs`); without one nothing gathers. While events
 * keep coming the windows become longer, so a storm of an hour is not a message every few seconds.
 *
 * Bound: 1,000 events; of those that have not been tried yet the oldest give way, since what is true now matters more than
 * what was. What waits for longer than a moment is stored (`waiting-store.ts`), so that it survives a restart.
 */
import { randomUUID } from 'node:crypto'
import type { Webhook, WebhookStatus } from '../../model/webhook.ts'
import { type Clock, monotonicClock, pause } from '../../timing/clock.ts'
import type { FailedAttempt } from './attempt.ts'
import { deliver, type Ways } from './deliver.ts'
import { messageOf, mostTogether, together } from './formats/formats.ts'

export type DeliveryResult = 'delivered' | 'retried' | 'failed' | 'dropped'

export interface DeliveryOptions extends Ways {
  /** What this server calls itself in messages to people. */
  readonly server: string
  /** Counts for metrics: every event ends as delivered, failed or dropped; retried is an attempt that failed and is not the last. */
  readonly onDelivery: (webhook: string, result: DeliveryResult) => void
  /** Tells the log. `detail` holds no secret and no URL. */
  readonly onProblem: (webhook: string, problem: string, detail: object) => void
  /** An attempt could not be made, by a fault of this host. */
  readonly onOwnFault?: (reason: string) => void
  /** Waits before the second attempt, the third, ...; a fifth more or less of each, by chance. */
  readonly retryDelaysMs?: readonly number[]
  /** That of windows and waits; the monotonic one when left out. */
  readonly clock?: Clock
}

/** Until the next attempt after one that this host could not make. */
const ownFaultDelayMs = 1_000
const defaultRetryDelaysMs = [1_000, 5_000, 30_000, 120_000, 600_000]
export const maxQueued = 1_000
/** Octets; events are far below. */
const bodyLimit = 64 * 1024
/** The longest window while events keep coming, but for a webhook that asks for more. */
const longestWindowMs = 30_000

/** An event that waits. */
export interface Delivery {
  readonly id: string
  /** The event as JSON. */
  readonly body: string
}

export class WebhookQueue {
  readonly #options: DeliveryOptions
  readonly #clock: Clock
  readonly #abort = new AbortController()
  #webhook: Webhook
  /** Bound: `maxQueued`. */
  #queue: Delivery[] = []
  /** Those of the message that is being delivered, which are in the queue, too; empty while there is none. */
  #group: readonly Delivery[] = []
  /** Attempts at the message, with the webhook as it is. */
  #attempts = 0
  #stopped = false
  #failing = false
  /** Since the queue was last half empty. */
  #overflow = 0
  #counts = { delivered: 0, failed: 0, dropped: 0 }
  #lastError: WebhookStatus['lastError'] = null
  /** The last window, and when its message was sent. */
  #window = { ms: 0, endedAt: Number.NEGATIVE_INFINITY }
  #isGathering = false
  #endWait: (() => void) | undefined
  #loop: Promise<void> | undefined

  constructor(webhook: Webhook, options: DeliveryOptions) {
    this.#webhook = webhook
    this.#options = options
    this.#clock = options.clock ?? monotonicClock
  }

  get webhook(): Webhook {
    return this.#webhook
  }

  get status(): WebhookStatus {
    const state = this.#stopped ? 'stopped' : 'active'
    return { state, ...this.#counts, queued: this.#queue.length, lastError: this.#lastError }
  }

  /** What has not been delivered, in order. */
  get waiting(): readonly Delivery[] {
    return this.#queue
  }

  /** @param body an event as JSON */
  push(body: string): void {
    if (this.#stopped || this.#abort.signal.aborted) return
    if (Buffer.byteLength(body) > bodyLimit) {
      this.#giveUp(1, 'the event is too large')
      return
    }
    if (this.#queue.length >= maxQueued) this.#drop()
    this.#queue.push({ id: `msg_${randomUUID()}`, body })
    // There is one message of them by now.
    if (this.#isGathering && this.#queue.length >= mostTogether) this.#endWait?.()
    this.#loop ??= this.#run()
  }

  /** Takes what waited before the start, which is older than what waits. */
  restore(deliveries: readonly Delivery[]): void {
    if (this.#stopped || this.#abort.signal.aborted) return
    const room = Math.max(0, maxQueued - this.#queue.length)
    for (let i = room; i < deliveries.length; i++) this.#countDropped()
    const fit = deliveries.slice(Math.max(0, deliveries.length - room))
    this.#queue.splice(this.#group.length, 0, ...fit)
    if (this.#queue.length > 0) this.#loop ??= this.#run()
  }

  /** What waits goes out by the new settings, at once. */
  change(webhook: Webhook): void {
    this.#webhook = webhook
    this.#attempts = 0
    this.#stopped = false
    // Another format may put others together.
    this.#group = []
    this.#endWait?.()
  }

  /** Ends the attempt that is being made. What waits stays, for who stores it. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    while (this.#queue.length > 0 && !signal.aborted) {
      try {
        if (this.#group.length === 0) {
          await this.#gather(signal)
          if (signal.aborted || this.#queue.length === 0) continue
          this.#group = together(this.#webhook, this.#queue)
        }
        await this.#try(this.#group, signal)
      } catch (error) {
        this.#giveUpUntellable(error)
      }
    }
    this.#loop = undefined
  }

  /** What the database had of earlier events may be none, where somebody wrote it by SQL: that may not be in the way of the others for ever. */
  #giveUpUntellable(error: unknown): void {
    const concerned = this.#group.length > 0 ? this.#group : this.#queue.slice(0, mostTogether)
    const bad = concerned.filter((one) => !this.#isTellable(one))
    const gone = bad.length > 0 ? bad : concerned
    this.#giveUp(gone.length, `they are no events that can be told: ${(error as Error).message}`)
    this.#next(gone)
  }

  #isTellable(one: Delivery): boolean {
    try {
      together(this.#webhook, [one])
      messageOf(this.#webhook, [one.body], this.#options.server)
      return true
    } catch {
      return false
    }
  }

  /** Waits until the window is over, or there is a message full. */
  async #gather(signal: AbortSignal): Promise<void> {
    const { groupMs } = this.#webhook
    if (groupMs === 0 || this.#queue.length >= mostTogether) return
    const { ms, endedAt } = this.#window
    const goesOn = this.#clock.nowMs() - endedAt < 2 * ms
    const windowMs = goesOn ? Math.max(groupMs, Math.min(2 * ms, longestWindowMs)) : groupMs
    this.#isGathering = true
    await this.#wait(windowMs, signal)
    this.#isGathering = false
    this.#window = { ms: windowMs, endedAt: this.#clock.nowMs() }
  }

  /** One attempt, and the wait after it. */
  async #try(group: readonly Delivery[], signal: AbortSignal): Promise<void> {
    const webhook = this.#webhook
    const bodies = group.map(({ body }) => body)
    const message = messageOf(webhook, bodies, this.#options.server)
    const result = await deliver(webhook, message, group[0]!.id, this.#options, signal)
    if (signal.aborted && result.kind !== 'delivered') return
    if (result.kind === 'delivered') this.#delivered(webhook.name, group)
    // What was said of other settings says nothing of these.
    else if (webhook !== this.#webhook) return
    else if (result.kind === 'gone') this.#stopForGood()
    else await this.#retry(group, result, signal)
  }

  #delivered(name: string, group: readonly Delivery[]): void {
    this.#counts.delivered += group.length
    this.#failing = false
    this.#next(group)
    for (const _ of group) this.#options.onDelivery(name, 'delivered')
  }

  #stopForGood(): void {
    this.#stopped = true
    this.#giveUp(this.#queue.length, 'status 410: the receiver wants no more')
    this.#queue = []
    this.#group = []
    this.#attempts = 0
    this.#overflow = 0
  }

  /** Waits for the next attempt; gives the events up after the last. */
  async #retry(group: readonly Delivery[], failed: FailedAttempt, signal: AbortSignal): Promise<void> {
    const { onDelivery, onProblem, onOwnFault, retryDelaysMs = defaultRetryDelaysMs } = this.#options
    const { reason, retryAfterMs, own } = failed
    const { name } = this.#webhook
    if (own) {
      // No attempt at the receiver, so none that is used up; the queue has its bound as ever.
      onOwnFault?.(reason)
      await this.#wait(ownFaultDelayMs, signal)
      return
    }
    const delayMs = retryDelaysMs[this.#attempts++]
    if (delayMs === undefined) {
      this.#giveUp(group.length, reason)
      this.#next(group)
      return
    }
    this.#fault(reason)
    if (!this.#failing) onProblem(name, 'a delivery failed and is tried again', { reason })
    this.#failing = true
    onDelivery(name, 'retried')
    await this.#wait(Math.max(delayMs * (0.8 + 0.4 * Math.random()), retryAfterMs ?? 0), signal)
  }

  /** These are done with. */
  #next(group: readonly Delivery[]): void {
    const done = new Set(group)
    this.#queue = this.#queue.filter((one) => !done.has(one))
    this.#group = []
    this.#attempts = 0
    if (this.#overflow === 0 || this.#queue.length > maxQueued / 2) return
    this.#options.onProblem(this.#webhook.name, 'events were dropped', { count: this.#overflow })
    this.#overflow = 0
  }

  #drop(): void {
    const trying = new Set(this.#group)
    const oldest = this.#queue.findIndex((one) => !trying.has(one))
    this.#queue.splice(oldest, 1)
    this.#countDropped()
  }

  #countDropped(): void {
    this.#counts.dropped++
    this.#options.onDelivery(this.#webhook.name, 'dropped')
    if (this.#overflow++ === 0) {
      this.#options.onProblem(this.#webhook.name, 'too many events wait: the oldest are dropped', {})
    }
  }

  #giveUp(events: number, reason: string): void {
    this.#counts.failed += events
    this.#fault(reason)
    this.#options.onProblem(this.#webhook.name, 'events were given up', { count: events, reason })
    for (let i = 0; i < events; i++) this.#options.onDelivery(this.#webhook.name, 'failed')
  }

  #fault(reason: string): void {
    this.#lastError = { at: this.#options.now(), reason }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const changed = new AbortController()
    this.#endWait = () => changed.abort()
    await pause(ms, AbortSignal.any([signal, changed.signal]), this.#clock)
    this.#endWait = undefined
  }
}
