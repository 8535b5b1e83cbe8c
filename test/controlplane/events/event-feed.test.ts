import t, { type Test } from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { EventFeed } from '../../../src/controlplane/events/event-feed.ts'
import type { Event, StoredEvent } from '../../../src/controlplane/model/event.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { appendEvents } from '../../../src/controlplane/store/events.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const drained = (member: string): Event => ({ kind: 'drained', node: 'n', pool: 'p', member, at: new Date() })

async function start(t: Test) {
  const database = await Database.open({ url: await postgres.createDatabase(), dataDir: '/nowhere' })
  t.teardown(() => database.stop())
  await database.ready(patience())
  const feed = new EventFeed({ database, now: () => new Date(), onError: (error) => t.fail(String(error)) })
  t.teardown(() => feed.stop())
  const store = async (...names: string[]) => {
    await database.record((tx) => appendEvents(tx, names.map(drained)))
    feed.wake()
  }
  const follow = (after: number | null, signal = new AbortController().signal) =>
    reader(feed.follow(after, signal))
  return { database, feed, store, follow }
}

/** Takes events one by one. */
function reader(batches: AsyncGenerator<readonly StoredEvent[], void>) {
  let rest: StoredEvent[] = []
  return {
    /** Has its place. */
    begin: () => batches.next(),
    end: () => batches.return(),
    async names(count: number): Promise<string[]> {
      while (rest.length < count) {
        const { value, done } = await batches.next()
        if (done) throw new Error('it has ended')
        rest.push(...value)
      }
      const taken = rest.slice(0, count)
      rest = rest.slice(count)
      return taken.map((event) => ('member' in event ? event.member : ''))
    },
  }
}

const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `m${from + i}`)

t.test('some are prompt, one sleeps, and nobody misses anything', async (t) => {
  const { store, follow } = await start(t)
  await store(...names(0, 10))
  const [prompt, sleepy, whole] = [follow(null), follow(null), follow(0)]
  await Promise.all([prompt.begin(), sleepy.begin(), whole.begin()])
  const seen = [await whole.names(10)]
  // More than the feed keeps.
  for (let i = 10; i < 2010; i += 100) {
    await store(...names(i, i + 100))
    const [one, other] = await Promise.all([prompt.names(100), whole.names(100)])
    t.same(one, names(i, i + 100))
    seen.push(other)
  }
  t.same(seen.flat(), names(0, 2010))
  t.same(await sleepy.names(2000), names(10, 2010))
  await store('last')
  for (const one of [prompt, sleepy, whole]) t.same(await one.names(1), ['last'])
})

t.test('nobody, and then somebody again', async (t) => {
  const { store, follow } = await start(t)
  const first = follow(null)
  await first.begin()
  await store('a')
  t.same(await first.names(1), ['a'])
  await first.end()
  await store('b')
  const second = follow(null)
  await second.begin()
  await store('c')
  t.same(await second.names(1), ['c'])
})

t.test('ends with its signal, and with the feed', async (t) => {
  const { feed } = await start(t)
  const controller = new AbortController()
  const one = feed.follow(null, controller.signal)
  const other = feed.follow(null, new AbortController().signal)
  await Promise.all([one.next(), other.next()])
  const waiting = one.next()
  controller.abort()
  t.same(await waiting, { value: undefined, done: true })
  const waitingToo = other.next()
  await feed.stop()
  t.same(await waitingToo, { value: undefined, done: true })
})

t.test('a record that was replaced by an older one', async (t) => {
  const { database, store, follow } = await start(t)
  await store(...names(0, 50))
  const one = follow(null)
  await one.begin()
  await store('a')
  t.same(await one.names(1), ['a'])
  // As after a restore from a backup: ids begin again.
  await database.record(async (tx) => {
    await tx.execute(sql`delete from events where id > 10`)
    await tx.execute(sql`alter table events alter column id restart with 11`)
  })
  // The feed has to have seen that before it can tell new events from old ones.
  const found = one.names(1)
  let over = false
  void found.finally(() => {
    over = true
  })
  while (!over) await store('b')
  t.same(await found, ['b'])
})
