import { sql } from '../../../../schema/drizzle.ts'
import { FeedWriter } from '../../../../src/controlplane/feeds/feed-writer.ts'
import type { FeedRow } from '../../../../src/controlplane/model/feed-row.ts'
import { parseInstant } from '../../../../src/controlplane/model/instant.ts'
import { FeedRetention } from '../../../../src/controlplane/store/feed-retention.ts'
import { latestAfter, readLatest, readRows, readSteps } from '../../../../src/controlplane/store/feed-rows.ts'
import { findStore, type KnownFeed, listParts } from '../../../../src/controlplane/store/feed-stores.ts'
import { entityOf, instantOf, valuesOf } from '../../../../src/controlplane/store/row-text.ts'
import type { Tx } from '../../../../src/controlplane/store/transaction.ts'
import type { Suite } from './samples.ts'

const now = new Date('2026-06-01T12:00:00Z')
const unstopped = new AbortController().signal

/** One that is built in, which needs no declaration. */
function feedOf(
  name: string,
  columns: readonly string[],
  retention: Partial<KnownFeed['value']['retention']> = {},
): KnownFeed {
  return {
    id: 0,
    value: {
      name,
      columns: columns.map((each) => ({ name: each, type: 'double', unit: '', description: '' })),
      retention: { ageMs: null, rows: 10_000_000, ...retention },
    },
  }
}

const row = (entity: string, at: string, ...values: (number | null)[]): FeedRow => ({
  entity,
  micros: parseInstant(at)!,
  values,
})

export const feedRowsSuite: Suite = async (t, database) => {
  const writer = new FeedWriter(database, () => now)
  const all = { limit: 100 }
  const shown = async (read: (tx: Tx, each: (row: string) => void) => Promise<void>) => {
    const texts: string[] = []
    await database.read((tx) => read(tx, (text) => void texts.push(text)))
    return texts.map((row) => ({
      entity: entityOf(row),
      instant: instantOf(row),
      values: valuesOf(row).split(','),
    }))
  }

  await t.test('rows come back as they were, a repeat changes nothing, another value replaces', async (t) => {
    const feed = feedOf('air', ['so2', 'no2'])
    t.equal(await database.read((tx) => findStore(tx, feed)), null)
    const rows = [
      row('salvia', '2020-01-01 00:00:00.00000', 6.80117094260474, 48.398337879833704),
      row('salvia', '2020-01-01 01:00:00.000001', 0, null),
      row('rosa', '2026-06-01T12:00:00Z', -1e-300, 1.7976931348623157e308),
    ]
    t.same(await writer.write(feed, rows), { changed: 3, expired: 0 })
    t.same(await writer.write(feed, rows), { changed: 0, expired: 0 })
    const store = (await database.read((tx) => findStore(tx, feed)))!
    t.same(await shown((tx, each) => readRows(tx, store, feed, all, each)), [
      { entity: 'rosa', instant: '2026-06-01T12:00:00Z', values: ['-1e-300', '1.7976931348623157e+308'] },
      {
        entity: 'salvia',
        instant: '2020-01-01T00:00:00Z',
        values: ['6.80117094260474', '48.398337879833704'],
      },
      { entity: 'salvia', instant: '2020-01-01T01:00:00.000001Z', values: ['0', 'null'] },
    ])
    t.same(await writer.write(feed, [row('rosa', '2026-06-01T12:00:00Z', 1, 2), rows[0]!]), {
      changed: 1,
      expired: 0,
    })
    t.match(await shown((tx, each) => readRows(tx, store, feed, { entities: ['rosa'], limit: 1 }, each)), [
      { values: ['1', '2'] },
    ])
    t.match(await database.read((tx) => listParts(tx, store)), [{ rows: 2 }, { rows: 2 }])
  })

  await t.test('pages, times, entities, steps', async (t) => {
    const feed = feedOf('pages', ['a', 'b'])
    const hours = Array.from({ length: 6 }, (_, nth) =>
      row('x', `2026-05-01 0${nth}:00:00`, nth, nth === 1 ? null : 10),
    )
    await writer.write(feed, [...hours, row('y', '2026-05-01 00:30:00', 7, null)])
    const store = (await database.read((tx) => findStore(tx, feed)))!
    const firsts = async (query: object) =>
      (await shown((tx, each) => readRows(tx, store, feed, { ...all, ...query }, each))).map(
        ({ entity, values }) => entity + values[0],
      )
    t.same(await firsts({ limit: 2 }), ['x0', 'x1'])
    t.same(await firsts({ after: { entity: 'x', micros: hours[4]!.micros } }), ['x5', 'y7'])
    t.same(await firsts({ entities: ['x'], after: { entity: 'x', micros: hours[3]!.micros } }), ['x4', 'x5'])
    t.same(await firsts({ fromMicros: hours[1]!.micros, toMicros: hours[3]!.micros }), ['x1', 'x2'])
    t.same(await firsts({ entities: ['y', 'z'] }), ['y7'])
    const latest = await shown((tx, each) => readLatest(tx, store, feed, all, each))
    t.match(latest, [
      { entity: 'x', values: ['5', '10'] },
      { entity: 'y', values: ['7', 'null'] },
    ])
    t.match(
      await shown((tx, each) =>
        readLatest(tx, store, feed, { ...all, after: { entity: 'x', micros: 0 } }, each),
      ),
      [{ entity: 'y' }],
    )
    const stepMicros = 2 * 3_600_000_000
    const steps = await shown((tx, each) => readSteps(tx, store, feed, { stepMicros, limit: 3 }, each))
    t.same(steps, [
      { entity: 'x', instant: '2026-05-01T00:00:00Z', values: ['0.5', '0', '1', '10', '10', '10'] },
      { entity: 'x', instant: '2026-05-01T02:00:00Z', values: ['2.5', '2', '3', '10', '10', '10'] },
      { entity: 'x', instant: '2026-05-01T04:00:00Z', values: ['4.5', '4', '5', '10', '10', '10'] },
    ])
    const after = { entity: 'x', micros: hours[2]!.micros }
    t.match(await shown((tx, each) => readSteps(tx, store, feed, { stepMicros, limit: 3, after }, each)), [
      { instant: '2026-05-01T04:00:00Z' },
      { entity: 'y', instant: '2026-05-01T00:00:00Z', values: ['7', '7', '7', 'null', 'null', 'null'] },
    ])
  })

  await t.test('a column that comes later has nothing in rows of before', async (t) => {
    const [narrow, wide] = [feedOf('wider', ['b']), feedOf('wider', ['a', 'b'])]
    await writer.write(narrow, [row('x', '2026-05-01', 1)])
    await writer.write(wide, [row('x', '2026-05-02', 2, 3)])
    const store = (await database.read((tx) => findStore(tx, wide)))!
    t.match(await shown((tx, each) => readRows(tx, store, wide, all, each)), [
      { values: ['null', '1'] },
      { values: ['2', '3'] },
    ])
    t.match(
      await shown((tx, each) => readSteps(tx, store, wide, { ...all, stepMicros: 86_400_000_000 }, each)),
      [{ values: ['null', 'null', 'null', '1', '1', '1'] }, { values: ['2', '2', '2', '3', '3', '3'] }],
    )
  })

  await t.test('who follows the newest rows sees each change once', async (t) => {
    const feed = feedOf('load', ['cpu', 'cost'])
    const hints: (string | null)[] = []
    using _listening = database.rowHints.listen((name) => hints.push(name))
    await writer.write(feed, [
      row('a', '2026-06-01', 1, null),
      row('b', '2026-06-01', 2, 5),
      row('c', '2026-06-01', 3, 5),
    ])
    t.ok(hints.includes('load'))
    const wanted = new Map([
      ['load', ['a', 'b']],
      ['nothing', ['a']],
    ])
    const first = await database.read((tx) => latestAfter(tx, wanted, new Map()))
    t.same(
      first.rows.toSorted((x, y) => (x.entity < y.entity ? -1 : 1)),
      [
        { feed: 'load', entity: 'a', at: new Date('2026-06-01'), values: new Map([['cpu', 1]]) },
        {
          feed: 'load',
          entity: 'b',
          at: new Date('2026-06-01'),
          values: new Map([
            ['cpu', 2],
            ['cost', 5],
          ]),
        },
      ],
    )
    t.same((await database.read((tx) => latestAfter(tx, wanted, first.seen))).rows, [])
    hints.length = 0
    await writer.write(feed, [row('a', '2026-05-31', 9, 9)])
    t.same(
      (await database.read((tx) => latestAfter(tx, wanted, first.seen))).rows,
      [],
      'what is older is no news',
    )
    await writer.write(feed, [row('a', '2026-06-01', 1, 4), row('b', '2026-06-01', 2, 5)])
    const next = await database.read((tx) => latestAfter(tx, wanted, first.seen))
    t.match(next.rows, [
      {
        entity: 'a',
        values: new Map([
          ['cpu', 1],
          ['cost', 4],
        ]),
      },
    ])
    t.same((await database.read((tx) => latestAfter(tx, wanted, next.seen))).rows, [])
  })

  await t.test('a row that is ahead of its time is the newest until one comes that is not', async (t) => {
    const feed = feedOf('ahead', ['a'])
    const store = async () => (await database.read((tx) => findStore(tx, feed)))!
    const latest = async () => {
      const of = await store()
      const rows = await shown((tx, each) => readLatest(tx, of, feed, all, each))
      return rows.map(({ entity, values }) => entity + values[0])
    }
    const [before, soon, tomorrow] = ['2026-06-01T11:00:00Z', '2026-06-01T12:00:50Z', '2026-06-02T11:00:00Z']
    await writer.write(feed, [row('x', before, 1), row('y', tomorrow, 2), row('z', soon, 3)])
    t.same(await latest(), ['x1', 'y2', 'z3'])
    await writer.write(feed, [
      row('x', tomorrow, 4),
      row('y', before, 5),
      row('z', '2026-06-01T12:00:00Z', 6),
    ])
    t.same(await latest(), ['x1', 'y5', 'z3'], 'a clock that is somewhat ahead is no matter')
    await writer.write(feed, [
      row('w', tomorrow, 7),
      row('w', before, 8),
      row('v', before, 9),
      row('v', tomorrow, 9),
    ])
    t.same(await latest(), ['v9', 'w8', 'x1', 'y5', 'z3'], 'nor does it matter in which order they come')
    const of = await store()
    t.equal((await shown((tx, each) => readRows(tx, of, feed, all, each))).length, 10, 'all are kept')
    await database.record((tx) =>
      tx.execute(
        sql`update feed_latest set time_instant = 'infinity' where store = ${of.id} and id_entity = 'x'`,
      ),
    )
    t.same(await latest(), ['v9', 'w8', 'y5', 'z3'], 'what has no time is not shown')
    await writer.write(feed, [row('x', before, 10)])
    t.same(await latest(), ['v9', 'w8', 'x10', 'y5', 'z3'])
  })

  await t.test('parts that somebody made by SQL hold up no others', async (t) => {
    const feed = feedOf('parted', ['a'])
    await writer.write(feed, [row('x', '2026-05-01', 1)])
    const store = (await database.read((tx) => findStore(tx, feed)))!
    await database.record(async (tx) => {
      for (const [since, until] of [
        ['1980-01-01', '1990-01-01'],
        ['2027-01-01', 'infinity'],
      ]) {
        await tx.execute(
          sql`insert into feed_parts (store, since, until) values (${store.id}, ${since}, ${until})`,
        )
      }
      await tx.execute(
        sql`select make_feed_part(${store.id}::integer, '-infinity'::timestamptz, '1980-01-01'::timestamptz)`,
      )
    })
    const given = ['1970-01-01', '1985-01-01', '2026-05-31'].map((at) => row('x', at, 1))
    t.same(await new FeedWriter(database, () => now).write(feed, given), { changed: 3, expired: 0 })
    t.equal((await shown((tx, each) => readRows(tx, store, feed, all, each))).length, 4)
    const told: string[] = []
    const retention = new FeedRetention(database, (reason) => void told.push(reason))
    await retention.run([], now, unstopped)
    await retention.run([], now, unstopped)
    t.match(told, [/^part \d+ of feed parted in the database can't be used: it has no table$/, /feed parted/])
    t.equal(told.length, 2, 'each is told once')
  })

  await t.test('rows that are older than the feed keeps are left out', async (t) => {
    const feed = feedOf('short', ['a'], { ageMs: 86_400_000 })
    const given = [row('x', '2026-05-01', 1), row('x', '2026-06-01', 2)]
    t.same(await writer.write(feed, given), { changed: 1, expired: 1 })
  })

  await t.test('many who write at once', async (t) => {
    const feed = feedOf('busy', ['a'])
    const writes = Array.from({ length: 300 }, (_, nth) =>
      writer.write(feed, [row(`e${nth % 7}`, `2026-05-${10 + (nth % 20)}`, nth)]),
    )
    await Promise.all(writes)
    const store = (await database.read((tx) => findStore(tx, feed)))!
    t.equal((await shown((tx, each) => readRows(tx, store, feed, { limit: 1_000 }, each))).length, 140)
    const parts = await database.read((tx) => listParts(tx, store))
    t.ok(parts.reduce((sum, { rows }) => sum + rows, 0) >= 140)
  })

  await t.test('old parts go by age, and by rows while the rest is enough', async (t) => {
    const retention = new FeedRetention(database)
    const byAge = feedOf('by_age', ['a'], { ageMs: 32 * 86_400_000 })
    await writer.write(byAge, [
      ...['2026-05-01', '2026-05-10', '2026-05-20'].map((at) => row('x', at, 1)),
      row('gone', '2026-05-01', 1),
    ])
    const later = new Date('2026-06-05T12:00:00Z')
    t.same(await retention.run([byAge], later, unstopped), { stores: 0, parts: 1 })
    const store = (await database.read((tx) => findStore(tx, byAge)))!
    t.equal((await shown((tx, each) => readRows(tx, store, byAge, all, each))).length, 2)
    t.match(
      await shown((tx, each) => readLatest(tx, store, byAge, all, each)),
      [{ entity: 'x' }],
      'nothing is left of who had no other row',
    )
    t.same(await retention.run([byAge], later, unstopped), { stores: 0, parts: 0 })
    t.same(await writer.write(byAge, [row('x', '2026-05-10', 1), row('x', '2026-05-20', 2)]), {
      changed: 1,
      expired: 0,
    })

    const byRows = feedOf('by_rows', ['a'], { rows: 3 })
    const months = ['2020-01-01', '2023-01-01', '2026-01-01', '2026-03-01', '2026-05-01']
    await writer.write(
      byRows,
      months.map((at) => row('x', at, 1)),
    )
    await writer.write(
      byRows,
      months.map((at) => row('x', at, 2)),
    )
    t.same(
      await retention.run([byRows], now, unstopped),
      { stores: 0, parts: 2 },
      'rows that took the place of others count once',
    )
    const kept = (await database.read((tx) => findStore(tx, byRows)))!
    t.same(
      (await shown((tx, each) => readRows(tx, kept, byRows, all, each))).map(({ instant }) =>
        instant.slice(0, 10),
      ),
      months.slice(2),
    )
  })

  await t.test('a feed that is there no more goes at the second look', async (t) => {
    const retention = new FeedRetention(database)
    const feed = { ...feedOf('dropped', ['a']), id: 4_711 }
    await writer.write(feed, [row('x', '2026-05-01', 1)])
    t.match(await retention.run([], now, unstopped), { stores: 0 })
    t.ok(await database.read((tx) => findStore(tx, feed)))
    t.match(await retention.run([], now, unstopped), { stores: 1 })
    t.equal(await database.read((tx) => findStore(tx, feed)), null)
    t.match(await retention.run([], now, unstopped), { stores: 0 })
    t.same(
      await writer.write(feed, [row('x', '2026-05-01', 1)]),
      { changed: 1, expired: 0 },
      'who wrote to it begins anew',
    )
  })
}
