/**
 * The events that wait for one webhook, and their delivery: one at a time, in order.
 *
 *     idle ──push──> sending ──2xx──> idle, or sending the next
 *                       │ ▲
 *                  other│ │after a while, or at once when the webhook was changed
 *                       ▼ │
 *                    waiting ──after the last retry──> given up: idle, or sending the next
 *     sending ──410──> stopped ──webhook changed──> idle
 *
 * Bound: 1,000 events; of those that have not been tried yet the oldest give way, since what is true now matters more than
 * what was. In memory alone: what waits when the node stops is lost to the webhook, and stays in the record of events.
 */
import { createHmac, randomUUID } from 'node:crypto'
import type { AddressPolicy } from '../../model/pool.ts'
import type { Webhook, WebhookStatus } from '../../model/webhook.ts'
import { pause } from '../../timing/clock.ts'
import { attempt, type FailedAttempt } from './attempt.ts'

export type DeliveryResult = 'delivered' | 'retried' | 'failed' | 'dropped'

export interface DeliveryOptions {
  readonly policy: AddressPolicy
  /** Counts for metrics: every event ends as delivered, failed or dropped; retried is an attempt that failed and is not the last. */
  readonly onDelivery: (webhook: string, result: DeliveryResult) => void
  /** Tells the log. `detail` holds no secret and no URL. */
  readonly onProblem: (webhook: string, problem: string, detail: object) => void
  /** An attempt could not be made, by a fault of this host. */
  readonly onOwnFault?: (reason: string) => void
  readonly now: () => Date
  /** Waits before the second attempt, the third, ...; a fifth more or less of each, by chance. */
  readonly retryDelaysMs?: readonly number[]
}

/** Until the next attempt after one that this host could not make. */
const ownFaultDelayMs = 1_000
const defaultRetryDelaysMs = [1_000, 5_000, 30_000, 120_000, 600_000]
export const maxQueued = 1_000
/** Octets; events are far below. */
const bodyLimit = 64 * 1024

interface Delivery {
  readonly id: string
  readonly body: string
}

export class WebhookQueue {
  readonly #options: DeliveryOptions
  readonly #abort = new AbortController()
  #webhook: Webhook
  /** The first one is being delivered. Bound: `maxQueued`. */
  readonly #queue: Delivery[] = []
  /** Attempts at the first one, with the webhook as it is. */
  #attempts = 0
  #stopped = false
  #failing = false
  /** Since the queue was last half empty. */
  #overflow = 0
  #counts = { delivered: 0, failed: 0, dropped: 0 }
  #lastError: WebhookStatus['lastError'] = null
  #endWait: (() => void) | undefined
  #loop: Promise<void> | undefined

  constructor(webhook: Webhook, options: DeliveryOptions) {
    this.#webhook = webhook
    this.#options = options
  }

  get webhook(): Webhook {
    return this.#webhook
  }

  get status(): WebhookStatus {
    const state = this.#stopped ? 'stopped' : 'active'
    return { state, ...this.#counts, queued: this.#queue.length, lastError: this.#lastError }
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
    this.#loop ??= this.#run()
  }

  /** What waits goes out by the new settings, at once. */
  change(webhook: Webhook): void {
    this.#webhook = webhook
    this.#attempts = 0
    this.#stopped = false
    this.#endWait?.()
  }

  /** Gives up what waits and ends the attempt that is being made. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    for (;;) {
      const first = this.#queue[0]
      if (first === undefined || signal.aborted) break
      await this.#try(first, signal)
    }
    this.#loop = undefined
  }

  /** One attempt, and the wait after it. */
  async #try({ id, body }: Delivery, signal: AbortSignal): Promise<void> {
    const { policy, now } = this.#options
    const webhook = this.#webhook
    const { url, secret, timeoutMs } = webhook
    const headers = signatureHeaders(secret, id, now(), body)
    const result = await attempt({ url, headers, body, timeoutMs }, policy, signal)
    if (signal.aborted) return
    if (result.kind === 'delivered') this.#delivered(webhook.name)
    // What was said of other settings says nothing of these.
    else if (webhook !== this.#webhook) return
    else if (result.kind === 'gone') this.#stopForGood()
    else await this.#retry(result, signal)
  }

  #delivered(name: string): void {
    this.#counts.delivered++
    this.#failing = false
    this.#next()
    this.#options.onDelivery(name, 'delivered')
  }

  #stopForGood(): void {
    this.#stopped = true
    this.#giveUp(this.#queue.length, 'status 410: the receiver wants no more')
    this.#queue.length = 0
    this.#attempts = 0
    this.#overflow = 0
  }

  /** Waits for the next attempt; gives the event up after the last. */
  async #retry(failed: FailedAttempt, signal: AbortSignal): Promise<void> {
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
      this.#giveUp(1, reason)
      this.#next()
      return
    }
    this.#fault(reason)
    if (!this.#failing) onProblem(name, 'a delivery failed and is tried again', { reason })
    this.#failing = true
    onDelivery(name, 'retried')
    await this.#wait(Math.max(delayMs * (0.8 + 0.4 * Math.random()), retryAfterMs ?? 0), signal)
  }

  #next(): void {
    this.#queue.shift()
    this.#attempts = 0
    if (this.#overflow === 0 || this.#queue.length > maxQueued / 2) return
    this.#options.onProblem(this.#webhook.name, 'events were dropped', { count: this.#overflow })
    this.#overflow = 0
  }

  #drop(): void {
    this.#queue.splice(1, 1)
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
    await pause(ms, AbortSignal.any([signal, changed.signal]))
    this.#endWait = undefined
  }
}

/**
 * The headers that say who sent a message (Standard Webhooks 1.0, "Webhook headers" and "Signature scheme"): HMAC-SHA256 over
 * id, time of the attempt and body, joined by dots, with the octets that the secret stands for.
 *
 * @param secret `whsec_` and base64
 * @param id of the message, the same for each attempt; without a dot
 */
export function signatureHeaders(secret: string, id: string, at: Date, body: string): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const digest = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${digest}` }
}
