/** A and AAAA, each judged and answered by itself: members with addresses of both families, probed at each of them. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { freePort } from '../support/free-port.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa, timing } from './fixture.ts'

const name = 'www.example.test'
const port = await freePort()
const listening = new Map<string, Server>()

/** Has something answer at an address, on the port of all. */
async function heal(address: string): Promise<void> {
  const server = createServer((_request, response) => void response.end('ok\n')).listen(port, address)
  await once(server, 'listening')
  listening.set(address, server)
}

function fail(address: string): void {
  const server = listening.get(address)!
  listening.delete(address)
  server.closeAllConnections()
  server.close()
}

for (const address of ['127.0.1.1', '127.0.1.2', '127.0.2.1', '::1']) await heal(address)
const postgres = await startPostgres()
const daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
t.teardown(async () => {
  await daemon.stop()
  await postgres.stop()
  for (const address of [...listening.keys()]) fail(address)
})
const { dns } = daemon
await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
await put(daemon, '/v1/monitors/web', { port, ...timing })

/** What nothing measures: overrides alone say who is down. */
const free = (members: object, settings: object = {}) => ({ members, ...settings })
const drain = (pool: string, member: string, state: string) =>
  put(daemon, `/v1/pools/${pool}/members/${member}/override`, { state })
const undo = (pool: string, member: string) =>
  daemon.request(`/v1/pools/${pool}/members/${member}/override`, { method: 'DELETE' })
const both = async (asked = name) => [
  (await ask(dns, asked)).answers,
  (await ask(dns, asked, 'AAAA')).answers,
]

t.test('pools fail over in the family that is down, and in no other', async (t) => {
  await put(daemon, '/v1/pools/eu', free({ v4: { address: '192.0.2.1' }, v6: { address: '2001:db8::1' } }))
  await put(daemon, '/v1/pools/us', free({ v4: { address: '192.0.2.2' }, v6: { address: '2001:db8::2' } }))
  await put(daemon, `/v1/services/${name}`, { pools: ['eu', 'us'], ttl: 5 })
  t.same(await both(), [['192.0.2.1'], ['2001:db8::1']])
  await drain('eu', 'v4', 'down')
  t.same(await both(), [['192.0.2.2'], ['2001:db8::1']])
  const shown = async (path: string) => (await (await daemon.request(path)).json()) as { status: object }
  t.match((await shown('/v1/pools/eu')).status, {
    condition: 'degraded',
    reason: 'IPv4: 0 of 1 member up, minUp 0; IPv6: 1 of 1 member up, minUp 0',
  })
  t.match((await shown(`/v1/services/${name}`)).status, {
    state: 'up',
    pool: null,
    reason: 'IPv4: 1 of 1 members answer; IPv6: 1 of 1 members answer',
  })
  const explained = async (type: string) =>
    (await (await daemon.request(`/v1/explain?name=${name}&type=${type}`)).json()) as object
  t.match(await explained('A'), { services: [{ pool: 'us' }] })
  t.match(await explained('AAAA'), {
    services: [
      {
        pool: 'eu',
        pools: [
          {
            name: 'eu',
            condition: 'healthy',
            members: [
              { name: 'v4', given: false, why: 'no IPv6 address' },
              { name: 'v6', given: true },
            ],
          },
          { name: 'us' },
        ],
      },
    ],
  })
  await undo('eu', 'v4')
  await drain('eu', 'v6', 'drain')
  t.same(await both(), [['192.0.2.1'], ['2001:db8::2']])
  await undo('eu', 'v6')
})

t.test('a tier serves by family', async (t) => {
  const members = {
    a4: { address: '192.0.2.1', priority: 1 },
    a6: { address: '2001:db8::1', priority: 1 },
    b4: { address: '192.0.2.2', priority: 2 },
    b6: { address: '2001:db8::2', priority: 2 },
  }
  await put(daemon, '/v1/pools/tiers', free(members, { select: 'failover' }))
  await put(daemon, '/v1/services/tiers.example.test', { pools: ['tiers'], ttl: 5 })
  await drain('tiers', 'a4', 'down')
  t.same(await both('tiers.example.test'), [['192.0.2.2'], ['2001:db8::1']])
})

t.test('a pool without a family is no choice in it, and no member of it is NODATA', async (t) => {
  await put(daemon, '/v1/pools/only4', free({ a: { address: '192.0.2.4' } }))
  await put(daemon, '/v1/pools/dual', free({ a: { addresses: ['192.0.2.5', '2001:db8::5'] } }))
  await put(daemon, '/v1/services/mixed.example.test', { pools: ['only4', 'dual'], ttl: 5 })
  t.same(await both('mixed.example.test'), [['192.0.2.4'], ['2001:db8::5']])
  await put(daemon, '/v1/services/four.example.test', {
    pools: ['only4'],
    ttl: 5,
    whenAllDown: 'servfail',
  })
  t.match(await ask(dns, 'four.example.test', 'AAAA'), { rcode: 'NOERROR', answers: [] })
  await drain('only4', 'a', 'down')
  t.match(await ask(dns, 'four.example.test', 'A'), { rcode: 'SERVFAIL' })
  t.match(await ask(dns, 'four.example.test', 'AAAA'), { rcode: 'NOERROR', answers: [] })
})

t.test('minUp as a count, and by family', async (t) => {
  const members = {
    a: { addresses: ['192.0.2.1', '2001:db8::1'] },
    b: { addresses: ['192.0.2.2', '2001:db8::2'] },
    c: { address: '192.0.2.3' },
  }
  await put(daemon, '/v1/pools/spare', free({ z: { addresses: ['192.0.2.9', '2001:db8::9'] } }))
  const services = '/v1/services/count.example.test'
  await put(daemon, '/v1/pools/count', free(members, { minUp: { members: 2 } }))
  await put(daemon, services, { pools: ['count', 'spare'], ttl: 5 })
  await drain('count', 'a', 'down')
  t.same(await both('count.example.test'), [['192.0.2.2', '192.0.2.3'], ['2001:db8::9']])
  const minUp = { ipv4: 1, ipv6: { members: 1 } }
  await put(daemon, '/v1/pools/count', free(members, { minUp }))
  t.same(await both('count.example.test'), [['192.0.2.9'], ['2001:db8::2']])
  const pool = (await (await daemon.request('/v1/pools/count')).json()) as { minUp: object }
  t.same(pool.minUp, minUp)
})

t.test('a member with several addresses is one member, probed at each', async (t) => {
  const members = {
    one: { addresses: ['127.0.1.1', '::1', '127.0.1.2'] },
    two: { address: '127.0.2.1' },
  }
  await put(daemon, '/v1/pools/machines', { monitor: 'web', members })
  await put(daemon, '/v1/services/machines.example.test', { pools: ['machines'], ttl: 5 })
  const asked = 'machines.example.test'
  await askUntil(dns, asked, ['127.0.1.1', '127.0.1.2', '127.0.2.1'])
  const status = async () => {
    const response = await daemon.request('/v1/pools/machines/members/one')
    return ((await response.json()) as { status: { state: string; addresses: { state: string }[] } }).status
  }
  await eventually(async () => {
    const { state, addresses } = await status()
    return state === 'up' && addresses.every((one) => one.state === 'up') ? true : undefined
  })
  fail('127.0.1.2')
  await askUntil(dns, asked, ['127.0.1.1', '127.0.2.1'])
  t.match(await status(), {
    state: 'up',
    reason: /^2 of 3 addresses up; 127\.0\.1\.2: conn/,
    addresses: [
      { address: '127.0.1.1', state: 'up' },
      { address: '::1', state: 'up' },
      { address: '127.0.1.2', state: 'down' },
    ],
  })
  fail('127.0.1.1')
  await askUntil(dns, asked, ['127.0.2.1'])
  t.same((await ask(dns, asked, 'AAAA')).answers, ['::1'], 'the other family is what it was')
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /pooldns_member_up\{pool="machines",member="one"\} 1/)
  fail('::1')
  await eventually(async () => ((await status()).state === 'down' ? true : undefined))
  t.same((await ask(dns, asked, 'AAAA')).answers, ['::1'], 'all that there is, when all is down')
  // Events are stored a little behind.
  const told = await eventually(async () => {
    const found = await daemon.request('/v1/events?kind=member&pool=machines&member=one')
    const { items } = (await found.json()) as { items: { address?: string; to: string }[] }
    const downs = items.filter(({ to }) => to === 'down').map(({ address }) => address ?? 'member')
    return downs[0] === 'member' ? downs : undefined
  })
  t.same(told.slice(0, 4), ['member', '::1', '127.0.1.1', '127.0.1.2'])
  await heal('127.0.1.1')
  await askUntil(dns, asked, ['127.0.1.1', '127.0.2.1'])
  t.equal((await status()).state, 'up')
  await drain('machines', 'one', 'drain')
  t.same(await both(asked), [['127.0.2.1'], ['::1']], 'a drain is of all of it')
})

t.test(
  'an address that leaves while its member stays is told of until caches have forgotten it',
  async (t) => {
    const service = 'leaving.example.test'
    await put(daemon, '/v1/pools/leaving', free({ a: { addresses: ['192.0.2.6', '2001:db8::6'] } }))
    await put(daemon, `/v1/services/${service}`, { pools: ['leaving'], ttl: 3600 })
    t.same(await both(service), [['192.0.2.6'], ['2001:db8::6']])
    await put(daemon, '/v1/pools/leaving/members/a', { address: '192.0.2.6' })
    t.same(await both(service), [['192.0.2.6'], []])
    const { status } = (await (await daemon.request('/v1/pools/leaving/members/a')).json()) as {
      status: { answered: boolean; safeAt: null; leaving: readonly { address: string; safeAt: string }[] }
    }
    t.match(status, { answered: true, safeAt: null, leaving: [{ address: '2001:db8::6' }] })
    const inSeconds = (Date.parse(status.leaving[0]!.safeAt) - Date.now()) / 1000
    t.ok(inSeconds > 3000 && inSeconds <= 3600, `${inSeconds}`)

    const leaving = async () => {
      const reply = await daemon.request('/v1/pools/leaving/members/a')
      const { status } = (await reply.json()) as { status: { leaving?: readonly { address: string }[] } }
      return status.leaving?.map(({ address }) => address).sort()
    }
    await put(daemon, '/v1/pools/leaving/members/a', { address: '192.0.2.7' })
    t.same(await both(service), [['192.0.2.7'], []])
    t.same(await leaving(), ['192.0.2.6', '2001:db8::6'], 'an address that is replaced leaves, too')
    await put(daemon, '/v1/pools/leaving/members/a', {
      address: '192.0.2.7',
      probe: { address: '127.0.0.1' },
    })
    t.same(await leaving(), ['192.0.2.6', '2001:db8::6'])
    await put(daemon, '/v1/pools/leaving/members/a', { address: '192.0.2.6' })
    t.same(await both(service), [['192.0.2.6'], []])
    t.same(await leaving(), ['192.0.2.7', '2001:db8::6'], 'and is back')
  },
)
