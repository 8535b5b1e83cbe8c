/** Where events go: the recorder takes them, the feed gives them to streams, the sender to webhooks. */
import { join } from 'node:path'
import { EventFeed } from '../controlplane/events/event-feed.ts'
import { EventRecorder } from '../controlplane/events/event-recorder.ts'
import { KeptEvents } from '../controlplane/events/kept-events.ts'
import { Mailer } from '../controlplane/events/webhooks/mailer.ts'
import { WaitingStore } from '../controlplane/events/webhooks/waiting-store.ts'
import { WebhookSender } from '../controlplane/events/webhooks/webhook-sender.ts'
import { type Births, birthKeys } from '../controlplane/model/births.ts'
import type { NewEvent } from '../controlplane/model/event.ts'
import { memberEvent } from '../controlplane/model/event.ts'
import type { AddressPolicy } from '../controlplane/model/pool.ts'
import type { Webhook, WebhookTrial } from '../controlplane/model/webhook.ts'
import type { Ground, Hearing } from './announce.ts'
import { failing } from './announce.ts'

const now = () => new Date()

/**
 * Of services that change together, as all do that share a pool, and of members that lose their feed, so many have an event: those of ten thousand would push what
 * else happened then out of the record. Metrics have the state of each.
 */
const mostAtOnce = 1000

export class Events implements AsyncDisposable {
  readonly feed: EventFeed
  readonly sender: WebhookSender
  readonly #recorder: EventRecorder
  readonly #waiting: WaitingStore
  readonly #nodeId: string
  readonly #signal: AbortSignal
  readonly #log: Ground['log']
  #births: Births = new Map()
  /** What the last event about this node's network said. */
  #isolated = false

  /** @param policy of the addresses that webhooks are sent to */
  constructor(
    { config, database, cache, nodeId, log, metrics, faults, signal }: Ground,
    policy: AddressPolicy,
  ) {
    this.#log = log
    this.#nodeId = nodeId
    this.#signal = signal
    this.sender = new WebhookSender({
      policy,
      mailer: new Mailer({ server: config.smtpServer, from: config.mailFrom }),
      server: config.identity ?? nodeId,
      onDelivery: (webhook, outcome) => metrics.webhooks.delivery(webhook, outcome),
      onProblem: (webhook, problem, detail) => log.warn({ webhook, ...detail }, `webhook: ${problem}`),
      onOwnFault: (reason) => faults.own('webhook', reason),
      now,
    })
    metrics.webhooks.waiting = (webhook) => this.sender.status(webhook)?.queued ?? 0
    this.#waiting = new WaitingStore({
      database,
      node: nodeId,
      sender: this.sender,
      onError: failing(log, 'events that wait for webhooks were not stored'),
      onLost: (count) => log.warn({ count }, 'events that wait for webhooks were lost: the database is away'),
    })
    this.feed = new EventFeed({ database, onError: failing(log, 'events were not read'), now })
    this.#recorder = new EventRecorder({
      database,
      node: nodeId,
      bornOf: (key) => this.#births.get(birthKeys.member(key)) ?? null,
      onError: failing(log, 'events were not stored'),
      kept: new KeptEvents(join(config.dataDir, 'pending-events.json')),
      onShed: (count) => metrics.shed('events', count),
      onLost: (count) => log.warn({ count }, 'events were not stored: the database was away for too long'),
      onBad: (reason) => log.error({ reason }, 'events that the database was not told were lost'),
      onStored: () => {
        cache.wrote('events')
        this.feed.wake()
      },
    })
  }

  /** How many events the database has not been told. */
  get waiting(): number {
    return this.#recorder.waiting
  }

  /** Takes over what was seen before the start and not stored. */
  open(): Promise<void> {
    return this.#recorder.open()
  }

  /** Begins to store what was seen, which needs a database that has been read. */
  start(): void {
    this.#recorder.start()
    this.#waiting.start()
  }

  /** Sends a webhook one message, to see whether it arrives. @param actor who asks */
  tryWebhook(webhook: Webhook, actor: string): Promise<WebhookTrial> {
    const at = now().toISOString()
    const event = { kind: 'test', node: this.#nodeId, webhook: webhook.name, actor, at }
    return this.sender.try(webhook, event, this.#signal)
  }

  readonly hears: Hearing<'events'> = {
    catalog: ({ before, catalog: { webhooks, births }, ended }) => {
      this.#births = births
      this.sender.forget(ended.webhooks)
      if (webhooks !== before.webhooks || ended.webhooks.length > 0) this.sender.setWebhooks(webhooks)
    },
    transitions: ({ transitions }) => this.#record(transitions.map(memberEvent)),
    operated: ({ events }) => this.#record(events),
    held: ({ key: { pool, member }, hold: { untilMs, falls }, address }) => {
      const at = address === null ? {} : { address }
      const event = { pool, member, ...at, until: new Date(untilMs), reason: `${falls} changes` }
      this.#record([{ kind: 'hold', ...event, at: now() }])
    },
    certificate: ({ health, news: { what, certificate, reason } }) => {
      const { pool, member } = health
      const { name, fingerprint, notAfterMs } = certificate
      const shown = { name, fingerprint, notAfter: new Date(notAfterMs) }
      this.#record([{ kind: 'certificate', pool, member, what, ...shown, reason, health, at: now() }])
    },
    suspicion: ({ suspicion, whyTrusted }) => {
      // Whether a hold was one is told when the canaries have said so.
      const isolated = suspicion !== null && !suspicion.holds
      if (isolated === this.#isolated) return
      this.#isolated = isolated
      const event = isolated
        ? ({ from: 'trusted', to: 'suspect', reason: suspicion.reason } as const)
        : ({ from: 'suspect', to: 'trusted', reason: whyTrusted } as const)
      this.#record([{ kind: 'isolation', ...event, at: now() }])
    },
    pools: ({ changes }) => this.#record(changes.map((change) => ({ kind: 'pool', ...change, at: now() }))),
    steering: ({ changes }) => {
      const told = changes.slice(0, mostAtOnce)
      const lost = changes.length - told.length
      if (lost > 0) this.#log.warn({ lost }, 'feeds say more at once than there are events for')
      this.#record(told.map((change) => ({ kind: 'steering', ...change, at: now() })))
    },
    services: ({ changes }) => {
      const told = changes.slice(0, mostAtOnce)
      const lost = changes.length - told.length
      if (lost > 0) this.#log.warn({ lost }, 'more services changed at once than there are events for')
      this.#record(told.map((change) => ({ kind: 'service', ...change, at: now() })))
    },
    drained: ({ members }) => this.#record(members.map((member) => ({ kind: 'drained', ...member }))),
  }

  #record(seen: readonly NewEvent[]): void {
    this.sender.send(this.#recorder.add(seen))
  }

  /** Ends the recorder first, which stores what it has, and stores last what the sender could not tell. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#recorder.stop()
    await this.feed.stop()
    await this.sender.stop()
    await this.#waiting.stop()
  }
}
