/** The record of events on a real PostgreSQL, where several nodes append at once; and what it was before. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import type { Event } from '../../../src/controlplane/model/event.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { appendEvents, eventsAfter } from '../../../src/controlplane/store/events.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'

const server = await startPostgres()
t.teardown(() => server.stop())

async function open(t: Test, url: string): Promise<Database> {
  const database = await Database.open({ url, dataDir: '/nowhere' })
  t.teardown(() => database.stop())
  await database.ready(patience())
  return database
}

const event = (node: string, member: string): Event => ({
  kind: 'drained',
  node,
  pool: 'p',
  member,
  at: new Date('2026-02-01T00:00:00Z'),
})

t.test('an event is never seen before one with a lower id', async (t) => {
  const url = await server.createDatabase()
  const [first, second] = [await open(t, url), await open(t, url)]
  const appended = Promise.withResolvers<void>()
  const commit = Promise.withResolvers<void>()
  const early = first.record(async (tx) => {
    await appendEvents(tx, [event('first', 'a')])
    appended.resolve()
    await commit.promise
  })
  await appended.promise
  let done = false
  const late = second
    .record((tx) => appendEvents(tx, [event('second', 'b')]))
    .finally(() => {
      done = true
    })
  const waits = async () => {
    const waiting = sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    return (await first.read((tx) => tx.execute(waiting))).rows.length > 0
  }
  while (!done && !(await waits()));
  t.equal(done, false, 'the second waits for the first')
  t.same(await first.read((tx) => eventsAfter(tx, 0, 10)), [])
  commit.resolve()
  await Promise.all([early, late])
  const seen = await first.read((tx) => eventsAfter(tx, 0, 10))
  t.match(seen, [{ node: 'first' }, { node: 'second' }])
})

t.test('who follows by id misses nothing of what three nodes append', async (t) => {
  const url = await server.createDatabase()
  const nodes = [await open(t, url), await open(t, url), await open(t, url)]
  const each = 30
  const appending = nodes.map(async (node, n) => {
    for (let i = 0; i < each; i++)
      await node.record(async (tx) => {
        await appendEvents(tx, [event(`n${n}`, `${i}a`), event(`n${n}`, `${i}b`)])
        // Room for another transaction between the ids and the commit.
        await tx.execute(sql`select pg_sleep(${(i % 3) * 0.002})`)
      })
  })
  let finished = false
  const all = Promise.all(appending).finally(() => {
    finished = true
  })
  const seen: string[] = []
  let cursor = 0
  for (;;) {
    const last = finished
    const batch = await nodes[0]!.read((tx) => eventsAfter(tx, cursor, 7))
    seen.push(...batch.map(({ node, ...rest }) => `${node} ${'member' in rest ? rest.member : ''}`))
    cursor = batch.at(-1)?.id ?? cursor
    if (last && batch.length === 0) break
  }
  await all
  t.equal(seen.length, 3 * each * 2)
  t.equal(new Set(seen).size, seen.length)
})

t.test('transitions of old become events', async (t) => {
  const url = await server.createEmptyDatabase()
  const folder = new URL('../../../drizzle/', import.meta.url)
  const journal = JSON.parse(await readFile(new URL('meta/_journal.json', folder), 'utf8'))
  const client = new pg.Client(url)
  await client.connect()
  await client.query(
    'create table schema_migrations (tag text primary key, hash text, applied_at timestamptz)',
  )
  for (const { tag } of journal.entries as { tag: string }[]) {
    const text = await readFile(new URL(`${tag}.sql`, folder), 'utf8')
    if (text.includes('CREATE TABLE "events"')) break
    for (const statement of text.split('--> statement-breakpoint')) await client.query(statement)
    const hash = createHash('sha256').update(text).digest('hex')
    await client.query('insert into schema_migrations values ($1, $2)', [tag, hash])
  }
  await client.query(`insert into health_events (pool, member, from_state, to_state, reason, at)
    values ('p', 'a', 'up', 'down', 'status 503', '2026-01-01T00:00:00Z'), ('p', 'a', 'down', 'up', '', '2026-01-01T00:01:00Z')`)
  await client.end()
  const database = await open(t, url)
  const moved = await database.read((tx) => eventsAfter(tx, 0, 10))
  const common = { kind: 'member', node: 'unknown', pool: 'p', member: 'a' }
  t.match(moved, [
    { ...common, from: 'up', to: 'down', reason: 'status 503', at: new Date('2026-01-01T00:00:00Z') },
    { ...common, from: 'down', to: 'up', reason: '' },
  ])
  const { rows } = await database.read((tx) => tx.execute(sql`select to_regclass('health_events') as old`))
  t.same(rows, [{ old: null }])
})
