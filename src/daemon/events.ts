/** Where events go: the recorder takes them, the feed gives them to streams, the sender to webhooks. */
import { EventFeed } from '../controlplane/events/event-feed.ts'
import { EventRecorder } from '../controlplane/events/event-recorder.ts'
import { WebhookSender } from '../controlplane/events/webhooks/webhook-sender.ts'
import { memberEvent } from '../controlplane/model/event.ts'
import type { AddressPolicy } from '../controlplane/model/pool.ts'
import { failing, type Hearing } from './announce.ts'
import type { Ground } from './ground.ts'

const now = () => new Date()

export class Events implements AsyncDisposable {
  readonly feed: EventFeed
  readonly sender: WebhookSender
  readonly #recorder: EventRecorder
  readonly #sending: Disposable

  /** @param policy of the addresses that webhooks are sent to */
  constructor({ database, nodeId, announce }: Ground, policy: AddressPolicy) {
    this.sender = new WebhookSender({
      policy,
      onDelivery: (webhook, outcome) => announce({ kind: 'delivered', webhook, outcome }),
      onProblem: (webhook, problem, detail) =>
        announce({ kind: 'webhook-problem', webhook, problem, detail }),
      now,
    })
    this.feed = new EventFeed({ database, onError: failing(announce, 'events were not read'), now })
    this.#recorder = new EventRecorder({
      database,
      node: nodeId,
      onError: failing(announce, 'events were not stored'),
      onLost: (count) => announce({ kind: 'events-lost', count }),
      onStored: () => this.feed.wake(),
    })
    this.#sending = this.#recorder.subscribe((events) => this.sender.send(events))
  }

  /** Begins to store what was seen, which needs a database that has been read. */
  start(): void {
    this.#recorder.start()
  }

  readonly records: Hearing<'record'> = {
    transitions: ({ transitions }) => this.#recorder.add(transitions.map(memberEvent)),
    operated: ({ events }) => this.#recorder.add(events),
    held: ({ key: { pool, member }, hold: { untilMs, falls } }) => {
      const event = { pool, member, until: new Date(untilMs), reason: `${falls} changes` }
      this.#recorder.add([{ kind: 'hold', ...event, at: now() }])
    },
    suspicion: ({ suspicion }) => {
      const event =
        suspicion === null
          ? ({ from: 'suspect', to: 'trusted', reason: 'members answer again' } as const)
          : ({ from: 'trusted', to: 'suspect', reason: suspicion.reason } as const)
      this.#recorder.add([{ kind: 'isolation', ...event, at: now() }])
    },
    pools: ({ changes }) =>
      this.#recorder.add(changes.map((change) => ({ kind: 'pool', ...change, at: now() }))),
    drained: ({ members }) => this.#recorder.add(members.map((member) => ({ kind: 'drained', ...member }))),
  }

  readonly sends: Hearing<'webhooks'> = {
    catalog: ({ before, catalog: { webhooks } }) => {
      if (webhooks !== before.webhooks) this.sender.setWebhooks(webhooks)
    },
  }

  /** Ends the recorder first, which stores what it has, and the sender last. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#sending[Symbol.dispose]()
    await this.#recorder.stop()
    await this.feed.stop()
    await this.sender.stop()
  }
}
