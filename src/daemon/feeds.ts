/** Feeds on this node: the rows that it goes for itself. */
import { SourceReader } from '../controlplane/feeds/prometheus/source-reader.ts'
import { birthKeys } from '../controlplane/model/births.ts'
import { failing, type Ground, type Hearing } from './announce.ts'
import type { Health } from './health.ts'

export class Feeds implements AsyncDisposable {
  readonly #sources: SourceReader
  readonly #metrics: Ground['metrics']

  /** The policy of probes holds for sources too: whoever may declare a feed could let this node ask things of itself. */
  constructor({ database, feedWriter, nodeId, log, metrics, faults, announce }: Ground, health: Health) {
    this.#metrics = metrics
    this.#sources = new SourceReader({
      database,
      node: nodeId,
      policy: health.policy,
      write: (feed, rows) => feedWriter.write(feed, rows),
      trusts: () => health.suspicion === null,
      onTurn: (feed, failure) => {
        const [from, to] = failure === null ? (['failing', 'ok'] as const) : (['ok', 'failing'] as const)
        const reason = failure ?? 'its source answers again'
        announce({ kind: 'operated', events: [{ kind: 'feed', feed, from, to, reason, at: new Date() }] })
      },
      onResult: (feed, { rows, leftOut }) => metrics.feeds.read(feed, rows, leftOut),
      onOwnFault: (reason) => faults.own('feed', reason),
      onError: failing(log, 'a feed was not read from its source'),
    })
  }

  readonly hears: Hearing<'feeds'> = {
    catalog: ({ before, catalog: { feeds, births } }) => {
      if (feeds === before.feeds && births === before.births) return
      const sourced = [...feeds.values()].flatMap((value) => {
        const id = births.get(birthKeys.feed(value.name))
        return value.source === null || id === undefined ? [] : [{ id, value }]
      })
      this.#metrics.feeds.retain(sourced.map(({ value }) => value.name))
      this.#sources.setFeeds(sourced)
    },
    'database-available': () => this.#sources.hint(),
    suspicion: () => this.#sources.hint(),
  }

  /** Begins to read sources. */
  start(): void {
    this.#sources.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sources[Symbol.asyncDispose]()
  }
}
