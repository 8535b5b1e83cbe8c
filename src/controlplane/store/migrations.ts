/**
 * Applies the migrations in `drizzle/`, which drizzle-kit generates and nobody edits after a release.
 *
 * Not drizzle's own migrator, for three reasons: it issues DDL on every start, which a role without DDL rights may
 * not; it takes no lock, so two nodes that start at once race; and it keeps its table in a schema of its own. Here a
 * start with nothing pending only reads. With something pending, all of it happens in one transaction under an
 * advisory lock that ends with it (a pooler between us and the server may hand a session to somebody else).
 *
 * Migrations that the database has and this version doesn't know are left alone: during a rolling update the new
 * version has already migrated while the old one still runs.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { ControlError } from '../model/errors.ts'

interface Migration {
  readonly tag: string
  readonly hash: string
  readonly statements: readonly string[]
}

/** The key of an advisory lock: "pooldns" in ASCII, as a number. */
const lockKey = '31647721742167667'

/**
 * Brings the schema up to date on one idle connection. Resolves to the tags that it applied, none when there was
 * nothing to do. Throws `unavailable` with a message that names the pending migrations when the role may not apply
 * them, or when an applied migration is not the one that this version has.
 */
export async function migrate(client: pg.ClientBase): Promise<string[]> {
  const migrations = readMigrations()
  if (pendingOf(migrations, await readApplied(client)).length === 0) return []
  const applied: string[] = []
  try {
    await client.query(`begin; set local lock_timeout = '60s'; select pg_advisory_xact_lock(${lockKey})`)
    await client.query(
      'create table if not exists schema_migrations (tag text primary key, hash text not null, applied_at timestamptz not null default now())',
    )
    for (const { tag, hash, statements } of pendingOf(migrations, await readApplied(client))) {
      for (const statement of statements) await client.query(statement)
      await client.query('insert into schema_migrations (tag, hash) values ($1, $2)', [tag, hash])
      applied.push(tag)
    }
    await client.query('commit')
    return applied
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw lacksRights(error) ? await explainRights(client, migrations, error) : error
  }
}

async function readApplied(client: pg.ClientBase): Promise<Map<string, string>> {
  const found = await client.query<{ oid: string | null }>("select to_regclass('schema_migrations') as oid")
  if (found.rows[0]?.oid === null) return new Map()
  const rows = await client.query<{ tag: string; hash: string }>('select tag, hash from schema_migrations')
  return new Map(rows.rows.map(({ tag, hash }) => [tag, hash]))
}

function pendingOf(migrations: readonly Migration[], applied: ReadonlyMap<string, string>): Migration[] {
  return migrations.filter(({ tag, hash }) => {
    const appliedHash = applied.get(tag)
    if (appliedHash !== undefined && appliedHash !== hash) {
      throw new ControlError(
        'unavailable',
        `migration ${tag} is not the one that was applied to this database`,
      )
    }
    return appliedHash === undefined
  })
}

function lacksRights(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && error.code === '42501'
}

async function explainRights(
  client: pg.ClientBase,
  migrations: readonly Migration[],
  cause: pg.DatabaseError,
) {
  const pending = pendingOf(migrations, await readApplied(client).catch(() => new Map<string, string>()))
  const who = await client.query<{ role: string; database: string }>(
    'select current_user as role, current_database() as database',
  )
  const { role, database } = who.rows[0]!
  return new ControlError(
    'unavailable',
    `database ${database} lacks the migrations ${pending.map(({ tag }) => tag).join(', ')}, and role ${role} may not apply ` +
      `them (${cause.message}): run "pooldns migrate" as the role that owns the tables`,
    { cause },
  )
}

let read: readonly Migration[] | undefined

function readMigrations(): readonly Migration[] {
  read ??= readFolder(findFolder())
  return read
}

function readFolder(folder: URL): Migration[] {
  const journal = JSON.parse(readFileSync(new URL('meta/_journal.json', folder), 'utf8')) as {
    entries: { tag: string }[]
  }
  return journal.entries.map(({ tag }) => {
    // A checkout may have turned line ends; the migration is still the same.
    const text = readFileSync(new URL(`${tag}.sql`, folder), 'utf8').replaceAll('\r\n', '\n')
    return {
      tag,
      hash: createHash('sha256').update(text).digest('hex'),
      statements: text.split('--> statement-breakpoint').filter((statement) => statement.trim() !== ''),
    }
  })
}

/** The folder stands at the root of the package, one level further up when this file runs compiled, from `dist/`. */
function findFolder(): URL {
  for (const path of ['../../../drizzle/', '../../../../drizzle/']) {
    const folder = new URL(path, import.meta.url)
    try {
      readFileSync(new URL('meta/_journal.json', folder))
      return folder
    } catch {
      // Not this one.
    }
  }
  throw new Error(
    `no migrations: there is no drizzle folder above ${fileURLToPath(new URL('.', import.meta.url))}`,
  )
}
