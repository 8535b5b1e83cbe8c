/** What was read is given again: by one node, by two that share a server, and whatever becomes of that and of the database. */
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import {
  certificate,
  certificateFolder,
  signedCertificate,
  withoutOpenssl,
} from '../controlplane/health/certificates.ts'
import { type DaemonProcess, spawnDaemon, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { missingPrograms } from '../support/program.ts'
import { startRedis } from '../support/redis.ts'
import { eventually, put } from './fixture.ts'

const skip = missingPrograms('redis-server')
/** The server writes down each statement that it gets. */
const told = { log_statement: "'all'" }

const read = async (daemon: DaemonProcess, path: string, headers: Record<string, string> = {}) => {
  const response = await daemon.request(path, { headers })
  return { status: response.status, headers: response.headers, text: await response.text() }
}
const outcome = async (daemon: DaemonProcess, path: string, headers?: Record<string, string>) =>
  (await read(daemon, path, headers)).headers.get('x-cache')

/** What reads rows of feeds, and what they are declared as. */
const ofRows =
  /execute [^\n]*: .*from (feed_rows_\d|feed_latest|"feed_stores"|"feeds")|statement: .*from (feed_rows_\d|feed_latest|"feed_stores"|"feeds")/g
// Not those of a node that asks what is new.
const ofEvents = /from "events" [^\n]*"kind"[^\n]*order by/g

let marks = 0
/** How often the server was asked for something until now. */
async function asked(postgres: PostgresServer, what = ofEvents): Promise<number> {
  const mark = `mark ${++marks}`
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  await client.query("set log_statement to 'all'")
  await client.query(`select '${mark}'`)
  await client.end()
  await eventually(async () => postgres.log.includes(mark) || undefined)
  return postgres.log.match(what)?.length ?? 0
}

/** Longer than a node takes to see a change and to tell of it. */
const quietMs = 3000

/** Two pools with an override each, and a list of these that ends now. */
async function eventsOf(daemon: DaemonProcess, nodes = 1): Promise<string> {
  for (const pool of ['one', 'two']) {
    await put(daemon, `/v1/pools/${pool}`, { members: { a: { address: '192.0.2.1' } } })
    await put(daemon, `/v1/pools/${pool}/members/a/override`, { state: 'drain', reason: 'a test' })
  }
  // What nodes say of members and pools is more or less, by what each saw at once. It must have ended: a list would be read anew by it.
  let [count, sinceMs] = [0, 0]
  await eventually(async () => {
    const { items } = JSON.parse((await read(daemon, '/v1/events')).text) as { items: unknown[] }
    if (items.length !== count) [count, sinceMs] = [items.length, performance.now()]
    return (count >= 2 + nodes && performance.now() - sinceMs > quietMs) || undefined
  })
  return `/v1/events?kind=override&until=${new Date().toISOString()}`
}

t.test('one node', async (t) => {
  await using postgres = await startPostgres()
  await using daemon = await startDaemonProcess({
    env: { DATABASE_URL: await postgres.createDatabase(told) },
  })
  const path = await eventsOf(daemon)

  await t.test('the second read asks the database nothing', async (t) => {
    const first = await read(daemon, path)
    t.equal(first.headers.get('x-cache'), 'MISS')
    t.equal(first.headers.get('age'), '0')
    t.equal(first.headers.get('cache-control'), 'private, max-age=30')
    const statements = await asked(postgres)
    const second = await read(daemon, path)
    t.equal(second.headers.get('x-cache'), 'HIT')
    t.equal(second.text, first.text)
    t.equal(second.headers.get('content-type'), 'application/json; charset=utf-8')
    const etag = second.headers.get('etag')!
    t.equal(etag, first.headers.get('etag'))
    // With which `fetch` says `no-cache`, too.
    for (const known of [etag, `"other", W/${etag}`, '*']) {
      const { status, text } = await read(daemon, path, { 'if-none-match': known })
      t.same([status, text], [304, ''], known)
    }
    t.equal((await read(daemon, path, { 'if-none-match': '"other"' })).status, 200)
    t.equal(await asked(postgres), statements)
    const fresh = await read(daemon, path, { 'cache-control': 'no-cache' })
    t.equal(fresh.headers.get('x-cache'), 'MISS', 'unless the client will have no copy')
    t.equal(fresh.headers.get('etag'), etag, 'which is of what was read, not of when')
    t.equal(await asked(postgres), statements + 1)
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
    t.match(metrics, /pooldns_cache_reads_total\{result="hit"\} ([5-9]|\d\d)/)
    t.notMatch(metrics, /^pooldns_cache_server_up/m)
  })

  await t.test('a hundred at once ask it once', async (t) => {
    const statements = await asked(postgres)
    const each = Array.from({ length: 100 }, () => outcome(daemon, `${path}&pool=one`))
    const outcomes = await Promise.all(each)
    t.equal(outcomes.filter((word) => word === 'MISS').length, 1)
    t.equal(await asked(postgres), statements + 1)
  })

  await t.test('the first after its time asks it again', async (t) => {
    const newest = '/v1/events?kind=override&pool=two'
    t.equal(await outcome(daemon, newest), 'MISS')
    // Two may be further apart than that time.
    for (const wanted of ['HIT', 'MISS', 'HIT'])
      await eventually(async () => ((await outcome(daemon, newest)) === wanted ? true : undefined))
  })

  await t.test('nobody gets what another token was shown', async (t) => {
    const tokenOf = async (name: string, json: object) => {
      const response = await daemon.request(`/v1/tokens`, { method: 'POST', json: { name, ...json } })
      return ((await response.json()) as { secret: string }).secret
    }
    const limited = await tokenOf('limited', { scopes: ['read'], limits: { pools: ['one'] } })
    const other = await tokenOf('other', { scopes: ['read'], limits: { pools: ['two'] } })
    const all = await tokenOf('all', { scopes: ['read'] })
    const blind = await tokenOf('blind', { scopes: ['report'] })
    const poolsOf = async (token: string) => {
      const { status, text, headers } = await read(daemon, path, { authorization: `Bearer ${token}` })
      if (status !== 200) return [status, headers.get('x-cache')]
      const { items } = JSON.parse(text) as { items: { pool: string }[] }
      return [headers.get('x-cache'), ...items.map(({ pool }) => pool)]
    }
    // What was read before may be too old by now.
    await read(daemon, path)
    t.same(await poolsOf(all), ['HIT', 'two', 'one'], 'with what the admin has read')
    t.same(await poolsOf(limited), ['MISS', 'one'])
    t.same(await poolsOf(limited), ['HIT', 'one'])
    t.same(await poolsOf(other), ['MISS', 'two'])
    t.same(await poolsOf(blind), [403, null])
    t.same(await poolsOf('nobody-knows-this-token'), [401, null])
  })

  await t.test('what a node has written it shows', async (t) => {
    await put(daemon, '/v1/zones/example.test', {
      soa: { mname: 'ns1.example.test.', rname: 'h.example.test.' },
      rrsets: ['a', 'b'].map((name) => ({ name, type: 'A', data: ['192.0.2.7'] })),
    })
    for (const [nth, name] of ['a', 'b'].entries()) {
      t.equal((await daemon.request(`/v1/tools/lookup?domain=${name}.example.test`)).status, 200)
      const { headers, text } = await read(daemon, '/v1/history')
      t.equal(headers.get('x-cache'), 'MISS')
      t.equal((JSON.parse(text) as { domain: string }[])[0]?.domain, `${name}.example.test`, String(nth))
    }
  })

  await t.test('old answers while the database is away, which say so', async (t) => {
    const newest = '/v1/events?kind=override&pool=two'
    const before = await read(daemon, newest)
    await postgres.kill()
    const stale = await eventually(async () => {
      const found = await read(daemon, newest)
      return found.headers.get('x-cache') === 'STALE' ? found : undefined
    })
    t.equal(stale.status, 200)
    t.equal(stale.text, before.text)
    t.equal((await read(daemon, '/v1/events?kind=override&pool=none')).status, 503, 'of what was read alone')
    const { status } = await read(daemon, newest, { 'cache-control': 'no-cache' })
    t.equal(status, 200, 'better than nothing')
    await postgres.restart()
    await eventually(async () => ((await outcome(daemon, newest)) === 'MISS' ? true : undefined))
  })
})

t.test('two nodes that share a server', { skip }, async (t) => {
  await using postgres = await startPostgres()
  await using redis = await startRedis({ password: 'hunter2' })
  const DATABASE_URL = await postgres.createDatabase(told)
  const env = { DATABASE_URL, POOLDNS_CACHE_URL: redis.url }
  await using one = await startDaemonProcess({ env })
  await using two = await startDaemonProcess({ env })
  const path = await eventsOf(one, 2)
  const up = (daemon: DaemonProcess, value: 0 | 1) =>
    eventually(async () => {
      const text = await (await fetch(`${daemon.http}/metrics`)).text()
      return text.includes(`pooldns_cache_server_up ${value}`) || undefined
    })
  await Promise.all([up(one, 1), up(two, 1)])

  // Over and over: a server that does not answer within a moment is not waited for, and what it has is then read anew.
  let nth = 0
  await eventually(async () => {
    const another = `${path}&limit=${1000 - nth++}`
    t.equal(await outcome(one, another), 'MISS')
    const statements = await asked(postgres)
    await eventually(async () => (Number(await redis.run('dbsize')) >= nth ? true : undefined))
    const { headers, text } = await read(two, another)
    if (headers.get('x-cache') !== 'HIT') return undefined
    const again = await read(one, another)
    if (again.headers.get('x-cache') !== 'HIT') return undefined
    t.equal(text, again.text)
    t.equal(
      await asked(postgres),
      statements,
      'the other has what one has read, and asks the database nothing',
    )
    return true
  })
  await eventually(async () => ((await outcome(one, path)) === 'HIT' ? true : undefined))

  await t.test('one of another database does not get it', async (t) => {
    await using stranger = await startDaemonProcess({
      env: { ...env, DATABASE_URL: await postgres.createEmptyDatabase() },
    })
    await up(stranger, 1)
    t.equal(await outcome(stranger, path), 'MISS')
  })

  await t.test('killed, frozen and back in the midst of reads', async (t) => {
    let nth = 0
    let stop = false
    const statuses = new Set<number>()
    const slow: number[] = []
    const readers = [one, two, one, two].map(async (daemon) => {
      while (!stop) {
        const startedAt = performance.now()
        // Each is another, so that the server is asked each time.
        statuses.add((await read(daemon, `${path}&limit=${(nth++ % 1000) + 1}`)).status)
        slow.push(performance.now() - startedAt)
      }
    })
    const reads = async (count: number) => {
      const from = nth
      await eventually(async () => (nth >= from + count ? true : undefined))
    }
    await reads(100)
    await redis.kill()
    await Promise.all([up(one, 0), up(two, 0)])
    await reads(100)
    await redis.restart()
    await Promise.all([up(one, 1), up(two, 1)])
    await reads(100)
    redis.freeze()
    await Promise.all([up(one, 0), up(two, 0)])
    await reads(100)
    redis.thaw()
    await Promise.all([up(one, 1), up(two, 1)])
    await reads(100)
    stop = true
    await Promise.all(readers)
    t.same([...statuses], [200], `${nth} reads`)
    t.comment(`the slowest of ${slow.length} reads took ${Math.round(Math.max(...slow))} ms`)
  })

  for (const { lines } of [one, two]) {
    // Once a minute at the most, and a busy machine may find it away more often than it was.
    const told = lines.flatMap(({ msg }) => (/^the shared cache is (away|back)/.test(msg ?? '') ? [msg] : []))
    t.ok(told.length >= 2, `the log is told: ${told.join(', ')}`)
    t.ok(
      told.every((msg, index) => msg !== told[index - 1]),
      'once each time',
    )
  }
  const said = [...one.lines, ...two.lines].map((line) => JSON.stringify(line))
  t.notMatch(said.join('\n'), /hunter2/)
})

const rows = `time_instant,id_entity,so2,no2,co,o3,pm10,pm2_5
2020-01-01 00:00:00.00000, aq_salvia, 6.80117094260474, 48.398337879833704, 0.657363926741451, 48.49706558445371, 20.1015302324903, 9.137353903174679
2020-01-01 00:15:00.00000, aq_salvia, 6.9, , 0.1, 48.5, 20, 9
`

/** Declares the feed, whose rows are kept for so long. */
async function declareAirQuality(daemon: DaemonProcess, cache: string): Promise<void> {
  const columns = ['so2', 'no2', 'co', 'o3', 'pm10', 'pm2_5'].map((name) => [name, {}])
  await put(daemon, '/v1/feeds/air_quality', { columns: Object.fromEntries(columns), cache })
}

/** As long as a test takes, whatever it runs on. */
const long = '1h'

/** Declares the feed, kept for long, and gives it its rows. */
async function loadAirQuality(daemon: DaemonProcess): Promise<void> {
  await declareAirQuality(daemon, long)
  const post = { method: 'POST', headers: { 'content-type': 'text/csv' }, body: rows }
  const response = await daemon.request('/v1/feeds/air_quality/rows', post)
  t.match([response.status, await response.json()], [200, { rows: 2, changed: 2 }])
}

const inJson = '/air_quality'
const inCsv = '/v1/feeds/air_quality?format=csv'

t.test('rows of a feed', async (t) => {
  await using postgres = await startPostgres()
  await using daemon = await startDaemonProcess({
    env: { DATABASE_URL: await postgres.createDatabase(told) },
  })
  await loadAirQuality(daemon)
  for (const path of [inJson, inCsv]) {
    const first = await read(daemon, path)
    t.equal(first.status, 200)
    t.equal(first.headers.get('x-cache'), 'MISS', path)
    t.equal(first.headers.get('cache-control'), 'private, max-age=3600')
    t.match(first.text, /6\.80117094260474\b/)
    const statements = await asked(postgres, ofRows)
    t.ok(statements > 0)
    const second = await read(daemon, path)
    t.equal(second.headers.get('x-cache'), 'HIT', path)
    t.equal(second.text, first.text)
    t.equal(second.headers.get('content-type'), first.headers.get('content-type'))
    const etag = second.headers.get('etag')!
    t.equal((await read(daemon, path, { 'if-none-match': etag })).status, 304)
    t.equal(await asked(postgres, ofRows), statements, `${path}: what is kept costs no SQL`)
    await declareAirQuality(daemon, '1s')
    await eventually(async () => ((await outcome(daemon, path)) === 'MISS' ? true : undefined))
    t.ok((await asked(postgres, ofRows)) > statements)
    await declareAirQuality(daemon, long)
  }
  t.not((await read(daemon, inJson)).headers.get('etag'), (await read(daemon, inCsv)).headers.get('etag'))
  t.equal(
    (await read(daemon, inJson, { accept: 'text/csv' })).headers.get('content-type'),
    'text/csv; charset=utf-8',
    'by what the client accepts, too',
  )

  await t.test('a hundred at once ask once', async (t) => {
    const before = await asked(postgres, ofRows)
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => outcome(daemon, `${inJson}?limit=1`)),
    )
    t.equal(outcomes.filter((word) => word === 'MISS').length, 1)
    t.ok((await asked(postgres, ofRows)) - before <= 2, 'where the rows are, and the rows')
  })

  await t.test('a feed of which nothing is kept', async (t) => {
    await put(daemon, '/v1/feeds/quick', { columns: { a: {} }, cache: '0' })
    t.same([await outcome(daemon, '/quick'), await outcome(daemon, '/quick')], ['MISS', 'MISS'])
    t.equal((await read(daemon, '/quick')).headers.get('cache-control'), 'private, no-cache')
  })

  await t.test('one that is dropped and declared anew has nothing of before', async (t) => {
    const { status } = await daemon.request('/v1/feeds/air_quality', { method: 'DELETE' })
    t.equal(status, 204)
    t.equal((await read(daemon, inJson)).status, 404)
    await put(daemon, '/v1/feeds/air_quality', { columns: { so2: {} }, cache: '1h' })
    t.match(JSON.parse((await read(daemon, inJson)).text), { items: [] })
  })

  await t.test('what is too long to be kept is streamed', async (t) => {
    await put(daemon, '/v1/feeds/long', { columns: { a: {} } })
    const entity = 'x'.repeat(200)
    const lines = Array.from(
      { length: 21_000 },
      (_, nth) => `2020-01-01T00:00:00.${String(nth).padStart(6, '0')}Z,${entity},${nth}`,
    )
    const body = `time_instant,id_entity,a\n${lines.join('\n')}\n`
    const headers = { 'content-type': 'text/csv' }
    t.equal((await daemon.request('/v1/feeds/long/rows', { method: 'POST', headers, body })).status, 200)
    const path = '/v1/feeds/long?format=csv&limit=100000'
    const answers = await Promise.all(Array.from({ length: 2 }, () => read(daemon, path)))
    for (const { status, text, headers } of answers) {
      t.same([status, text.split('\r\n').length, headers.get('x-cache')], [200, 21_002, 'MISS'])
    }
    t.equal(await outcome(daemon, path), 'MISS')
  })

  await t.test('stale while the database is away', async (t) => {
    t.equal((await read(daemon, '/long')).status, 200)
    await postgres.kill()
    const path = '/v1/feeds/quick?limit=3'
    await eventually(async () => ((await read(daemon, path)).status === 503 ? true : undefined))
    t.match(await outcome(daemon, '/long'), /^(?:HIT|STALE)$/)
    await postgres.restart()
  })
})

t.test('rows of a feed, by two nodes that share a server', { skip }, async (t) => {
  await using postgres = await startPostgres()
  await using redis = await startRedis()
  const env = { DATABASE_URL: await postgres.createDatabase(told), POOLDNS_CACHE_URL: redis.url }
  await using one = await startDaemonProcess({ env })
  await using two = await startDaemonProcess({ env })
  await loadAirQuality(one)
  // By something else than is asked for below, of which nobody has anything yet.
  await eventually(async () => ((await read(two, `${inJson}?limit=9`)).status === 200 ? true : undefined))
  const nodes = [one, two]
  for (const path of [inJson, inCsv]) {
    const first = await read(one, path)
    t.equal(first.headers.get('x-cache'), 'MISS')
    const statements = await asked(postgres, ofRows)
    await eventually(async () => ((await outcome(two, path)) === 'HIT' ? true : undefined))
    const second = await read(two, path)
    t.equal(second.text, first.text)
    t.ok(
      (await asked(postgres, ofRows)) - statements <= 4,
      'at most once more, when the server took too long',
    )
  }
  let reads = 0
  const statuses = new Set<number>()
  const stop = new AbortController()
  const readers = nodes.map(async (daemon) => {
    while (!stop.signal.aborted) {
      statuses.add((await read(daemon, `${inJson}?limit=${(reads++ % 500) + 1}`)).status)
    }
  })
  const more = async (count: number) => {
    const from = reads
    await eventually(async () => (reads >= from + count ? true : undefined))
  }
  await more(50)
  await redis.kill()
  await more(100)
  await redis.restart()
  await more(50)
  stop.abort()
  await Promise.all(readers)
  t.same([...statuses], [200], `${reads} reads`)
})

t.test('by TLS, as the host says whom to trust', { skip: skip || withoutOpenssl }, async (t) => {
  const folder = await certificateFolder(t)
  await certificate(folder, 'house', 'DNS:house.test')
  await signedCertificate(folder, 'redis', 'IP:127.0.0.1', 'house')
  const path = (name: string) => join(folder, name)
  const tls = { cert: path('redis.crt'), key: path('redis.key'), authority: path('house.crt') }
  await using redis = await startRedis({ tls })
  await using daemon = await startDaemonProcess({
    env: { POOLDNS_CACHE_URL: redis.url, SSL_CERT_FILE: tls.authority },
  })
  await eventually(async () => {
    const text = await (await fetch(`${daemon.http}/metrics`)).text()
    return text.includes('pooldns_cache_server_up 1') || undefined
  })
  t.notOk(daemon.lines.some(({ msg }) => msg?.includes('shared cache')))
})

t.test('a URL that is none ends the start', async (t) => {
  await using daemon = await spawnDaemon({ env: { POOLDNS_CACHE_URL: 'redis://u:hunter2@h:99999' } })
  t.same(await daemon.exited, { code: 2, signal: null })
  t.match(daemon.stderr, /POOLDNS_CACHE_URL: the port is no number from 1 to 65535/)
  t.notMatch(daemon.stderr, /hunter2/)
})
