/**
 * Reads the settings part by part under the schema of a newer version, of which this one may not be able to read all: what it can't
 * read fails alone, and is told. As a failed statement spoils its transaction, each part has a savepoint, to which the transaction goes
 * back whatever came of it; nothing is lost by that, since nothing is written. Parts are read one after the other then.
 *
 * Under its own schema all is asked for at once.
 */
import { sql } from '../../../schema/drizzle.ts'
import type { Tx } from '../store/database.ts'
import { meetsOtherSchema, reasonOf } from '../store/postgres-errors.ts'

/** What can be read or not, by itself. Zone heads and RRsets are different tables. */
export type SchemaPart =
  | 'feeds'
  | 'zones'
  | 'monitors'
  | 'pools'
  | 'services'
  | 'overrides'
  | 'webhooks'
  | 'births'
  | 'health'
  | 'rrsets'

export class SchemaParts {
  readonly #tx: Tx
  readonly #apart: boolean
  readonly #told: (part: SchemaPart, reason: string | null) => void
  #before: Promise<unknown> = Promise.resolve()

  /**
   * @param apart whether the schema is another one, so that parts may fail
   * @param told of each part that was read, with why it could not be
   */
  constructor(tx: Tx, apart: boolean, told: (part: SchemaPart, reason: string | null) => void) {
    this.#tx = tx
    this.#apart = apart
    this.#told = told
  }

  /** Undefined when the part can't be read. */
  async read<T>(part: SchemaPart, read: () => Promise<T>): Promise<T | undefined> {
    if (!this.#apart) {
      const found = await read()
      this.#told(part, null)
      return found
    }
    const reading = this.#before.then(() => this.#attempt(part, read))
    this.#before = reading.catch(() => {})
    return reading
  }

  async #attempt<T>(part: SchemaPart, read: () => Promise<T>): Promise<T | undefined> {
    await this.#tx.execute(sql`savepoint part`)
    try {
      const found = await read()
      this.#told(part, null)
      return found
    } catch (error) {
      if (!meetsOtherSchema(error)) throw error
      this.#told(part, reasonOf(error))
      return undefined
    } finally {
      await this.#tx.execute(sql`rollback to savepoint part`)
    }
  }
}
