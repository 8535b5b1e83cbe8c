/** Parts of feeds that go while somebody reads: the reader gets its rows, and nobody is kept from writing. */
import pg from 'pg'
import t from 'tap'
import { answerFeed } from '../../../src/controlplane/feeds/feed-answer.ts'
import { FeedWriter } from '../../../src/controlplane/feeds/feed-writer.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { FeedRetention } from '../../../src/controlplane/store/feed-retention.ts'
import { findStore, type KnownFeed, listParts } from '../../../src/controlplane/store/feed-stores.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'

const unstopped = new AbortController().signal
const now = new Date('2026-06-01T12:00:00Z')
const hour = 3_600_000_000
const feed: KnownFeed = {
  id: 0,
  value: {
    name: 'air',
    columns: [{ name: 'a', type: 'double', unit: '', description: '' }],
    retention: { ageMs: 16 * 3_600_000, rows: 10_000_000 },
  },
}

t.test(
  'a part whose rows are read goes once they have been, and holds up no writer until then',
  async (t) => {
    await using server = await startPostgres()
    const url = await server.createDatabase()
    await using database = await Database.open({ url, dataDir: '/nowhere' })
    await database.ready(patience())
    let at = now
    const writer = new FeedWriter(database, () => at)
    const row = (entity: string, micros: number) => ({ entity, micros, values: [1] })
    const begin = now.getTime() * 1000 - 14 * hour
    await writer.write(feed, [row('x', begin), row('x', begin + 10 * hour)])
    at = new Date(now.getTime() + 5 * 3_600_000)
    const store = (await database.read((tx) => findStore(tx, feed)))!
    const parts = async () => (await database.read((tx) => listParts(tx, store))).length
    t.equal(await parts(), 2)

    const retention = new FeedRetention(database)
    const reader = new pg.Client({ connectionString: url })
    await reader.connect()
    try {
      await reader.query(`begin; select count(*) from feed_rows_${store.id}`)
      let running = true
      const run = retention.run([feed], at, unstopped).finally(() => {
        running = false
      })
      const failed = t.rejects(run, { message: /lock/ })
      let written = 0
      while (running) {
        await writer.write(feed, [row(`y${written}`, begin + 10 * hour + ++written)])
      }
      await failed
      t.ok(written > 1, `${written} rows were written while the reader was there`)
      t.equal(await parts(), 2)

      const stop = new AbortController()
      const stopped = retention.run([feed], at, stop.signal)
      const waits = 'select 1 from pg_locks where not granted'
      while ((await reader.query(waits)).rowCount === 0);
      stop.abort()
      t.same(await stopped, { stores: 0, parts: 0 }, 'nobody tries on while it stops')
      await reader.query('commit')
    } finally {
      await reader.end()
    }
    t.match(await retention.run([feed], at, unstopped), { parts: 1 })
    t.equal(await parts(), 1)
  },
)

t.test('a long answer goes on over parts that go meanwhile', async (t) => {
  await using server = await startPostgres()
  await using database = await Database.open({ url: await server.createDatabase(), dataDir: '/nowhere' })
  await database.ready(patience())
  let at = now
  const writer = new FeedWriter(database, () => at)
  const begin = now.getTime() * 1000 - 14 * hour
  const rows = Array.from({ length: 12_000 }, (_, nth) => ({
    entity: nth < 11_000 ? 'a' : 'b',
    // Of the second entity half are in the part that goes.
    micros: begin + (nth % 2) * 10 * hour + nth,
    values: [nth],
  }))
  for (let from = 0; from < rows.length; from += 2_000)
    await writer.write(feed, rows.slice(from, from + 2_000))
  at = new Date(now.getTime() + 5 * 3_600_000)
  const question = { latest: false, stepMicros: null, limit: 100_000, after: null, format: 'json' as const }
  const answer = await answerFeed(database, feed, question)
  t.match(await new FeedRetention(database).run([feed], at, unstopped), { parts: 1 })
  let text = ''
  for await (const octets of answer.octets) text += octets
  const { items, nextCursor } = JSON.parse(text) as { items: { a: number }[]; nextCursor: null }
  t.equal(nextCursor, null)
  const before = items.filter(({ a }) => a < 11_000)
  t.ok(before.length >= 10_000, 'what was read before')
  t.same(
    items.slice(10_000).filter(({ a }) => a % 2 === 0),
    [],
    'nothing of what is gone behind that',
  )
  t.equal(items.filter(({ a }) => a >= 11_000).length, 500, 'and all of what is left')
})
