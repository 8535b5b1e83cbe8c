/** Rows of feeds, in and out by the API. */
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Memory } from '../../../../src/controlplane/api/context.ts'
import { paced } from '../../../../src/controlplane/api/operations/rows-reply.ts'
import { rowsAtOnce } from '../../../../src/controlplane/feeds/feed-answer.ts'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { adminToken, type Harness, startHarness } from '../fixture.ts'

const server = await startPostgres()
/** One that prints for people: what is read must not depend on it. */
const printing = { datestyle: 'German, DMY', extra_float_digits: '-5' }
const harness = await startHarness(await server.createDatabase(printing))
t.teardown(async () => {
  await harness[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})
const { call, send } = harness

const columns = { so2: {}, no2: {}, co: {}, o3: {}, pm10: {}, pm2_5: {} }
const names = Object.keys(columns)
const csvHead = `time_instant, id_entity, ${names.join(', ')}`
const example =
  '2020-01-01 00:00:00.00000, aq_salvia, 6.80117094260474, 48.398337879833704, 0.657363926741451, 48.49706558445371, 20.1015302324903, 9.137353903174679'
const numbers = [
  6.80117094260474, 48.398337879833704, 0.657363926741451, 48.49706558445371, 20.1015302324903,
  9.137353903174679,
]
const exampleRow = {
  time_instant: '2020-01-01T00:00:00Z',
  id_entity: 'aq_salvia',
  ...Object.fromEntries(names.map((name, nth) => [name, numbers[nth]])),
}

const authorization = `Bearer ${adminToken}`
const post = (feed: string, text: string, type = 'text/csv', query = '') =>
  send('POST', `/v1/feeds/${feed}/rows${query}`, text, { authorization, 'content-type': type })
const get = (path: string, headers: Record<string, string> = {}) =>
  send('GET', path, '', { authorization, ...headers })
/** One of which nothing is kept, so that each read shows what is there. */
async function declared(name: string, body: object = { columns }): Promise<string> {
  t.equal((await call('PUT', `/v1/feeds/${name}`, { cache: '0', ...body })).status, 201)
  return name
}

t.test('the example loads as it is, and reads back equal as JSON and as CSV', async (t) => {
  const feed = await declared('air_quality')
  t.match(await get(`/v1/feeds/${feed}`), {
    status: 200,
    body: { feed, columns: names, items: [], nextCursor: null },
  })
  const done = { status: 200, body: { feed, rows: 1, changed: 1, expired: 0, skipped: 0, problems: [] } }
  t.match(await post(feed, `${csvHead}\n${example}\n`), done)
  t.match(await post(feed, `${csvHead}\n${example}\n`), { body: { rows: 1, changed: 0 } })
  t.same((await get(`/v1/feeds/${feed}`)).body.items, [exampleRow])
  const csv = await get(`/v1/feeds/${feed}?format=csv`)
  t.equal(csv.headers.get('content-type'), 'text/csv; charset=utf-8')
  t.equal(
    csv.body,
    `time_instant,id_entity,${names.join(',')}\r\n2020-01-01T00:00:00Z,aq_salvia,${numbers.join(',')}\r\n`,
  )
  t.match(await post(feed, csv.body), { body: { rows: 1, changed: 0 } }, 'what was read can be written')
  t.equal((await get(`/v1/feeds/${feed}`, { accept: 'text/csv' })).body, csv.body)
  t.equal(
    (await get(`/v1/feeds/${feed}`, { accept: 'text/csv;q=0.5, application/json' })).headers.get(
      'content-type',
    ),
    'application/json',
  )
  t.match(await post(feed, JSON.stringify(exampleRow), 'application/json'), { body: { rows: 1, changed: 0 } })
})

t.test('what is not known is neither 0 nor lost', async (t) => {
  const feed = await declared('unknown_values', { columns: { a: {}, b: { type: 'integer' } } })
  const rows = [
    { time_instant: '2026-01-01', id_entity: 'x', a: null, b: 0 },
    { time_instant: '2026-01-02', id_entity: 'x', b: 9_007_199_254_740_991 },
    { time_instant: '2026-01-03', id_entity: 'quo"te, {comma}', a: -1.5e-300 },
  ]
  t.match(await post(feed, rows.map((row) => JSON.stringify(row)).join('\n'), 'application/x-ndjson'), {
    body: { changed: 3 },
  })
  const { body } = await get(`/v1/feeds/${feed}?format=csv`)
  t.equal(
    body,
    'time_instant,id_entity,a,b\r\n2026-01-03T00:00:00Z,"quo""te, {comma}",-1.5e-300,\r\n2026-01-01T00:00:00Z,x,,0\r\n2026-01-02T00:00:00Z,x,,9007199254740991\r\n',
  )
  t.match((await get(`/v1/feeds/${feed}?entity=x`)).body.items, [
    { a: null, b: 0 },
    { a: null, b: 9_007_199_254_740_991 },
  ])
})

t.test('pages, times, latest and steps', async (t) => {
  const feed = await declared('ranges', { columns: { a: {} } })
  const rows = Array.from({ length: 50 }, (_, nth) => ({
    time_instant: new Date(Date.UTC(2026, 0, 1, nth)).toISOString(),
    id_entity: `e${nth % 2}`,
    a: nth,
  }))
  t.match(await post(feed, JSON.stringify(rows), 'application/json'), { body: { changed: 50 } })
  const seen: number[] = []
  let pages = 0
  for (let query: string | null = ''; query !== null; pages++) {
    const { body, headers }: Awaited<ReturnType<Harness['call']>> = await get(
      `/v1/feeds/${feed}?limit=20${query}`,
    )
    seen.push(...body.items.map(({ a }: { a: number }) => a))
    t.equal(headers.get('pooldns-next-cursor'), body.nextCursor)
    query = body.nextCursor === null ? null : `&cursor=${body.nextCursor}`
  }
  t.equal(pages, 3)
  t.same(
    seen,
    [...rows.filter(({ a }) => a % 2 === 0), ...rows.filter(({ a }) => a % 2 === 1)].map(({ a }) => a),
  )
  const values = async (query: string) =>
    (await get(`/v1/feeds/${feed}?${query}`)).body.items.map(({ a }: { a: number }) => a)
  t.same(await values('entity=e0&from=2026-01-01T04:00:00Z&to=2026-01-01T08:00:00Z'), [4, 6])
  t.same(await values('latest=true'), [48, 49])
  t.same(await values('latest=true&entity=e1'), [49])
  const steps = await get(`/v1/feeds/${feed}?entity=e0&step=1d&limit=2`)
  t.same(steps.body.columns, ['a_avg', 'a_min', 'a_max'])
  t.same(steps.body.items, [
    { time_instant: '2026-01-01T00:00:00Z', id_entity: 'e0', a_avg: 11, a_min: 0, a_max: 22 },
    { time_instant: '2026-01-02T00:00:00Z', id_entity: 'e0', a_avg: 35, a_min: 24, a_max: 46 },
  ])
  t.match((await get(`/v1/feeds/${feed}?entity=e0&step=1d&limit=2&cursor=${steps.body.nextCursor}`)).body, {
    items: [{ a_avg: 48 }],
    nextCursor: null,
  })
})

t.test('more rows than one read gives', async (t) => {
  const feed = await declared('many', { columns: { a: {} } })
  const line = (nth: number) => `2026-01-01 00:00:00.${String(nth).padStart(6, '0')},e,${nth}\n`
  const text = `time_instant,id_entity,a\n${Array.from({ length: 25_000 }, (_, nth) => line(nth)).join('')}`
  t.match(await post(feed, text), { body: { rows: 25_000, changed: 25_000 } }, 'a long body goes by the disk')
  const csv: string = (await get(`/v1/feeds/${feed}?format=csv&limit=100000`)).body
  t.equal(csv.split('\r\n').length, 25_002)
  const { body } = await get(`/v1/feeds/${feed}?limit=20001`)
  t.equal(body.items.length, 20_001)
  t.match((await get(`/v1/feeds/${feed}?limit=20001&cursor=${body.nextCursor}`)).body.items, {
    length: 4_999,
    0: { a: 20_001 },
  })
})

t.test('rows of many columns are read some at a time, and none is lost in between', async (t) => {
  t.same([1, 6, 30, 31, 300].map(rowsAtOnce), [10_000, 10_000, 10_000, 9_677, 1_000])
  const wide = Array.from({ length: 100 }, (_, nth) => `c${nth}`)
  const feed = await declared('wide', { columns: Object.fromEntries(wide.map((name) => [name, {}])) })
  const line = (nth: number) => `${new Date(Date.UTC(2026, 0, 1) + nth * 1000).toISOString()},e,${nth}\n`
  const text = `time_instant,id_entity,c99\n${Array.from({ length: 2_500 }, (_, nth) => line(nth)).join('')}`
  t.match(await post(feed, text), { body: { changed: 2_500 } })
  const { items, nextCursor } = (await get(`/v1/feeds/${feed}?step=1s&limit=2400`)).body
  t.same(
    items.map((item: { c99_max: number }) => item.c99_max),
    Array.from({ length: 2_400 }, (_, nth) => nth),
  )
  const rest = await get(`/v1/feeds/${feed}?step=1s&cursor=${nextCursor}`)
  t.match(rest.body.items, { length: 100, 0: { c99_avg: 2_400 } })
})

t.test('a long answer is given up by the piece that takes too long', async (t) => {
  async function* pieces() {
    yield Buffer.from('a')
    yield Buffer.from('b')
  }
  const read: string[] = []
  const never = () => t.fail('it was read in time')
  for await (const piece of paced(pieces(), { graceMs: 600_000, octetsASecond: 1 }, never))
    read.push(String(piece))
  t.same(read, ['a', 'b'])
  const { promise, resolve } = Promise.withResolvers<void>()
  const left = paced(pieces(), { graceMs: 1, octetsASecond: 1_000 }, resolve)
  t.same(await left.next(), { value: Buffer.from('a'), done: false })
  const kept = setTimeout(() => t.fail('it is never given up'), 60_000)
  await promise
  clearTimeout(kept)
  await left.return(undefined)
})

t.test('a long answer is given up by pieces that take too long together', async (t) => {
  async function* pieces() {
    for (;;) yield Buffer.from('a')
  }
  let givenUp = false
  let read = 0
  for await (const _ of paced(pieces(), { graceMs: 200, octetsASecond: 1_000 }, () => {
    givenUp = true
  })) {
    await delay(5)
    read++
    if (givenUp || read === 1_000) break
  }
  t.ok(givenUp, `${read} pieces`)
})

t.test('short bodies that come slowly hold up nobody', async (t) => {
  const feed = await declared('slow', { columns: { a: {} } })
  const token = await harness.database.record((tx) => createToken(tx, 'sensors', ['report']))
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/csv' }
  const slow = Array.from({ length: 40 }, () => {
    const request = httpRequest(`${harness.origin}/v1/feeds/${feed}/rows`, {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'content-length': 100, expect: '100-continue' },
    })
    request.on('error', () => {})
    request.flushHeaders()
    return request
  })
  t.teardown(() => slow.forEach((request) => void request.destroy()))
  await Promise.all(slow.map((request) => once(request, 'continue')))
  const reply = await fetch(`${harness.origin}/v1/feeds/${feed}/rows`, {
    method: 'POST',
    headers,
    body: 'time_instant,id_entity,a\n2026-01-01,e,1\n',
  })
  t.match(await reply.json(), { rows: 1, changed: 1 })
})

t.test('bad rows keep the good ones out, unless these alone are wanted', async (t) => {
  const feed = await declared('bad_rows', { columns: { a: {} } })
  const text = 'time_instant,id_entity,a\n2026-01-01,x,1\n2026-01-01,y,NaN\nsoon,z\n'
  const problems = [
    { path: 'line 3, column 3 (a)', message: '"NaN" is not a number' },
    { path: 'line 4', message: 'has 2 fields, not 3 as the header' },
  ]
  for (const padding of ['', '\n'.repeat(300_000)]) {
    const refused = await post(feed, text + padding)
    t.match(refused, {
      status: 400,
      body: { detail: /the rows for feed bad_rows have 2 problems, and nothing was kept: line 3/ },
    })
    t.same(refused.body.errors, problems)
    t.same((await get(`/v1/feeds/${feed}`)).body.items, [])
  }
  t.match(await post(feed, text, 'text/csv', '?skipBad=true'), {
    status: 200,
    body: { rows: 1, changed: 1, skipped: 2, problems },
  })
  t.match(await post(feed, '2026-01-01,x,1\n'), {
    status: 400,
    body: { detail: /line 1: the header has no time_instant and no id_entity/ },
  })
  t.match(await post(feed, 'time_instant,id_entity,b\n'), {
    status: 400,
    body: { detail: /has no column \\?"b/ },
  })
  t.match(await post(feed, '{', 'application/json'), {
    status: 400,
    body: { detail: /the row that begins there does not end/ },
  })
  t.match(await post('bad_row', text), {
    status: 404,
    body: { detail: 'feed bad_row does not exist; did you mean bad_rows?' },
  })
  t.match(await post(feed, '<html>', 'text/html'), { status: 415 })
  t.match(await post(feed, '', 'text/csv'), { status: 400 })
})

t.test('bad queries', async (t) => {
  t.match(await get('/v1/feeds/air_qualiti'), {
    status: 404,
    body: { detail: 'feed air_qualiti does not exist; did you mean air_quality?' },
  })
  const refused = await get('/v1/feeds/air_quality?from=soon&to=x&step=1&cursor=x')
  t.equal(refused.status, 400)
  t.same(
    refused.body.errors.map(({ path }: { path: string }) => path),
    ['from', 'to', 'cursor'],
  )
  t.match(await get('/v1/feeds/air_quality?step=10ms'), { status: 400 })
  t.match(await get('/v1/feeds/air_quality?step=1h&latest=true'), {
    status: 400,
    body: { errors: [{ path: 'step' }] },
  })
  t.match(await get('/v1/feeds/air_quality?limit=0'), { status: 400 })
  t.match(await get('/v1/feeds/air_quality?fromm=2020-01-01'), { status: 400 })
})

t.test('a name that is no feed is nothing at the root', async (t) => {
  t.match(
    await get('/air_quality'),
    { status: 404, body: { detail: 'there is nothing at /air_quality' } },
    'this node has no configuration yet',
  )
  t.match(await call('POST', '/air_quality', {}), { status: 404 })
})

t.test('at the root a feed is read by who has a token for it', async (t) => {
  const known = { catalog: { feeds: new Map([['air_quality', {}]]), births: new Map() } } as unknown as Memory
  await using other = await startHarness(await server.createDatabase(), { memory: () => known })
  await other.call('PUT', '/v1/feeds/air_quality', { columns })
  const headers = { authorization, 'content-type': 'text/csv' }
  t.match(await other.send('POST', '/v1/feeds/air_quality/rows', `${csvHead}\n${example}`, headers), {
    body: { changed: 1 },
  })
  t.same((await other.call('GET', '/air_quality')).body.items, [exampleRow])
  t.match(await other.call('GET', '/air_quality', undefined, { token: null }), { status: 401 })
  t.match(await other.call('GET', '/air_qualit', undefined, { token: null }), { status: 404 })
  const limits = { feeds: ['load'] }
  const token = await other.database.record((tx) => createToken(tx, 'of-another', ['read'], { limits }))
  t.match(await other.call('GET', '/air_quality', undefined, { token }), { status: 403 })
})
