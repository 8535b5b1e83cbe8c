/**
 * Tells webhooks what this node sees. Every node sends its own: the one that saw something is the one that is sure to be
 * there, and a receiver that is told of one outage by three nodes knows more than one that is told once.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Event, poolsOf } from '../../model/event.ts'
import { patternsMeet } from '../../model/glob.ts'
import type { Webhook, WebhookSettings, WebhookStatus } from '../../model/webhook.ts'
import { type DeliveryOptions, WebhookQueue } from './webhook-queue.ts'

export class WebhookSender {
  readonly #options: DeliveryOptions
  /** Bound: the webhooks that the store takes. */
  readonly #queues = new Map<string, WebhookQueue>()

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
        queue.push(body)
      }
    }
  }

  /** Null for a webhook that this node does not know. */
  status(name: string): WebhookStatus | null {
    return this.#queues.get(name)?.status ?? null
  }

  async stop(): Promise<void> {
    const queues = [...this.#queues.values()]
    this.#queues.clear()
    await Promise.all(queues.map((queue) => queue.stop()))
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
