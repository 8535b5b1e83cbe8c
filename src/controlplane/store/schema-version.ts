/**
 * How the database's schema stands to this version, which each transaction looks at as it begins (`transaction-begin.ts`).
 *
 * During a rolling update a newer version has migrated while older ones still run. What its migrations mean, an older one can't know:
 * so it changes no configuration, and reads what it can. The look comes behind the revision lock, which a migration holds to its
 * commit, so no change is made by who has not seen it.
 *
 * The number of migrations tells, since those of a version are those of the one before and some more.
 */
import type pg from 'pg'
import { ControlError } from '../model/errors.ts'
import { knownMigrations } from './migrations.ts'
import { meetsOtherSchema, reasonOf } from './postgres-errors.ts'

export const readSchema = 'select count(*)::int as migrations, max(tag) as latest from schema_migrations'

interface SchemaRow {
  readonly migrations: number
  readonly latest: string
}

/** Why something could not be done: the schema is not that of this version. */
class OtherSchema extends Error {
  override readonly name = 'OtherSchema'
}

/** Whether something could not be done since the schema is not that of this version. The database is there all the same. */
export function isOtherSchema(error: unknown): error is ControlError {
  return error instanceof ControlError && error.cause instanceof OtherSchema
}

export class SchemaVersion {
  readonly #onNewer: (latest: string | null) => void
  #newer: string | null = null
  #older = false

  /** @param onNewer told the latest migration when the schema turns out to be of a newer version, and null when it is so no more */
  constructor(onNewer: (latest: string | null) => void) {
    this.#onNewer = onNewer
  }

  /** The latest migration, when this version does not know it; null when it knows all of them. */
  get newer(): string | null {
    return this.#newer
  }

  /** Whether migrations are missing. */
  get older(): boolean {
    return this.#older
  }

  /** Takes what `readSchema` told as the last of several statements in one message that tell something: an array, which pg's types don't know. */
  see(results: unknown): void {
    const told = [results as pg.QueryResult<SchemaRow>].flat().findLast(({ rows }) => rows.length > 0)
    const { migrations, latest } = told!.rows[0]!
    const known = knownMigrations()
    const newer = migrations > known ? latest : null
    this.#older = migrations < known
    if (newer === this.#newer) return
    this.#newer = newer
    this.#onNewer(newer)
  }

  /** Throws `unavailable` unless the schema is that of this version. */
  throwIfOther(): void {
    if (this.#newer !== null || this.#older) throw this.#refusal('no changes are made by this one')
  }

  /** The error for what failed, when it did so for the schema; null when it did not. */
  explain(error: unknown): ControlError | null {
    if (isOtherSchema(error)) return error
    if ((this.#newer === null && !this.#older) || !meetsOtherSchema(error)) return null
    return this.#refusal(`this one can't use it (${reasonOf(error)})`)
  }

  #refusal(consequence: string): ControlError {
    const why =
      this.#newer === null
        ? 'the database has the schema of an older version of pooldns'
        : `the database has the schema of a newer version of pooldns (${this.#newer})`
    const message = `${why}: ${consequence}`
    return new ControlError('unavailable', message, { cause: new OtherSchema(message) })
  }
}
