import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import type { Event } from '../../../../src/controlplane/model/event.ts'
import { appendEvents, latestEventId } from '../../../../src/controlplane/store/events.ts'
import { createToken, revokeToken } from '../../../../src/controlplane/store/tokens.ts'
import { holdTimers } from '../../../support/held-timers.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { everyKind } from '../../store/suite/events.ts'
import { adminToken, type Harness, startHarness, stopGraceMs } from '../fixture.ts'
import { openStream } from './event-stream-client.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const authorization = `Bearer ${adminToken}`
const json = (value: unknown) => JSON.parse(JSON.stringify(value))

/** Stores events and lets the streams know, as the recorder does. */
async function store({ database, feed }: Harness, ...events: readonly Event[]): Promise<void> {
  await database.record((tx) => appendEvents(tx, events))
  feed.wake()
}

const stream = ({ origin }: Harness, query = '', headers = {}) =>
  openStream(origin, `/v1/events/stream${query}`, { authorization, ...headers })

const drained = (member: string): Event => ({
  kind: 'drained',
  node: 'n1',
  pool: 'p',
  member,
  at: new Date(),
})

t.test('the list has every kind of event, newest first, and can be filtered', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call } = harness
  await store(harness, ...everyKind)
  const { body } = await call('GET', '/v1/events')
  t.same(
    body.items.map(({ id: _, ...event }: { id: number }) => event),
    json(everyKind.toReversed()),
  )
  const kinds = async (query: string) =>
    (await call('GET', `/v1/events?${query}`)).body.items.map((event: { kind: string }) => event.kind)
  t.same(await kinds('kind=pool'), ['pool'])
  t.same(await kinds('pool=p&member=a'), ['member'])
  t.same(await kinds('service=www.example.test'), ['service'])
  t.same(await kinds('node=n2'), ['isolation', 'override'])
  t.same(await kinds('since=2026-02-01T00:03:00Z&until=2026-02-01T00:05:00%2B00:00'), ['drained', 'override'])
  const page = await call('GET', '/v1/events?limit=5&node=n1')
  t.equal(page.body.nextCursor, null)
  for (const [query, path] of [
    ['kind=soaked', 'kind'],
    ['since=yesterday', 'since'],
    ['until=2026-02-30', 'until'],
    ['node=%00', 'node'],
    ['cursor=abc', 'cursor'],
    ['colour=red', 'colour'],
  ] as const) {
    t.match(await call('GET', `/v1/events?${query}`), { status: 400, body: { errors: [{ path }] } }, query)
  }
})

t.test('a stream of what happens', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  await store(harness, drained('before'))
  await using all = await stream(harness)
  t.match(all.response.headers, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  })
  await using some = await stream(harness, '?kind=drained&pool=p&node=n1')
  await Promise.all([all.comment(), some.comment()])
  for (const one of everyKind) await store(harness, one)
  for (const one of everyKind) {
    const { id, event, data } = await all.next()
    t.equal(event, one.kind)
    t.same(data, json({ id: Number(id), ...one }))
  }
  t.match((await some.next()).data, { kind: 'drained', member: 'b' })
  // Another node's: found by looking once a second.
  await harness.database.record((tx) => appendEvents(tx, [drained('elsewhere')]))
  t.match((await all.next()).data, { member: 'elsewhere' })
})

t.test('a stream goes on where it was', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const count = 450
  await store(harness, ...Array.from({ length: count }, (_, i) => drained(`m${i}`)))
  await using whole = await stream(harness, '?after=0')
  const ids: string[] = []
  for (let i = 0; i < count; i++) {
    const { id, data } = await whole.next()
    if (data.member !== `m${i}`) t.fail(`${data.member} in the place of m${i}`)
    ids.push(id)
  }
  await using resumed = await stream(harness, '?after=0', { 'last-event-id': ids[count - 3] })
  t.match((await resumed.next()).data, { member: `m${count - 2}` }, 'the header goes before the query')
  t.match((await resumed.next()).data, { member: `m${count - 1}` })
  await using ahead = await stream(harness, '?after=999999999999999')
  await ahead.comment()
  await store(harness, drained('new'))
  for (const client of [whole, resumed]) t.match((await client.next()).data, { member: 'new' })
  await harness.feed.stop()
  await Promise.all([whole.ended, resumed.ended, ahead.ended])
})

t.test('an id beyond the record means its end', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  await store(harness, drained('a'))
  await using ahead = await stream(harness, '?after=999999999999999')
  await using other = await stream(harness, '?after=0')
  t.match((await other.next()).data, { member: 'a' })
  const latest = await harness.database.read(latestEventId)
  const found = ahead.next()
  let over = false
  void found.finally(() => {
    over = true
  })
  // What it is told of first was stored when it had looked for the end of the record, which nobody hears of.
  let stored = 0
  do {
    await store(harness, drained('b'))
    t.equal(Number((await other.next()).id), latest + ++stored)
  } while (!over)
  const { id, data } = await found
  t.match(data, { member: 'b' })
  t.ok(Number(id) > latest && Number(id) <= latest + stored)
})

t.test('a stream that can not be had is refused before it begins', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), {
    streamLimits: { most: 2 },
  })
  const { call } = harness
  for (const query of ['after=-1', 'after=x', 'kind=soaked', 'since=2026-01-01T00:00:00Z']) {
    t.equal((await call('GET', `/v1/events/stream?${query}`)).status, 400, query)
  }
  const bad = await call('GET', '/v1/events/stream', undefined, { headers: { 'last-event-id': 'abc' } })
  t.match(bad, { status: 400, body: { errors: [{ path: 'Last-Event-ID' }] } })
  t.equal((await call('GET', '/v1/events/stream', undefined, { token: null })).status, 401)
  const head = request(`${harness.origin}/v1/events/stream`, { method: 'HEAD', headers: { authorization } })
  const [response] = await once(head.end(), 'response')
  t.equal(response.statusCode, 405, 'a HEAD would never end')

  const one = await stream(harness)
  await using _two = await stream(harness)
  const third = await call('GET', '/v1/events/stream')
  t.equal(third.status, 503)
  t.equal(third.body.type, 'urn:pooldns:problem:too-many-streams')
  t.equal(third.headers.get('retry-after'), '10')
  await one[Symbol.asyncDispose]()
  // The server hears of it a moment later.
  let status = 0
  while (status !== 200) {
    const sent = request(`${harness.origin}/v1/events/stream`, { headers: { authorization }, agent: false })
    const [reply] = await once(sent.end(), 'response')
    status = reply.statusCode
    sent.destroy()
  }
  t.pass('there is room again')
})

t.test('a client that does not read is disconnected', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), {
    streamLimits: { patienceMs: 300, heartbeatMs: 50 },
  })
  const reason = 'x'.repeat(5000)
  const large = Array.from({ length: 200 }, (): Event => {
    return { kind: 'pool', node: 'n1', pool: 'p', from: 'healthy', to: 'down', reason, at: new Date() }
  })
  // 20 MB, more than the sockets of both sides hold.
  for (let i = 0; i < 20; i++) await harness.database.record((tx) => appendEvents(tx, large))
  const socket = connect(Number(new URL(harness.origin).port), '127.0.0.1')
  socket.write(
    `GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`,
  )
  await once(socket, 'readable')
  await using reader = await stream(harness)
  await reader.comment()
  await harness.logged(({ msg, client }) => /does not read/.test(`${msg}`) && client === '127.0.0.1')
  await store(harness, drained('later'))
  t.match((await reader.next()).data, { member: 'later' }, 'others go on')
  socket.destroy()
})

t.test('the database goes and comes back', async (t) => {
  await using server = await startPostgres()
  await using harness = await startHarness(await server.createDatabase(), {
    streamLimits: { heartbeatMs: 50 },
  })
  await using client = await stream(harness)
  await client.comment()
  await store(harness, drained('before'))
  t.match((await client.next()).data, { member: 'before' })
  await server.kill()
  t.equal((await harness.call('GET', '/v1/events')).status, 503)
  await using late = await stream(harness)
  for (let i = 0; i < 3; i++) await Promise.all([client.comment(), late.comment()])
  await server.restart()
  await store(harness, drained('after'))
  t.match((await client.next()).data, { member: 'after' })
  t.match((await late.next()).data, { member: 'after' }, 'also for one that came meanwhile')
})

t.test('the streams of one token leave room for those of others', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), {
    httpLimits: { streams: { places: 3, byHolder: 1, keptForWriters: 1, keptForAdmin: 1, patienceMs: 0 } },
  })
  const { database } = harness
  const [first, second, third] = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const secret = await database.record((tx) => createToken(tx, name, ['read']))
      return { authorization: `Bearer ${secret}` }
    }),
  )
  const one = await stream(harness, '', first)
  await t.rejects(stream(harness, '', first), /1 of them yours/)
  await using _two = await stream(harness, '', second)
  await t.rejects(stream(harness, '', third), /2 streams of events already/)
  await using _admin = await stream(harness)
  await one[Symbol.asyncDispose]()
})

t.test('a token that was revoked does not read on', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { database } = harness
  const secret = await database.record((tx) => createToken(tx, 'reader', ['read']))
  await using client = await stream(harness, '', { authorization: `Bearer ${secret}` })
  // The head of the reply comes before the record has been looked at.
  await client.comment()
  await store(harness, drained('a'))
  t.match((await client.next()).data, { member: 'a' })
  await database.record((tx) => revokeToken(tx, 'reader'))
  await client.ended
})

t.test('streams end when the server stops', async (t) => {
  const harness = await startHarness(await postgres.createDatabase())
  const client = await stream(harness)
  await client.comment()
  holdTimers(t, stopGraceMs)
  await harness[Symbol.asyncDispose]()
  await client.ended
  t.pass('it did not wait for them')
})
