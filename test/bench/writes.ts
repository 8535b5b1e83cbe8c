/**
 * The scenario `writes`: what a write of each kind takes on a fresh database of the PostgreSQL that is installed here, with
 * its settings as they come, and without JIT. A server compiles a statement whose estimated cost is above a limit, which
 * takes seconds whatever the statement does; a fresh database has no statistics, so its estimates are the worst. Each round
 * has a database and a daemon of its own for either side, and makes the same requests by HTTP, one after the other.
 */
import { startDaemonProcess } from '../support/daemon.ts'
import { startSystemPostgres, withoutSystemPostgres } from '../support/system-postgres.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { median } from './statistics.ts'
import { significant } from './table.ts'

const rounds = 3
/** With JIT a write may take so many times what it takes without. */
const mostRatio = 3

interface Request {
  /** What the table calls it. */
  readonly title: string
  readonly method: 'PUT' | 'DELETE'
  readonly path: string
  readonly json?: unknown
}

const put = (title: string, path: string, json: unknown): Request => {
  return { title: `PUT ${title}`, method: 'PUT', path, json }
}
const remove = (title: string, path: string): Request => {
  return { title: `DELETE ${title}`, method: 'DELETE', path }
}

const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }
const members = { a: { address: '192.0.2.1' }, b: { address: '192.0.2.2' } }
const zone = '/v1/zones/example.test'
const service = '/v1/services'

/** In an order in which each can be made. */
const requests: readonly Request[] = [
  put('monitor', '/v1/monitors/m', { type: 'static', state: 'up' }),
  put('composite monitor', '/v1/monitors/both', { type: 'composite', monitors: ['m'] }),
  put('pool', '/v1/pools/one', { monitor: 'm', members }),
  put('pool with fallback', '/v1/pools/two', { whenAllDown: 'fallback', fallback: 'one', members }),
  put('pool of CNAMEs', '/v1/pools/alias', { hosts: 'cname', members: { c: { host: 'lb.example.' } } }),
  put('pool, small', '/v1/pools/spare', {}),
  put('member', '/v1/pools/one/members/c', { address: '192.0.2.3' }),
  put('zone', zone, { soa, rrsets: [{ name: 'www', type: 'A', data: ['192.0.2.9'] }] }),
  put('zone, empty', '/v1/zones/spare.test', { soa }),
  put('RRset', `${zone}/rrsets/mail/MX`, { data: ['10 mx.example.'] }),
  put('RRset DNAME', `${zone}/rrsets/old/DNAME`, { data: ['new.example.'] }),
  put('service', `${service}/a.example.test`, { pools: ['one', 'two'] }),
  put('service of CNAMEs', `${service}/b.example.test`, { pools: ['alias'] }),
  put('service of services', `${service}/c.example.test`, {
    pools: [{ service: 'a.example.test' }, { pool: 'one' }],
  }),
  put('service, nearest', `${service}/d.example.test`, {
    steer: 'nearest',
    pools: [{ pool: 'one', location: { latitude: 1, longitude: 2 } }],
  }),
  put('pool in use', '/v1/pools/two', { whenAllDown: 'fallback', fallback: 'alias', members }),
  put('zone below', '/v1/zones/d.example.test', { soa }),
  put('override', '/v1/pools/one/members/a/override', { state: 'drain', reason: 'bench' }),
  remove('override', '/v1/pools/one/members/a/override'),
  remove('zone below', '/v1/zones/d.example.test'),
  remove('member', '/v1/pools/one/members/c'),
  remove('RRset', `${zone}/rrsets/mail/MX`),
  remove('service', `${service}/d.example.test`),
  remove('pool', '/v1/pools/spare'),
  remove('monitor', '/v1/monitors/both'),
  remove('zone', '/v1/zones/spare.test'),
]

const sides = [
  { name: 'as it comes', settings: {} },
  { name: 'jit=off', settings: { jit: 'off' } },
] as const

export async function run({ signal, report }: ScenarioOptions): Promise<ScenarioResult> {
  const missing = withoutSystemPostgres()
  if (missing !== false) {
    report(`writes: left out, ${missing}`)
    return { tables: [], data: { missing } }
  }
  await using postgres = await startSystemPostgres()
  /** By side, a list of times a request. */
  const times = sides.map(() => requests.map((): number[] => []))
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { name, settings }] of sides.entries()) {
      signal.throwIfAborted()
      const found = await timesOf(await postgres.createDatabase(settings))
      for (const [nth, ms] of found.entries()) times[index]![nth]!.push(ms)
      report(`writes: round ${round}, ${name}: ${found.reduce((sum, ms) => sum + ms, 0).toFixed(0)} ms`)
    }
  }
  const medians = times.map((side) => side.map(median))
  const ratios = requests.map((_, nth) => medians[0]![nth]! / medians[1]![nth]!)
  const above = ratios.filter((ratio) => ratio > mostRatio).length
  const table = {
    title: `writes: milliseconds of a request, PostgreSQL ${postgres.version}, a fresh database, median of ${rounds}`,
    columns: ['', ...sides.map(({ name }) => name), 'ratio'],
    rows: requests.map(({ title }, nth) => [
      title,
      ...medians.map((side) => significant(side[nth]!)),
      ratios[nth]!.toFixed(2),
    ]),
    notes: [`${above} of ${requests.length} take more than ${mostRatio} times as long with JIT.`],
  }
  return { tables: [table], data: { version: postgres.version, requests, times } }
}

/** Milliseconds of each request to a daemon on an empty database. */
async function timesOf(database: string): Promise<number[]> {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: database } })
  // Whatever the first request of a process costs is none of these.
  await daemon.request('/v1/webhooks/warm-up', { method: 'PUT', json: { url: 'http://127.0.0.1:9/' } })
  const found: number[] = []
  for (const { method, path, json } of requests) {
    const startedAt = performance.now()
    const response = await daemon.request(path, { method, json })
    const text = await response.text()
    found.push(performance.now() - startedAt)
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  }
  return found
}
