/**
 * Follows the feeds that the configuration steers by: reads the newest rows of the entities that it names, as soon as there are
 * others, and has whoever goes by them look again. Rows may come a thousand times a second; however many do, they are read four
 * times a second at the most, and no oftener do plans change by them.
 *
 * A hint says that rows have come; polling is the truth. While the database is away, what was read last stays, and ages.
 */
import type { Catalog } from '../controlplane/catalog/catalog.ts'
import { feedNeeds, type NeededEntity } from '../controlplane/catalog/feed-needs.ts'
import { entityKey, type FeedEntity, type Readings } from '../controlplane/model/feed-use.ts'
import { FeedReadings, type LatestValues } from '../controlplane/serve/readings.ts'
import { type LatestMark, latestAfter } from '../controlplane/store/feed-rows.ts'
import { PollLoop } from '../controlplane/timing/poll-loop.ts'
import type { Ground, Hearing } from './announce.ts'

const pollMs = 1000
const shortestMs = 250

const now = () => new Date()

export class SteeringFeeds implements AsyncDisposable {
  readonly readings = new FeedReadings(now)
  readonly #ground: Ground
  readonly #loop: PollLoop
  /** What the configuration names, by `entityKey`. */
  #needs: ReadonlyMap<string, NeededEntity> = new Map()
  #names: ReadonlyMap<string, readonly string[]> = new Map()
  /** How far each feed was read. Bounded by the feeds that are named. */
  #seen: ReadonlyMap<string, LatestMark> = new Map()
  #readAtMs = Number.NEGATIVE_INFINITY
  #hints: Disposable | null = null

  constructor(ground: Ground) {
    this.#ground = ground
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => (this.#needs.size === 0 ? Number.POSITIVE_INFINITY : pollMs),
      settleMs: () => Math.max(0, this.#readAtMs + shortestMs - performance.now()),
      onError: ground.faults.retried('feeds were not read'),
    })
  }

  readonly hears: Hearing<'readings'> = {
    catalog: ({ before, catalog }) => {
      if (catalog.pools === before.pools && catalog.monitors === before.monitors) return
      this.#needs = feedNeeds(catalog)
      this.#names = namesByFeed(this.#needs.values())
      // What is named anew may have come long ago.
      if (!this.readings.want(this.#needs.values())) return
      this.#seen = new Map()
      this.#loop.hint()
    },
  }

  /** Begins to read, which needs a database that has been read. */
  start(): void {
    this.#hints = this.#ground.database.rowHints.listen((feed) => {
      if (feed === null || this.#names.has(feed)) this.#loop.hint()
    })
    this.#loop.start()
  }

  /** What feeds say for another configuration: of what it names and this one does not, it is read once. */
  async foresee(catalog: Pick<Catalog, 'pools' | 'monitors'>): Promise<Readings> {
    const needs = feedNeeds(catalog)
    const missing = [...needs.values()].filter((need) => !this.#needs.has(entityKey(need)))
    if (missing.length === 0) return this.readings
    const others = new FeedReadings(now)
    others.want(missing)
    const names = namesByFeed(missing)
    const { rows } = await this.#ground.database.read((tx) => latestAfter(tx, names, new Map()))
    others.take(withMissing(missing, rows), 0)
    return {
      latest: (key) => this.readings.latest(key) ?? others.latest(key),
      isKnown: (key) => this.readings.isKnown(key) || others.isKnown(key),
    }
  }

  async #look(): Promise<boolean> {
    this.#readAtMs = performance.now()
    const untilMs = Date.now()
    const [needs, names, seen] = [this.#needs, this.#names, this.#seen]
    const found = await this.#ground.database.read((tx) =>
      latestAfter(tx, names, seen, (reason) =>
        this.#ground.log.error({ reason }, 'a row of the database was left out'),
      ),
    )
    // Another configuration has come meanwhile.
    if (needs !== this.#needs || seen !== this.#seen) return true
    this.#seen = found.seen
    const anew = [...needs.values()].filter(({ feed }) => {
      const [before, after] = [seen.get(feed), found.seen.get(feed)]
      return before === undefined || before.store !== after?.store
    })
    const changed = this.readings.take(withMissing(anew, found.rows), untilMs)
    const pools = new Set(changed.flatMap((entity) => [...(this.#needs.get(entityKey(entity))?.pools ?? [])]))
    this.#ground.announce({ kind: 'readings', pools })
    return false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hints?.[Symbol.dispose]()
    await this.#loop.stop()
  }
}

function namesByFeed(entities: Iterable<FeedEntity>): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>()
  for (const { feed, entity } of entities) {
    const known = names.get(feed)
    if (known === undefined) names.set(feed, [entity])
    else known.push(entity)
  }
  return names
}

/** Rows, and of entities that were looked for and have none, that. */
function withMissing(asked: readonly FeedEntity[], rows: readonly LatestValues[]): LatestValues[] {
  const found = new Set(rows.map(entityKey))
  const missing = asked.filter((entity) => !found.has(entityKey(entity)))
  return [...rows, ...missing.map(({ feed, entity }) => ({ feed, entity, at: null, values: new Map() }))]
}
