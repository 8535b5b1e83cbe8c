/** Values that are pushed to feeds, and what becomes of the answers: by weight, by shedding, by capacity, by a monitor. */
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { startPostgres } from '../support/postgres.ts'
import type { Server } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'
import { sharedOtherwise } from './shares.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const name = 'www.example.test'
const start = async () => startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })

const load = (column: string, more: object = {}) => ({ feed: 'load', column, maxAge: '1h', ...more })

/** A zone, a feed, and what else is said. */
async function putAll(
  daemon: DaemonProcess,
  pools: Readonly<Record<string, object>>,
  service: object,
  monitors: Readonly<Record<string, object>> = {},
): Promise<void> {
  await put(daemon, '/v1/config', {
    feeds: { load: { columns: { percent: {}, used: {}, free: {} } } },
    monitors,
    pools,
    services: { [name]: { ttl: 5, ...service } },
    zones: { 'example.test': { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] } },
  })
}

/** Pushes a row of now, or of so many milliseconds ago. */
async function push(daemon: DaemonProcess, entity: string, values: object, agoMs = 0): Promise<void> {
  const time = new Date(Date.now() - agoMs).toISOString()
  const response = await daemon.request('/v1/feeds/load/rows', {
    method: 'POST',
    json: [{ time_instant: time, id_entity: entity, ...values }],
  })
  if (!response.ok) throw new Error(`POST: ${response.status} ${await response.text()}`)
}

/** How many answers hold each address. */
async function countsOf(server: Server, queries: number, type = 'A'): Promise<ReadonlyMap<string, number>> {
  await using client = await UdpClient.open(server)
  const counts = new Map<string, number>()
  for (let nth = 0; nth < queries; nth++) {
    const { answer } = readResponse(await client.exchange(query(name, type as 'A')))
    for (const line of answer) {
      const address = line.split(' ').at(-1)!
      counts.set(address, (counts.get(address) ?? 0) + 1)
    }
  }
  return counts
}

/** Whether the answers are shared like that, by chi-squared. */
async function isShared(server: Server, expected: Readonly<Record<string, number>>, type = 'A') {
  return sharedOtherwise(await countsOf(server, 2000, type), expected)
}

/** As soon as answers are shared like that; fails when they are not in the end. */
async function shared(t: Test, server: Server, expected: Readonly<Record<string, number>>, why: string) {
  let last: string | null = null
  const found = await eventually(async () => {
    last = await isShared(server, expected)
    return last === null ? true : undefined
  }).catch(() => false)
  t.ok(found, `${why}${last === null ? '' : `: ${last}`}`)
}

interface Reply {
  readonly services: readonly {
    readonly why: string
    readonly pools: readonly {
      readonly name: string
      readonly capacity: { readonly value: number; readonly share: number; readonly age: number } | null
      readonly members: readonly {
        readonly name: string
        readonly why: string
        readonly weight: { readonly feed: { readonly value: number; readonly state: string } | null }
        readonly shed: { readonly value: number; readonly share: number } | null
      }[]
    }[]
  }[]
}

async function explained(daemon: DaemonProcess) {
  const response = await daemon.request(`/v1/explain?name=${name}&client=192.0.2.7`)
  const reply = (await response.json()) as Reply
  return reply.services[0]!
}

async function eventsOf(daemon: DaemonProcess): Promise<string[]> {
  const response = await daemon.request('/v1/events?kind=steering&limit=100')
  const { items } = (await response.json()) as {
    items: { what: string; pool: string; member?: string }[]
  }
  return items.map(({ what, pool, member }) => `${what} ${pool}${member === undefined ? '' : `/${member}`}`)
}

async function metricsOf(daemon: DaemonProcess): Promise<string> {
  return (await daemon.request('/metrics')).text()
}

t.test('a pushed value is a weight, and one that is too old none', async (t) => {
  await using daemon = await start()
  const weight = (more: object = {}) => load('free', { default: 100, ...more })
  await putAll(
    daemon,
    {
      web: {
        select: 'weighted',
        members: {
          a: { address: '192.0.2.1', weight: weight() },
          b: { address: '192.0.2.2', weight: weight({ scale: { from: [0, 10], to: [0, 300] } }) },
          c: { address: '192.0.2.3', weight: 100 },
          d: { address: '2001:db8::1', weight: weight() },
          e: { address: '2001:db8::2', weight: 100 },
        },
      },
    },
    { pools: ['web'] },
  )
  await shared(t, daemon.dns, { '192.0.2.1': 1, '192.0.2.2': 1, '192.0.2.3': 1 }, 'without rows')
  await push(daemon, 'b', { free: 5 })
  await push(daemon, 'd', { free: 300 })
  await push(daemon, 'a', { free: 50 })
  const pushedAt = performance.now()
  await eventually(async () => {
    const { pools } = await explained(daemon)
    const values = pools[0]!.members.map(({ weight: { feed } }) => feed?.value ?? null)
    return values.slice(0, 2).join() === '50,5' ? true : undefined
  })
  const tookMs = Math.round(performance.now() - pushedAt)
  t.comment(`it took ${tookMs} ms`)
  await shared(t, daemon.dns, { '192.0.2.1': 50, '192.0.2.2': 150, '192.0.2.3': 100 }, 'IPv4')
  t.equal(await isShared(daemon.dns, { '2001:db8::1': 3, '2001:db8::2': 1 }, 'AAAA'), null, 'IPv6')
  const { pools } = await explained(daemon)
  t.match(pools[0]!.members[0]!.why, /; free of a in feed load is 50: weight 50$/)
  const metrics = await metricsOf(daemon)
  t.match(metrics, /pooldns_feed_reading\{[^}]*member="a"[^}]*\} 50\n/)
  /** What counts is seen before it is said for how short a time: that may be over before anybody has looked. */
  const keep = (maxAge: string) =>
    put(daemon, '/v1/pools/web/members/a', { address: '192.0.2.1', weight: weight({ maxAge }) })
  await push(daemon, 'a', { free: 400 })
  await shared(t, daemon.dns, { '192.0.2.1': 400, '192.0.2.2': 150, '192.0.2.3': 100 }, 'a new value')
  await keep('2s')
  await shared(t, daemon.dns, { '192.0.2.1': 100, '192.0.2.2': 150, '192.0.2.3': 100 }, 'too old: its own')
  const events = await eventually(async () => {
    const all = await eventsOf(daemon)
    return all.includes('stale web/a') ? all : undefined
  })
  t.ok(events.includes('stale web/a'))
  const { warnings } = (await (await daemon.request('/v1/overview')).json()) as { warnings: string[] }
  t.ok(
    warnings.some((line) =>
      /^web\/a: free of a in feed load is older than 2 s: weight \d+ holds$/.test(line),
    ),
    `status tells it: ${warnings}`,
  )
  await keep('1h')
  await push(daemon, 'a', { free: 50 })
  await eventually(async () => ((await eventsOf(daemon))[0] === 'fresh web/a' ? true : undefined))
  await push(daemon, 'b', { free: 10 }, 60_000)
  await push(daemon, 'b', { free: 5.5 })
  await eventually(async () => {
    const [pool] = (await explained(daemon)).pools
    return pool!.members[1]!.weight.feed!.value === 5.5 ? true : undefined
  })
  t.pass('a row of before changes nothing')
})

t.test('a member sheds, a pool spills, and what swings about a threshold moves nothing', async (t) => {
  await using daemon = await start()
  await putAll(
    daemon,
    {
      eu: {
        select: 'weighted',
        capacity: load('used', { limit: 100 }),
        members: {
          a: { address: '192.0.2.1', shed: load('percent', { above: 80, to: 100, back: 4 }) },
          b: { address: '192.0.2.2' },
        },
      },
      us: { members: { u: { address: '192.0.2.11' } } },
    },
    { pools: ['eu', 'us'] },
  )
  const both = { '192.0.2.1': 1, '192.0.2.2': 1, '192.0.2.11': 0 }
  await push(daemon, 'a', { percent: 50 })
  await push(daemon, 'eu', { used: 50 })
  await eventually(async () =>
    (await explained(daemon)).pools[0]!.capacity?.value === 50 ? true : undefined,
  )
  await shared(t, daemon.dns, both, 'as ever')
  await push(daemon, 'a', { percent: 90 })
  await shared(t, daemon.dns, { '192.0.2.1': 50, '192.0.2.2': 100, '192.0.2.11': 0 }, 'half is shed')
  for (const percent of [88, 87, 89.9, 86.1]) {
    await push(daemon, 'a', { percent })
    await eventually(async () => {
      const shed = (await explained(daemon)).pools[0]!.members[0]!.shed!
      return shed.value === percent ? true : undefined
    })
    t.equal((await explained(daemon)).pools[0]!.members[0]!.shed!.share, 0.5, `${percent} moves nothing`)
  }
  await push(daemon, 'a', { percent: 76 })
  await shared(t, daemon.dns, both, 'all is back')
  await push(daemon, 'eu', { used: 160 })
  await shared(t, daemon.dns, { '192.0.2.1': 1, '192.0.2.2': 1, '192.0.2.11': 1.2 }, 'it spills 60 of 160')
  const full = await explained(daemon)
  t.equal(full.pools[0]!.capacity!.share, 0.375)
  t.match(await metricsOf(daemon), /pooldns_pool_spill_ratio\{pool="eu"\} 0\.375\n/)
  await push(daemon, 'eu', { used: 96 })
  await eventually(async () =>
    (await explained(daemon)).pools[0]!.capacity!.value === 96 ? true : undefined,
  )
  t.equal((await explained(daemon)).pools[0]!.capacity!.share, 0.375, 'what spilled is not measured any more')
  await push(daemon, 'eu', { used: 80 })
  await shared(t, daemon.dns, both, 'all is back')
  const events = await eventually(async () => {
    const all = (await eventsOf(daemon)).toReversed()
    return all.length >= 6 ? all : undefined
  })
  // At first there was no value.
  t.same(events, ['fresh eu/a', 'fresh eu', 'shedding eu/a', 'shed-over eu/a', 'full eu', 'full-over eu'])
  await put(daemon, `/v1/services/${name}`, { ttl: 5, pools: ['eu'] })
  await push(daemon, 'eu', { used: 160 })
  await eventually(async () => ((await explained(daemon)).pools[0]!.capacity!.share > 0 ? true : undefined))
  await shared(t, daemon.dns, both, 'nobody is there to take it')
  t.match((await explained(daemon)).why, /no next one takes it/)
})

t.test('a monitor of type feed judges by bounds and by age', async (t) => {
  await using daemon = await start()
  const members = { a: { address: '192.0.2.1' }, b: { address: '192.0.2.2' } }
  const feed = (more: object) => ({ type: 'feed', ...load('percent'), max: 90, back: 10, ...more })
  await putAll(
    daemon,
    { web: { monitor: 'load', select: 'weighted', members } },
    { pools: ['web'] },
    { load: feed({ entity: '{pool}/{member}' }) },
  )
  await push(daemon, 'web/a', { percent: 10 })
  await push(daemon, 'web/b', { percent: 95 })
  await shared(t, daemon.dns, { '192.0.2.1': 1, '192.0.2.2': 0 }, 'b is beyond its bounds')
  await push(daemon, 'web/b', { percent: 85 })
  await push(daemon, 'web/a', { percent: 95 })
  const both = { '192.0.2.1': 1, '192.0.2.2': 1 }
  // Nothing is up: `serve-all`.
  await shared(t, daemon.dns, both, 'b has not come back far enough')
  await push(daemon, 'web/b', { percent: 79 })
  await shared(t, daemon.dns, { '192.0.2.1': 0, '192.0.2.2': 1 }, 'b is back')
  // Longer than a busy machine may take to bring forward what one of them says all the time.
  await put(daemon, '/v1/monitors/load', feed({ entity: '{pool}/{member}', maxAge: '15s' }))
  await push(daemon, 'web/a', { percent: 1 })
  await push(daemon, 'web/b', { percent: 1 })
  const stop = new AbortController()
  const pushing = (async () => {
    while (!stop.signal.aborted) {
      await push(daemon, 'web/a', { percent: Math.random() })
      await delay(20)
    }
  })()
  await shared(t, daemon.dns, { '192.0.2.1': 1, '192.0.2.2': 0 }, 'b is too old')
  stop.abort()
  await pushing
})

t.test('a restart without the database goes by what was read last', async (t) => {
  const dataDir = t.testdir()
  const daemon = await startDaemonProcess({
    dataDir,
    env: { DATABASE_URL: await postgres.createDatabase() },
  })
  const weight = load('free', { default: 100 })
  await putAll(
    daemon,
    {
      web: {
        select: 'weighted',
        members: { a: { address: '192.0.2.1', weight }, b: { address: '192.0.2.2' } },
      },
    },
    { pools: ['web'] },
  )
  await push(daemon, 'a', { free: 300 })
  await shared(t, daemon.dns, { '192.0.2.1': 3, '192.0.2.2': 1 }, 'before')
  await daemon.stop()
  await using again = await startDaemonProcess({
    dataDir,
    env: { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' },
  })
  t.equal(await isShared(again.dns, { '192.0.2.1': 3, '192.0.2.2': 1 }), null, 'the same without it')
})

t.test(
  'a feed or a column that is not there is told, one that is named can not go, and a plan counts readings',
  async (t) => {
    await using daemon = await start()
    const pool = (column: string, feed = 'load', capacity = {}) => ({
      select: 'weighted',
      members: {
        a: { address: '192.0.2.1', weight: { feed, column, entity: 'host-a', maxAge: '1h' } },
        b: { address: '192.0.2.2' },
      },
      ...capacity,
    })
    await putAll(
      daemon,
      { web: { ...pool('free'), members: { b: { address: '192.0.2.2' } } } },
      { pools: ['web'] },
    )
    const refused = async (path: string, json: unknown, method = 'PUT') => {
      const response = await daemon.request(path, json === undefined ? { method } : { method, json })
      const { errors = [], detail } = (await response.json()) as {
        detail: string
        errors?: { path: string; message: string }[]
      }
      return `${response.status} ${errors.map(({ path: at, message }) => `${at}: ${message}`).join('; ') || detail}`
    }
    t.match(
      await refused('/v1/pools/web', pool('fre')),
      /^4\d\d members\.a\.weight\.column: .*did you mean free/,
    )
    t.match(
      await refused('/v1/pools/web', pool('free', 'laod')),
      /members\.a\.weight\.feed: .*did you mean load/,
    )
    t.match(
      await refused('/v1/pools/web/members/a', {
        address: '192.0.2.1',
        shed: load('x', { above: 1, to: 2 }),
      }),
      /^4\d\d shed\.column: /,
    )
    t.match(
      await refused('/v1/monitors/m', { type: 'feed', ...load('used', { feed: 'no', max: 1 }) }),
      /^4\d\d feed: /,
    )
    await push(daemon, 'host-a', { free: 300 })
    const planned = await daemon.request('/v1/config?dryRun=true', {
      method: 'PUT',
      json: {
        feeds: { load: { columns: { percent: {}, used: {}, free: {} } } },
        pools: { web: pool('free') },
      },
    })
    const plan = JSON.stringify(await planned.json())
    t.match(plan, /"member":"a","before":0,"after":0\.75/, 'by what host-a has now')
    await put(daemon, '/v1/pools/web', pool('free'))
    t.match(
      await refused('/v1/feeds/load', undefined, 'DELETE'),
      /^409 .*pools\.web\.members: uses feed load/,
    )
    t.match(
      await refused('/v1/feeds/load', { columns: { percent: {}, used: {} } }),
      /^409 .*pools\.web\.members: uses column free of feed load/,
    )
    const document = await (await daemon.request('/v1/config')).json()
    const applied = await daemon.request('/v1/config?dryRun=true', {
      method: 'PUT',
      json: document as object,
    })
    t.match(await applied.json(), { changes: [] }, 'what is exported changes nothing')
  },
)
