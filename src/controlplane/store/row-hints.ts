/**
 * Who hears that rows of feeds have come: what `Database.listen` is for the configuration. Apart from it, since rows may come a
 * thousand times a second, of which nobody who follows the configuration wants to hear.
 */
import { sql } from '../../../schema/drizzle.ts'
import { feedChannel, type Tx } from './transaction.ts'

/** The name of a feed; null where it may be any. */
export type OnRows = (feed: string | null) => void

/** What of a database records rows. */
interface Recording {
  record<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}

export class RowHints {
  readonly #writer: string
  readonly #notifies: () => boolean
  readonly #startListening: () => void
  /** Bound: one entry for each part of the daemon that listens. */
  readonly #hints = new Set<OnRows>()

  /**
   * @param writer what others tell this process by
   * @param notifies whether there is a server that takes NOTIFY
   */
  constructor(writer: string, notifies: () => boolean, startListening: () => void) {
    this.#writer = writer
    this.#notifies = notifies
    this.#startListening = startListening
  }

  /** Calls `onRows` soon after rows may have come: at once for those of this process. It may come for nothing and may be lost. */
  listen(onRows: OnRows): Disposable {
    const hint: OnRows = (feed) => onRows(feed)
    this.#hints.add(hint)
    this.#startListening()
    return {
      [Symbol.dispose]: () => {
        this.#hints.delete(hint)
      },
    }
  }

  /** A `record` of rows of a feed, of which everybody hears, unless `work` says that nothing has changed. */
  async record<T extends { readonly changed: number }>(
    database: Recording,
    feed: string,
    work: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const result = await database.record(async (tx) => {
      const result = await work(tx)
      if (result.changed > 0) await this.notify(tx, feed)
      return result
    })
    if (result.changed > 0) this.tell(feed)
    return result
  }

  /** Has other processes hear of it once the transaction has committed. */
  async notify(tx: Tx, feed: string): Promise<void> {
    if (this.#notifies())
      await tx.execute(sql`select pg_notify(${feedChannel}, ${`${this.#writer} ${feed}`})`)
  }

  /** Tells those of this process. */
  tell(feed: string | null): void {
    for (const hint of this.#hints) hint(feed)
  }

  clear(): void {
    this.#hints.clear()
  }
}
