/** What feeds are declared, and what becomes of a declaration. */
import { sql } from '../../../../schema/drizzle.ts'
import type { Feed } from '../../../../src/controlplane/model/feed.ts'
import { mostFeeds } from '../../../../src/controlplane/model/feed.ts'
import {
  deleteFeed,
  getFeed,
  listAllFeeds,
  listFeeds,
  putFeed,
} from '../../../../src/controlplane/store/feeds.ts'
import { put, refused, type Suite } from './samples.ts'

const feed = (name: string, ...columns: string[]): Feed => ({
  name,
  columns: columns.map((column) => ({ name: column, type: 'double', unit: '', description: '' })),
  retention: { ageMs: null, rows: 10_000_000 },
  cacheMs: 30_000,
  source: null,
})

export const feedsSuite: Suite = async (t, database) => {
  await t.test('a feed is put, read, listed and deleted', async (t) => {
    // Not in the order of names: a type that forgets the order of columns would give it back sorted.
    const air = feed('air', 'so2', 'no2', 'co', 'b')
    const { created, revision } = await put(database, (write) => putFeed(write, air, {}))
    t.ok(created)
    const stored = await database.read((tx) => getFeed(tx, 'air'))
    t.match(stored, { value: air, revision, owner: null })
    const again = await put(database, (write) => putFeed(write, air, {}))
    t.match(again, { created: false, changed: false, revision })
    const wider = feed('air', 'so2', 'no2', 'co', 'b', 'a')
    await put(database, (write) => putFeed(write, wider, { ifMatch: revision }))
    const after = await database.read((tx) => getFeed(tx, 'air'))
    t.same(after!.value, wider)
    t.equal(after!.id, stored!.id, 'rows know it still')
    await refused(
      t,
      'stale',
      put(database, (write) => putFeed(write, air, { ifMatch: revision })),
    )
    await put(database, (write) => putFeed(write, feed('zoo', 'a'), {}))
    const first = await database.read((tx) => listFeeds(tx, { limit: 1 }))
    t.same(
      first.items.map(({ value }) => value.name),
      ['air'],
    )
    const rest = await database.read((tx) => listFeeds(tx, { limit: 1, cursor: first.nextCursor }))
    t.same(
      rest.items.map(({ value }) => value.name),
      ['zoo'],
    )
    await put(database, (write) => deleteFeed(write, 'air', {}))
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteFeed(write, 'air', {})),
    )
    await put(database, (write) => putFeed(write, air, {}))
    const another = await database.read((tx) => getFeed(tx, 'air'))
    t.not(another!.id, stored!.id, 'another feed of the same name has none of its rows')
  })

  await t.test('a spelling is kept', async (t) => {
    const body = { columns: { a: { type: 'double' } }, cache: '30000ms' }
    await put(database, (write) => putFeed(write, feed('spelt', 'a'), {}, body))
    const stored = await database.read((tx) => getFeed(tx, 'spelt'))
    t.same(stored!.written, body)
    await put(database, (write) => putFeed(write, feed('spelt', 'a'), {}))
    const plain = await database.read((tx) => getFeed(tx, 'spelt'))
    t.equal(plain!.written, null)
  })

  await t.test('a row that can not be read is told, and can be replaced and deleted', async (t) => {
    await put(database, (write) => putFeed(write, feed('edited', 'a'), {}))
    const edit = sql`update feeds set settings = '{"columns": {"A": {}}}' where name = 'edited'`
    await database.record((tx) => tx.execute(edit))
    const told: string[] = []
    const all = await database.read((tx) => listAllFeeds(tx, (message) => told.push(message)))
    t.notOk(all.some(({ value }) => value.name === 'edited'))
    t.equal(told.length, 1)
    t.match(told[0], /^the settings of feed edited in the database can't be read: columns.A must be a name/)
    await refused(
      t,
      'invalid',
      database.read((tx) => getFeed(tx, 'edited')),
    )
    await put(database, (write) => putFeed(write, feed('edited', 'b'), {}))
    t.match(await database.read((tx) => getFeed(tx, 'edited')), { value: feed('edited', 'b') })
    await database.record((tx) => tx.execute(edit))
    await put(database, (write) => deleteFeed(write, 'edited', {}))
    t.equal(await database.read((tx) => getFeed(tx, 'edited')), null)
  })

  await t.test('there may be so many and no more', async (t) => {
    await database.record((tx) =>
      tx.execute(sql`
        insert into feeds (name, settings, revision)
        select 'many_' || n, '{"columns": {"a": {}}}', 1 from generate_series(1, ${mostFeeds}::int - (select count(*)::int from feeds)) n`),
    )
    const { message } = await refused(
      t,
      'conflict',
      put(database, (write) => putFeed(write, feed('more', 'a'), {})),
    )
    t.equal(message, 'feed more is refused: there are 1000 feeds, and no more than that may be')
    const changed = await put(database, (write) => putFeed(write, feed('many_1', 'a', 'b'), {}))
    t.match(changed, { created: false, changed: true })
  })
}
