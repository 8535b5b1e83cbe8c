/** What feeds move in pools that select otherwise than by weight, and through nested services; on every node, and while the database is away. */
import t, { type Test } from 'tap'
import { subnetQuery } from '../dataplane/answer/client-subnet.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { readResponse, UdpClient } from '../support/dns-client.ts'
import { startPostgres } from '../support/postgres.ts'
import type { Server } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'
import { sharedOtherwise } from './shares.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const queries = 2000
const networkOf = (index: number) => `10.${index >> 8}.${index & 255}.0`

/** What each of as many clients as there are queries is answered, its addresses joined. */
async function everyone(server: Server, service: string): Promise<string[]> {
  await using client = await UdpClient.open(server)
  const answers: string[] = []
  for (let index = 0; index < queries; index++) {
    const request = subnetQuery(`${service}.example.test`, 'A', networkOf(index), 24)
    const { answer } = readResponse(await client.exchange(request))
    const addresses = answer.map((line) => line.split(' ').at(-1)!)
    answers.push(addresses.sort().join('+'))
  }
  return answers
}

/** As soon as answers are shared like that: what each client gets then. */
async function shared(
  t: Test,
  server: Server,
  service: string,
  expected: Readonly<Record<string, number>>,
): Promise<readonly string[]> {
  let last: string | null = null
  const found = await eventually(async () => {
    const answers = await everyone(server, service)
    const counts = Map.groupBy(answers, (answer) => answer)
    last = sharedOtherwise(new Map(Array.from(counts, ([kind, all]) => [kind, all.length])), expected)
    return last === null ? answers : undefined
  }).catch((): string[] => [])
  t.ok(found.length > 0, `${service}: ${JSON.stringify(expected)}${last === null ? '' : `: ${last}`}`)
  return found
}

async function push(daemon: DaemonProcess, values: Readonly<Record<string, object>>): Promise<void> {
  const time_instant = new Date().toISOString()
  const rows = Object.entries(values).map(([id_entity, row]) => ({ time_instant, id_entity, ...row }))
  const response = await daemon.request('/v1/feeds/load/rows', { method: 'POST', json: rows })
  if (!response.ok) throw new Error(`POST: ${response.status} ${await response.text()}`)
}

const load = (column: string, more: object = {}) => ({ feed: 'load', column, maxAge: '1h', ...more })
const configuration = (pools: object, services: object) => ({
  feeds: { load: { columns: { percent: {}, used: {}, free: {} } } },
  pools,
  services: Object.fromEntries(
    Object.entries(services).map(([name, service]) => [`${name}.example.test`, { ttl: 5, ...service }]),
  ),
  zones: { 'example.test': { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] } },
})

const [a, b, c, e, u] = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.11', '192.0.2.21'] as const

t.test('pools that select all, by failover and by hash, and services that are nested', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  const shed = load('percent', { entity: '{pool}/{member}', above: 80, to: 100, back: 4 })
  const inner = { service: 'inner.example.test', weight: 50 }
  const pools = {
    all: { members: { a: { address: a, shed }, b: { address: b }, c: { address: c, shed } } },
    tiers: {
      select: 'failover',
      members: { a: { address: a, priority: 1, shed }, b: { address: b, priority: 2 } },
    },
    hashed: { select: 'hash', members: { a: { address: a, shed }, b: { address: b } } },
    eu: { capacity: load('used', { limit: 100 }), members: { e: { address: e } } },
    us: { members: { u: { address: u } } },
  }
  const services = {
    all: { pools: ['all'] },
    tiers: { pools: ['tiers'] },
    hashed: { pools: ['hashed'] },
    inner: { pools: ['eu'] },
    nested: { pools: [inner, 'us'] },
    drawn: { steer: 'weighted', pools: [inner, { pool: 'us', weight: 50 }] },
    spread: { steer: 'hash', pools: [inner, { pool: 'us', weight: 50 }] },
  }
  await put(daemon, '/v1/config', configuration(pools, services))
  const { dns } = daemon
  await shared(t, dns, 'all', { [`${a}+${b}+${c}`]: 1 })
  await shared(t, dns, 'tiers', { [a]: 1 })
  const hashedBefore = await shared(t, dns, 'hashed', { [a]: 1, [b]: 1 })
  await shared(t, dns, 'nested', { [e]: 1 })
  await shared(t, dns, 'drawn', { [e]: 1, [u]: 1 })
  const spreadBefore = await shared(t, dns, 'spread', { [e]: 1, [u]: 1 })

  await push(daemon, {
    'all/a': { percent: 90 },
    'all/c': { percent: 85 },
    'tiers/a': { percent: 85 },
    'hashed/a': { percent: 90 },
    eu: { used: 200 },
  })
  // One draw for both, so that none of all answers has only those that shed least.
  await shared(t, dns, 'all', { [`${a}+${b}+${c}`]: 2, [`${b}+${c}`]: 1, [b]: 1 })
  await shared(t, dns, 'tiers', { [a]: 3, [b]: 1 })
  const hashed = await shared(t, dns, 'hashed', { [a]: 1, [b]: 2 })
  t.ok(
    hashed.every((answer, client) => answer === hashedBefore[client] || hashedBefore[client] === a),
    'only clients of who sheds are moved',
  )
  await shared(t, dns, 'inner', { [e]: 1 })
  await shared(t, dns, 'nested', { [e]: 1, [u]: 1 })
  await shared(t, dns, 'drawn', { [e]: 1, [u]: 3 })
  const spread = await shared(t, dns, 'spread', { [e]: 1, [u]: 3 })
  t.ok(
    spread.every((answer, client) => answer === spreadBefore[client] || spreadBefore[client] === e),
    'only clients of what is full are moved',
  )

  await push(daemon, {
    'all/a': { percent: 100 },
    'all/c': { percent: 100 },
    'tiers/a': { percent: 100 },
    'hashed/a': { percent: 70 },
    eu: { used: 80 },
  })
  await shared(t, dns, 'all', { [b]: 1 })
  await shared(t, dns, 'tiers', { [b]: 1 })
  t.same(await shared(t, dns, 'hashed', { [a]: 1, [b]: 1 }), hashedBefore, 'and they come back')
  await shared(t, dns, 'nested', { [e]: 1 })
  t.same(await shared(t, dns, 'spread', { [e]: 1, [u]: 1 }), spreadBefore)
})

t.test('a row that one node is told steers the others, and goes on while the database is away', async (t) => {
  await using own = await startPostgres()
  const env = { DATABASE_URL: await own.createDatabase() }
  await using one = await startDaemonProcess({ env })
  await using two = await startDaemonProcess({ env })
  const weight = (maxAge: string) => load('free', { maxAge, default: 100 })
  const members = {
    a: { address: a, weight: weight('1h') },
    b: { address: b, weight: weight('1h') },
    c: { address: c },
  }
  const pools = { web: { select: 'weighted', members } }
  await put(one, '/v1/config', configuration(pools, { www: { pools: ['web'] } }))
  await shared(t, two.dns, 'www', { [a]: 1, [b]: 1, [c]: 1 })
  await push(one, { a: { free: 300 }, b: { free: 400 } })
  await Promise.all([one, two].map(({ dns }) => shared(t, dns, 'www', { [a]: 3, [b]: 4, [c]: 1 })))

  await put(one, '/v1/pools/web/members/b', { address: b, weight: weight('4s') })
  await push(one, { b: { free: 300 } })
  const waiting = [one, two].map((node) => node.line(({ msg }) => msg === 'waiting for the database'))
  await own.kill()
  await Promise.all(waiting)
  await Promise.all([one, two].map(({ dns }) => shared(t, dns, 'www', { [a]: 3, [b]: 1, [c]: 1 })))
  const back = [one, two].map((node) => node.line(({ msg }) => msg === 'the database is available'))
  await own.restart()
  await Promise.all(back)
  // What it comes to is there until it is seen.
  await put(two, '/v1/pools/web/members/b', { address: b, weight: weight('1h') })
  await push(two, { b: { free: 200 } })
  await Promise.all([one, two].map(({ dns }) => shared(t, dns, 'www', { [a]: 3, [b]: 2, [c]: 1 })))
  const events = await eventually(async () => {
    const response = await one.request('/v1/events?kind=steering&limit=100')
    const { items } = (await response.json()) as { items: { what: string; member: string; node: string }[] }
    const told = items.filter(({ member }) => member === 'b')
    return new Set(told.filter(({ what }) => what === 'fresh').map(({ node }) => node)).size === 2 &&
      new Set(told.filter(({ what }) => what === 'stale').map(({ node }) => node)).size === 2
      ? items
      : undefined
  })
  t.notOk(
    events.some(({ member, what }) => member === 'a' && what === 'stale'),
    'what is good for an hour has stayed so',
  )
})
