/**
 * Applies the migrations in `drizzle/`, which drizzle-kit generates and nobody edits after a release.
 *
 * Not drizzle's own migrator, for three reasons: it issues DDL on every start, which a role without DDL rights may
 * not; it takes no lock, so two nodes that start at once race; and it keeps its table in a schema of its own. Here a
 * start with nothing pending only reads. With something pending, all of it happens in one transaction.
 *
 * The row of the first migration is the lock of those who migrate: whoever comes to an empty database writes it, or waits for who
 * does; all others lock it. (An advisory lock would do as well, where there are any: engines that speak PostgreSQL's protocol may have
 * none.) Behind it comes the revision lock, so that no change is being made under a schema that ends.
 *
 * Migrations that the database has and this version doesn't know are left alone: during a rolling update the new
 * version has already migrated while the old one still runs (`schema-version.ts`).
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { ControlError } from '../model/errors.ts'
import { lockRevision } from './revision.ts'

interface Migration {
  readonly tag: string
  readonly hash: string
  readonly statements: readonly string[]
}

/** Their statements take as long as the tables are large, and so does the wait for who migrates before us. */
const noLimits =
  'set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = 0'
/** For writes that are under way: whoever waits for a table holds up all who come behind. */
const lockTimeout = `set local lock_timeout = '60s'`
/** How long a client waits for the answer to one statement; a server that is gone or silent is noticed by others. */
export const migrationTimeoutMs = 24 * 3_600_000
const tellEveryMs = 10_000
const makeTable =
  'create table if not exists schema_migrations (tag text primary key, hash text not null, applied_at timestamptz not null default now())'
const record = 'insert into schema_migrations (tag, hash) values ($1, $2) on conflict (tag) do nothing'

/** What migrations need of a connection. */
interface Client {
  // biome-ignore lint/suspicious/noExplicitAny: as pg has it
  query<Row extends pg.QueryResultRow = any>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>
}

/** Told again and again while a migration lasts: its tag, and for how long it has. */
export type OnLasting = (tag: string, seconds: number) => void

/**
 * Brings the schema up to date on one idle connection, which must give a statement `migrationTimeoutMs`. Resolves to the tags that it applied, none when there was
 * nothing to do. Throws `unavailable` with a message that names the pending migrations when the role may not apply
 * them, or when an applied migration is not the one that this version has.
 */
export async function migrate(client: Client, onLasting: OnLasting = () => {}): Promise<string[]> {
  const migrations = readMigrations()
  if (pendingOf(migrations, await readApplied(client)).length === 0) return []
  try {
    await client.query(makeTable).catch(tolerateTwin)
    await client.query(`begin; ${noLimits}`)
    const applied = await applyPending(client, migrations, onLasting)
    await client.query('commit')
    return applied
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw lacksRights(error) ? await explainRights(client, migrations, error) : error
  }
}

/** How many migrations this version has. */
export function knownMigrations(): number {
  return readMigrations().length
}

/** In a transaction. Resolves to the tags of what it applied. */
async function applyPending(
  client: Client,
  migrations: readonly Migration[],
  onLasting: OnLasting,
): Promise<string[]> {
  const first = migrations[0]!
  const { rowCount } = await client.query(record, [first.tag, first.hash])
  const isFirst = rowCount === 1
  if (!isFirst) await client.query('select tag from schema_migrations where tag = $1 for update', [first.tag])
  await client.query(lockTimeout)
  if (await isThere(client, 'config_revision')) await client.query(lockRevision)
  const done = await readApplied(client)
  if (isFirst) done.delete(first.tag)
  const pending = pendingOf(migrations, done)
  for (const { tag, hash, statements } of pending) {
    using _told = toldWhileLasting(tag, onLasting)
    for (const statement of statements) await client.query(statement)
    await client.query(record, [tag, hash])
  }
  return pending.map(({ tag }) => tag)
}

function toldWhileLasting(tag: string, onLasting: OnLasting): Disposable {
  const beganMs = performance.now()
  const tell = () => onLasting(tag, Math.round((performance.now() - beganMs) / 1000))
  const timer = setInterval(tell, tellEveryMs)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** Two who make the same table at once: one of them is told that its name, or that of its type, is taken. */
function tolerateTwin(error: unknown): void {
  if (!(error instanceof pg.DatabaseError && ['23505', '42P07', '42710'].includes(error.code ?? '')))
    throw error
}

async function isThere(client: Client, table: string): Promise<boolean> {
  const { rows } = await client.query<{ oid: string | null }>('select to_regclass($1)::text as oid', [table])
  return rows[0]!.oid !== null
}

async function readApplied(client: Client): Promise<Map<string, string>> {
  if (!(await isThere(client, 'schema_migrations'))) return new Map()
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

async function explainRights(client: Client, migrations: readonly Migration[], cause: pg.DatabaseError) {
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
