/** Every way of choosing, from the API to the answers of clients. */

import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { UdpClient } from '../support/dns-client.ts'
import { mmdbFile } from '../support/mmdb-writer.ts'
import { ask, askUntil } from './ask.ts'
import { askBy, askFor, networkOf } from './client.ts'
import { eventually, put, soa } from './fixture.ts'
import { sharesOf } from './shares.ts'

const name = 'www.example.test'
const folder = await mkdtemp(join(tmpdir(), 'pooldns-steering-'))
const database = join(folder, 'places.mmdb')
const daemon = await startDaemonProcess({ env: { POOLDNS_LOCATION_DATABASES: database } })
const { dns } = daemon
t.teardown(async () => {
  await daemon.stop()
  await rm(folder, { recursive: true })
})
await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })

/** A pool of members m1, m2, ... without a monitor, so that overrides alone say who is down. */
function putPool(pool: string, addresses: readonly string[], settings: object = {}): Promise<void> {
  const members = Object.fromEntries(addresses.map((address, index) => [`m${index + 1}`, { address }]))
  return put(daemon, `/v1/pools/${pool}`, { members, ...settings })
}

const putService = (settings: object, service = name) => put(daemon, `/v1/services/${service}`, settings)

const down = (pool: string, member: string) =>
  put(daemon, `/v1/overrides/${pool}/${member}`, { state: 'down' })
const back = (pool: string, member: string) =>
  daemon.request(`/v1/overrides/${pool}/${member}`, { method: 'DELETE' })

const eu = ['192.0.2.1', '192.0.2.2']
const us = ['198.51.100.1', '198.51.100.2']
await putPool('eu', eu)
await putPool('us', us)

t.test('weighted: members of a pool, and pools of a service', async (t) => {
  await put(daemon, '/v1/pools/web', {
    select: 'weighted',
    answers: 1,
    members: { big: { address: '192.0.2.1', weight: 75 }, small: { address: '192.0.2.2', weight: 25 } },
  })
  await putService({ pools: ['web'] })
  const members = (await sharesOf(dns, name, 2000)).get('192.0.2.1') ?? 0
  t.ok(members > 0.7 && members < 0.8, `${members} of three quarters`)
  const pools = [
    { pool: 'eu', weight: 20 },
    { pool: 'us', weight: 80 },
  ]
  await putService({ steer: 'weighted', pools })
  const share = (await sharesOf(dns, name, 2000)).get('192.0.2.1') ?? 0
  t.ok(share > 0.15 && share < 0.25, `${share} of a fifth`)
  await down('us', '*')
  t.equal((await sharesOf(dns, name)).get('192.0.2.1'), 1, 'all of it, when the other pool is down')
  await back('us', '*')
})

t.test(
  'hash: a client keeps its member, and a member that is lost moves its own clients alone',
  async (t) => {
    const addresses = Array.from({ length: 10 }, (_, index) => `192.0.2.${index + 1}`)
    await putPool('hashed', addresses, { select: 'hash', answers: 1 })
    await putService({ pools: ['hashed'] })
    await using client = await UdpClient.open(dns)
    const clients = Array.from({ length: 500 }, (_, index) => networkOf(index))
    const everyone = async () => {
      const found: string[] = []
      for (const prefix of clients) {
        const { answers, scope } = await askBy(client, name, prefix)
        if (scope !== 24) t.equal(scope, 24)
        found.push(answers.join())
      }
      return found
    }
    const before = await everyone()
    t.equal(new Set(before).size, 10)
    t.same(await everyone(), before)
    await down('hashed', 'm3')
    const without = await everyone()
    t.notOk(without.includes('192.0.2.3'))
    const moved = clients.filter((_, index) => before[index] !== without[index])
    t.ok(moved.length > 0 && moved.length <= 75, `${moved.length} of 500 moved`)
    t.ok(clients.every((_, index) => before[index] === '192.0.2.3' || before[index] === without[index]))
    await back('hashed', 'm3')
    t.same(await everyone(), before)
  },
)

t.test('failover: tiers of a pool, each with its own minUp', async (t) => {
  const member = (address: string, priority: number) => ({ address, priority })
  await put(daemon, '/v1/pools/tiered', {
    select: 'failover',
    tiers: { 1: { minUp: 0.6 } },
    members: {
      a: member('192.0.2.1', 1),
      b: member('192.0.2.2', 1),
      c: member('192.0.2.3', 2),
      d: member('192.0.2.4', 3),
    },
  })
  await putService({ pools: ['tiered'] })
  t.same((await ask(dns, name)).answers, ['192.0.2.1', '192.0.2.2'])
  await down('tiered', 'b')
  t.same((await ask(dns, name)).answers, ['192.0.2.3'], 'half of the first tier is too little')
  await down('tiered', 'c')
  t.same((await ask(dns, name)).answers, ['192.0.2.4'])
  await back('tiered', 'b')
  t.same((await ask(dns, name)).answers, ['192.0.2.1', '192.0.2.2'])
})

t.test('geo: by prefixes, with the widest scope for which it is so', async (t) => {
  const cidr = { '10.1.0.0/16': ['eu'], '10.2.0.0/16': ['us', 'eu'], '10.2.3.0/24': ['eu'] }
  await putService({ steer: 'geo', pools: ['eu', 'us'], geo: { cidr, default: ['us'] } })
  t.same(await askFor(dns, name, '10.1.7.0/24'), { answers: eu, rcode: 0, scope: 16 })
  t.same(await askFor(dns, name, '10.2.7.0/24'), { answers: us, rcode: 0, scope: 22 })
  t.same(await askFor(dns, name, '10.2.3.0/24'), { answers: eu, rcode: 0, scope: 24 })
  t.match(await askFor(dns, name, '172.16.0.0/24'), { answers: us })
  await down('us', '*')
  t.same((await askFor(dns, name, '10.2.7.0/24')).answers, eu)
  await back('us', '*')
  t.same((await askFor(dns, name, '10.2.7.0/24')).answers, us)
})

t.test('geo: a list that is down goes to whenAllDown, and on to other lists only where asked', async (t) => {
  const cidr = { '10.0.0.0/8': ['us'] }
  const geo = { cidr, default: ['eu'] }
  await putPool('sorry', ['203.0.113.1'])
  const policy = { whenAllDown: 'fallback', fallback: 'sorry' }
  await putService({ steer: 'geo', pools: ['eu', 'us'], geo, ...policy })
  const outside = async () => (await askFor(dns, name, '172.16.0.0/24')).answers
  const inside = async () => (await askFor(dns, name, '10.1.7.0/24')).answers
  t.same([await outside(), await inside()], [eu, us])
  await down('eu', '*')
  t.same([await outside(), await inside()], [['203.0.113.1'], us])
  t.equal((await askFor(dns, name, '10.1.7.0/24')).scope, 8, 'what some get tells the scope of all')
  t.same((await ask(dns, name)).answers, ['203.0.113.1'], 'a client without a subnet is where it asks from')
  const explained = await daemon.request(`/v1/explain?name=${name}&client=172.16.0.1`)
  t.match(await explained.json(), {
    why: /nothing of service .* is up that this client may be sent to: by fallback/,
  })
  await putService({ steer: 'geo', pools: ['eu', 'us'], geo: { ...geo, beyond: 'any' }, ...policy })
  t.same([await outside(), await inside()], [us, us])
  await putService({ steer: 'geo', pools: ['eu', 'us'], geo })
  await down('us', '*')
  t.same([await outside(), await inside()], [eu, us], 'serve-all gives each client its own')
  t.equal((await askFor(dns, name, '10.1.7.0/24')).scope, 8)
  await back('us', '*')
  await back('eu', '*')
  const refused = await daemon.request(`/v1/services/${name}`, {
    method: 'PUT',
    json: { steer: 'geo', pools: ['eu', 'us'], geo: { ...geo, beyond: 'all' } },
  })
  t.equal(refused.status, 400)
})

t.test('nearest: by a database of places, and by the one that replaces it', async (t) => {
  const frankfurt = { latitude: 50.1, longitude: 8.7 }
  const chicago = { latitude: 41.9, longitude: -87.6 }
  const write = async (first: object, second: object) => {
    const file = mmdbFile([
      ['10.1.0.0/16', { location: { ...first } }],
      ['10.2.0.0/16', { location: { ...second } }],
    ])
    await writeFile(`${database}.new`, file)
    await rename(`${database}.new`, database)
  }
  /** Location data are read some time after a file has come, and then each worker takes over the new areas by itself. */
  const answeredEverywhere = async (prefix: string, expected: readonly string[]) => {
    await eventually(async () => {
      const { answers, scope } = await askFor(dns, name, prefix)
      return scope !== 0 && answers.join() === expected.join() ? true : undefined
    })
    // A write returns when all workers serve it, and so what came before it.
    await down('us', 'm2')
    await back('us', 'm2')
  }
  await write({ latitude: 48.9, longitude: 2.4 }, { latitude: 40.7, longitude: -74 })
  await putPool('eu', eu, { location: frankfurt })
  await putPool('us', us, { location: chicago })
  await putService({ steer: 'nearest', pools: ['eu', 'us'] })
  await answeredEverywhere('10.1.7.0/24', eu)
  // Clients without a place are answered alike, and 10.0.0.0/16 is such.
  t.same(await askFor(dns, name, '10.1.7.0/24'), { answers: eu, rcode: 0, scope: 15 })
  t.same(await askFor(dns, name, '10.2.7.0/24'), { answers: us, rcode: 0, scope: 16 })
  await down('eu', '*')
  t.same((await askFor(dns, name, '10.1.7.0/24')).answers, us)
  await back('eu', '*')

  await write({ latitude: 40.7, longitude: -74 }, { latitude: 48.9, longitude: 2.4 })
  await answeredEverywhere('10.1.7.0/24', us)
  t.same((await askFor(dns, name, '10.2.7.0/24')).answers, eu)

  const from = daemon.lines.length
  await writeFile(database, 'no database')
  await daemon.line(({ msg }) => msg === 'location data', { from })
  t.same((await askFor(dns, name, '10.1.7.0/24')).answers, us, 'a broken file changes nothing')
})

/** A member's health endpoint that takes its time. */
async function startSlow() {
  const server = createServer((_request, response) => {
    setTimeout(() => response.end('ok'), slow.delayMs)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const slow = {
    delayMs: 0,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return slow
}

t.test('latency: the pool that answers sooner', async () => {
  await using one = await startSlow()
  await using two = await startSlow()
  one.delayMs = 150
  await put(daemon, '/v1/monitors/timed', {
    interval: '1s',
    timeout: '1s',
    recheck: '50ms',
    rise: 1,
    fall: 5,
  })
  const monitored = (pool: string, address: string, port: number) =>
    put(daemon, `/v1/pools/${pool}`, {
      monitor: 'timed',
      members: { m: { address, probe: { address: '127.0.0.1', port } } },
    })
  await monitored('slow', '192.0.2.1', one.port)
  await monitored('fast', '192.0.2.2', two.port)
  await putService({ steer: 'latency', pools: ['slow', 'fast'] })
  await askUntil(dns, name, ['192.0.2.2'])
  one.delayMs = 0
  two.delayMs = 150
  await askUntil(dns, name, ['192.0.2.1'])
})

t.test('a service of services, each with its own word', async (t) => {
  await putService({ pools: ['eu'] }, 'inner.example.test')
  await putService({ pools: [{ service: 'inner.example.test' }, 'us'] })
  t.same((await ask(dns, name)).answers, eu)
  await down('eu', 'm1')
  t.same((await ask(dns, name)).answers, ['192.0.2.2'])
  await down('eu', '*')
  t.same((await ask(dns, name)).answers, us, 'on to the next when the inner one is down')
  t.same((await ask(dns, 'inner.example.test')).answers, eu, 'which serves all when it is asked itself')
  await back('eu', '*')
  await back('eu', 'm1')
  t.same((await ask(dns, name)).answers, eu)
})

t.test('a pool that is down answers by its own word, before the service has one', async (t) => {
  const cases = [
    ['servfail', { rcode: 'SERVFAIL', answers: [] }],
    ['nodata', { rcode: 'NOERROR', answers: [] }],
    ['serve-all', { rcode: 'NOERROR', answers: eu }],
    ['fallback', { rcode: 'NOERROR', answers: us }],
  ] as const
  for (const [whenAllDown, expected] of cases) {
    const fallback = whenAllDown === 'fallback' ? { fallback: 'us' } : {}
    await putPool('worded', eu, { whenAllDown, ...fallback })
    await putService({ pools: ['worded'], whenAllDown: whenAllDown === 'nodata' ? 'serve-all' : 'nodata' })
    await down('worded', '*')
    const { rcode, answers } = await ask(dns, name)
    t.same({ rcode, answers }, expected, whenAllDown)
    await back('worded', '*')
    t.same((await ask(dns, name)).answers, eu)
  }
})
