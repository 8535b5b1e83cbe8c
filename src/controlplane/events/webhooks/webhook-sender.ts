/**
 * Tells webhooks what this node sees. Every node sends its own: the one that saw something is the one that is sure to be
 * there, and a receiver that is told of one outage by three nodes knows more than one that is told once.
 */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { ControlError } from '../../model/errors.ts'
import { type Event, poolsOf } from '../../model/event.ts'
import { patternsMeet } from '../../model/glob.ts'
import type { ToldEvent } from '../../model/told-event.ts'
import type { Webhook, WebhookSettings, WebhookStatus, WebhookTrial } from '../../model/webhook.ts'
import { deliver } from './deliver.ts'
import { tellsOf, trialMessages } from './formats/formats.ts'
import { type Delivery, type DeliveryOptions, WebhookQueue } from './webhook-queue.ts'

export class WebhookSender {
  readonly #options: DeliveryOptions
  /** Bound: the webhooks that the store takes. */
  readonly #queues = new Map<string, WebhookQueue>()
  /** Names of those that are being tried. Bound: one each. */
  readonly #trials = new Set<string>()

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /** Says which webhooks there are now. One that stays keeps what waits for it and what was counted. */
  setWebhooks(webhooks: ReadonlyMap<string, Webhook>): void {
    for (const [name, queue] of this.#queues) {
      if (webhooks.has(name)) continue
      this.#queues.delete(name)
      void queue.stop()
    }
    for (const [name, webhook] of webhooks) {
      const queue = this.#queues.get(name)
      if (queue === undefined) this.#queues.set(name, new WebhookQueue(webhook, this.#options))
      else if (!isDeepStrictEqual(queue.webhook, webhook)) queue.change(webhook)
    }
  }

  /** Drops what waits for webhooks that are no more, though others may have their names. */
  forget(ended: Iterable<string>): void {
    for (const name of ended) {
      void this.#queues.get(name)?.stop()
      this.#queues.delete(name)
    }
  }

  /** Queues events for the webhooks that want them, as JSON. Returns at once. */
  send(events: readonly Event[]): void {
    if (this.#queues.size === 0) return
    for (const event of events) {
      let body: string | undefined
      for (const queue of this.#queues.values()) {
        if (!wants(queue.webhook, event)) continue
        body ??= JSON.stringify(event)
        if (tellsOf(queue.webhook, JSON.parse(body) as ToldEvent)) queue.push(body)
      }
    }
  }

  /** What waits for each webhook. */
  *waiting(): Generator<{ readonly webhook: string } & Delivery> {
    for (const [webhook, queue] of this.#queues)
      for (const { id, body } of queue.waiting) yield { webhook, id, body }
  }

  get names(): readonly string[] {
    return [...this.#queues.keys()]
  }

  /** Takes what waited for a webhook before. */
  restore(webhook: string, deliveries: readonly Delivery[]): void {
    this.#queues.get(webhook)?.restore(deliveries)
  }

  /**
   * Sends one message to see whether it arrives, now and once. Nothing of it is counted.
   *
   * @param event of the kind `test`
   * @throws ControlError `conflict` while the webhook is being tried
   */
  async try(webhook: Webhook, event: ToldEvent, signal: AbortSignal): Promise<WebhookTrial> {
    const { name } = webhook
    if (this.#trials.has(name)) throw new ControlError('conflict', `webhook ${name} is being tried`)
    this.#trials.add(name)
    const start = performance.now()
    let reason: string | null = null
    try {
      const id = `msg_${randomUUID()}`
      for (const message of trialMessages(webhook, event, this.#options.server)) {
        const result = await deliver(webhook, message, id, this.#options, signal)
        if (result.kind === 'failed') reason = result.reason
        else if (result.kind === 'gone') reason = 'status 410: the receiver wants no more'
        if (reason !== null) break
      }
    } finally {
      this.#trials.delete(name)
    }
    return { delivered: reason === null, reason, tookMs: Math.round(performance.now() - start) }
  }

  /** Null for a webhook that this node does not know. */
  status(name: string): WebhookStatus | null {
    return this.#queues.get(name)?.status ?? null
  }

  /** Ends what is under way. What waits stays, for who stores it. */
  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#queues.values(), (queue) => queue.stop()))
  }
}

/**
 * Whether a webhook is told of an event. An event of no pool (this node's own network) concerns every pool, so it passes
 * whatever pools are named. An override may name pools by a pattern, too, and concerns a webhook when there could be a pool of
 * both. A service concerns it when one of the pools does that answer for it, or did before, and always when there are none.
 */
function wants({ kinds, pools }: WebhookSettings, event: Event): boolean {
  if (kinds !== null && !kinds.includes(event.kind)) return false
  const named = poolsOf(event)
  if (pools === null || named.length === 0) return true
  return named.some((pool) => pools.some((pattern) => patternsMeet(pattern, pool)))
}
