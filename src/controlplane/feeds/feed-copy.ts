/**
 * Many rows into a PostgreSQL server, by COPY into a table of the session and from there into the feed: what `FeedWriter` does, for who
 * has a connection for itself and a file. Each batch is a transaction.
 */

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { drizzle, sql } from '../../../schema/drizzle.ts'
import type { FeedRow } from '../model/feed-row.ts'
import { formatInstant } from '../model/instant.ts'
import type { Database } from '../store/database.ts'
import { placing, putGiven, withoutRepeats } from '../store/feed-rows.ts'
import { type FeedStore, holdStore, isWide, type KnownFeed, listParts } from '../store/feed-stores.ts'
import type { Tx } from '../store/transaction.ts'
import { lacksParts, oldestKept, prepareFor, type Written } from './feed-writer.ts'

/** A statement of a batch; a server that takes longer is not at work on it. */
const timeoutMs = 120_000

export class FeedCopy implements AsyncDisposable {
  readonly #database: Database
  readonly #client: pg.Client
  readonly #tx: Tx

  private constructor(database: Database, client: pg.Client) {
    this.#database = database
    this.#client = client
    this.#tx = drizzle(client)
  }

  /** Null where the database has no COPY for us: the embedded one, and a role that may make no tables for its session. */
  static async open(database: Database): Promise<FeedCopy | null> {
    if (database.kind === 'embedded') return null
    const client = await database.connectApart()
    const { rows } = await client.query<{ may: boolean }>(
      "select has_database_privilege(current_database(), 'TEMP') as may",
    )
    if (rows[0]!.may) return new FeedCopy(database, client)
    await client.end()
    return null
  }

  /** As `FeedWriter.write`; one at a time. */
  async write(feed: KnownFeed, rows: readonly FeedRow[], now: Date): Promise<Written> {
    const oldest = oldestKept(feed, now)
    const kept = withoutRepeats(rows.filter(({ micros }) => micros >= oldest))
    const expired = rows.filter(({ micros }) => micros < oldest).length
    if (kept.length === 0) return { changed: 0, expired }
    for (;;) {
      const changed = await this.#tryWrite(feed, kept, now)
      if (changed !== null) {
        if (changed > 0) this.#database.rowHints.tell(feed.value.name)
        return { changed, expired }
      }
      await prepareFor(this.#database, feed, kept, now)
    }
  }

  /** Null when something of the store is missing. */
  async #tryWrite(feed: KnownFeed, rows: readonly FeedRow[], now: Date): Promise<number | null> {
    await this.#client.query(`begin; set local statement_timeout = ${timeoutMs}`)
    try {
      const store = await holdStore(this.#tx, feed)
      const isThere =
        store !== null &&
        isWide(store, feed) &&
        !lacksParts(await listParts(this.#tx, store), feed, rows, now)
      const changed = isThere ? await this.#put(store, feed, rows, now) : null
      await this.#client.query(changed === null ? 'rollback' : 'commit')
      return changed
    } catch (error) {
      await this.#client.query('rollback').catch(() => {})
      throw error
    }
  }

  async #put(store: FeedStore, feed: KnownFeed, rows: readonly FeedRow[], now: Date): Promise<number> {
    await this.#client.query(
      'create temporary table copied_feed_rows (id_entity text collate "C", time_instant timestamptz, "values" double precision[]) on commit drop',
    )
    const place = placing(store, feed)
    const lines = rows.map(
      ({ entity, micros, values }) =>
        `${entity.replaceAll('\\', '\\\\')}\t${formatInstant(micros)}\t${place(values)}\n`,
    )
    const stream = this.#client.query(copyFrom('copy copied_feed_rows from stdin'))
    await pipeline(Readable.from([lines.join('')], { objectMode: false }), stream)
    const given = sql`select id_entity, time_instant, "values" from copied_feed_rows`
    const { changed } = await putGiven(this.#tx, store, feed, given, rows, now)
    if (changed > 0) await this.#database.rowHints.notify(this.#tx, feed.value.name)
    return changed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}
