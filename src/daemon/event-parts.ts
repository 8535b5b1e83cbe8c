import { EventFeed } from '../controlplane/events/event-feed.ts'
import { EventRecorder } from '../controlplane/events/event-recorder.ts'
import type { AddressPolicy } from '../controlplane/events/webhooks/attempt.ts'
import { WebhookSender } from '../controlplane/events/webhooks/webhook-sender.ts'
import type { Webhook } from '../controlplane/model/webhook.ts'
import type { Database } from '../controlplane/store/database.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** Where events go: the recorder takes them, the feed gives them to streams, the sender to webhooks. */
export interface EventParts {
  /** To be started once the database has been read. */
  readonly recorder: EventRecorder
  readonly feed: EventFeed
  readonly sender: WebhookSender
  setWebhooks(webhooks: ReadonlyMap<string, Webhook>): void
}

export interface EventPartsOptions {
  readonly database: Database
  /** Id of this node. */
  readonly node: string
  /** Of the addresses that webhooks are sent to. */
  readonly policy: AddressPolicy
  readonly log: Logger
  readonly metrics: Metrics
  readonly now: () => Date
  readonly onError: (what: string) => (error: unknown) => void
}

/** They end with the stack: first the recorder, which stores what it has, and the sender last. */
export function eventParts(stack: AsyncDisposableStack, options: EventPartsOptions): EventParts {
  const { database, node, policy, log, metrics, now, onError } = options
  const sender = stack.use(
    new WebhookSender({
      policy,
      onDelivery: (webhook, outcome) => metrics.webhookDelivery(webhook, outcome),
      onProblem: (webhook, problem, detail) => log.warn({ webhook, ...detail }, `webhook: ${problem}`),
      now,
    }),
  )
  const feed = stack.use(new EventFeed({ database, onError: onError('events were not read'), now }))
  const recorder = stack.use(
    new EventRecorder({
      database,
      node,
      onError: onError('events were not stored'),
      onLost: (count) => log.warn({ count }, 'events were not stored: the database was away for too long'),
      onStored: () => feed.wake(),
    }),
  )
  stack.use(recorder.subscribe((events) => sender.send(events)))
  return {
    recorder,
    feed,
    sender,
    setWebhooks: (webhooks) => {
      metrics.setWebhooks(webhooks.keys())
      sender.setWebhooks(webhooks)
    },
  }
}
