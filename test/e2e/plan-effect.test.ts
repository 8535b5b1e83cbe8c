/**
 * What a plan says of answers, held against the answers themselves: clients of every place are asked for before and after, and
 * whoever gets another pool must be told of, and nobody else.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type PlannedEffect, planText } from '../../src/commands/document/plan-text.ts'
import type { Effect } from '../../src/controlplane/apply/effect.ts'
import { parseAddress } from '../../src/dataplane/wire/address.ts'
import { parsePrefix } from '../../src/dataplane/wire/prefix.ts'
import { startDaemonProcess } from '../support/daemon.ts'
import { UdpClient } from '../support/dns-client.ts'
import { mmdbFile } from '../support/mmdb-writer.ts'
import { askBy } from './client.ts'

const folder = await mkdtemp(join(tmpdir(), 'pooldns-e2e-plan-effect-'))
const places = join(folder, 'places.mmdb')
await writeFile(
  places,
  mmdbFile([
    ['10.1.0.0/16', { country: { iso_code: 'DE' }, location: { latitude: 50, longitude: 8 } }],
    ['10.2.0.0/16', { country: { iso_code: 'US' }, location: { latitude: 40, longitude: -90 } }],
  ]),
)
const daemon = await startDaemonProcess({ env: { POOLDNS_LOCATION_DATABASES: places } })
const dns = await UdpClient.open(daemon.dns)
t.teardown(async () => {
  await dns[Symbol.asyncDispose]()
  await daemon.stop()
  await rm(folder, { recursive: true, force: true })
})

const pools = {
  eu: { members: { a: { address: '192.0.2.1' } }, location: { latitude: 50, longitude: 8 } },
  us: { members: { a: { address: '192.0.2.2' } }, location: { latitude: 40, longitude: -90 } },
  both: {
    select: 'weighted',
    members: { a: { address: '192.0.2.3', weight: 50 }, b: { address: '192.0.2.4', weight: 50 } },
  },
}
const zones = {
  'a.test': {
    soa: { mname: 'ns1.a.test.', rname: 'h.a.test.' },
    rrsets: [{ name: '@', type: 'NS', data: ['ns1.a.test.'] }],
  },
}
const name = 'geo.a.test'
const geo = (rules: object) => ({ [name]: { steer: 'geo', pools: ['eu', 'us'], geo: rules } })
const byNet = (network: string, more: object = {}) =>
  geo({ cidr: { [network]: ['us'], ...more }, default: ['eu'] })

async function planned(services: object, given: object = pools) {
  const response = await daemon.request('/v1/config?dryRun=true', {
    method: 'PUT',
    json: { pools: given, zones, services },
  })
  if (!response.ok) throw new Error(await response.text())
  const plan = (await response.json()) as PlannedEffect & { readonly effect: Effect }
  return { effect: plan.effect, text: planText(plan).join('\n') }
}

async function applied(services: object, given: object = pools) {
  const response = await daemon.request('/v1/config', {
    method: 'PUT',
    json: { pools: given, zones, services },
  })
  if (!response.ok) throw new Error(await response.text())
}

const clients = ['192.0.2.7/32', '198.51.100.7/32', '203.0.113.7/32', '10.1.2.3/32', '10.2.3.4/32']
const poolOf = new Map([
  ['192.0.2.1', 'eu'],
  ['192.0.2.2', 'us'],
])

/** Which pool clients of each place get. */
async function got(): Promise<string[]> {
  const answered: string[] = []
  for (const client of clients) {
    const { answers } = await askBy(dns, name, client)
    answered.push(poolOf.get(answers[0]!) ?? 'none')
  }
  return answered
}

function isIn(client: string, { networks, allBut }: NonNullable<Effect['services'][0]['clients']>): boolean {
  const isInside = networks.some((network) => {
    const { address, length } = parsePrefix(network)!
    const bits = (octets: Uint8Array) => BigInt(`0x${Buffer.from(octets).toString('hex')}`)
    const own = parseAddress(client.split('/')[0]!)!
    if (own.length !== address.length) return false
    const shift = BigInt(address.length * 8 - length)
    return bits(own) >> shift === bits(address) >> shift
  })
  return isInside !== allBut
}

/** From which pool to which the clients of each place move by a plan; null for nowhere. */
function told({ services }: Effect) {
  return clients.map((client) => {
    const mine = services.filter(
      ({ service, types, clients: whose }) =>
        service === name && types.includes('A') && (whose === undefined || isIn(client, whose)),
    )
    const [one, ...more] = mine
    if (more.length > 0) throw new Error(`${client} is told of ${mine.length} times`)
    if (one === undefined) return null
    const from = one.pools.find(({ before }) => before === 1)?.pool
    return `${from} to ${one.pools.find(({ after }) => after === 1)?.pool}`
  })
}

async function isTrue(t: Test, from: object, to: object, givenTo: object = pools): Promise<string> {
  await applied(from)
  const { effect, text } = await planned(to, givenTo)
  const before = await got()
  await applied(to, givenTo)
  const after = await got()
  t.same(
    told(effect),
    before.map((pool, at) => (pool === after[at] ? null : `${pool} to ${after[at]}`)),
  )
  return text
}

t.test('a network that goes to another pool', async (t) => {
  const text = await isTrue(t, byNet('192.0.2.0/24'), byNet('198.51.100.0/24'))
  t.match(
    text,
    /\nanswers A for geo\.a\.test, to clients in 192\.0\.2\.0\/24: eu 0 % -> 100 %, us 100 % -> 0 %\n/,
  )
  t.match(
    text,
    /\nanswers A for geo\.a\.test, to clients in 198\.51\.100\.0\/24: eu 100 % -> 0 %, us 0 % -> 100 %\n/,
  )
})

t.test('a second network', async (t) => {
  await isTrue(t, byNet('192.0.2.0/24'), byNet('192.0.2.0/24', { '203.0.113.0/24': ['us'] }))
})

t.test('another default, and the same area as before for those who had it', async (t) => {
  const text = await isTrue(
    t,
    byNet('192.0.2.0/24'),
    geo({ cidr: { '192.0.2.0/24': ['us'] }, default: ['us'] }),
  )
  t.match(text, /to all clients but those in 192\.0\.2\.0\/24: eu 100 % -> 0 %, us 0 % -> 100 %/)
})

t.test('a service that steers by something else then, or did', async (t) => {
  const failover = { [name]: { pools: ['us', 'eu'] } }
  await isTrue(t, byNet('192.0.2.0/24'), failover)
  await isTrue(t, failover, byNet('192.0.2.0/24'))
  await isTrue(t, byNet('192.0.2.0/24'), { [name]: { steer: 'nearest', pools: ['us', 'eu'] } })
})

t.test('a country, and what is nearest', async (t) => {
  const country = (codes: object) => geo({ country: codes, default: ['eu'] })
  await isTrue(t, country({ US: ['us'] }), country({ DE: ['us'] }))
  const nearest = (bias: number) => ({
    [name]: { steer: 'nearest', pools: ['eu', { pool: 'us', bias }] },
  })
  await isTrue(t, nearest(0), nearest(99))
})

t.test('an area that nobody is in moves nobody', async (t) => {
  await applied(byNet('192.0.2.0/24'))
  const { effect } = await planned(
    geo({ cidr: { '192.0.2.0/24': ['us'] }, country: { CH: ['us'] }, default: ['eu'] }),
  )
  t.same(effect.services, [])
})

t.test('places behind other steering', async (t) => {
  const around = (rules: object) => ({
    ...Object.fromEntries(Object.values(geo(rules)).map((service) => ['inner.a.test', service])),
    [name]: { pools: [{ service: 'inner.a.test' }] },
  })
  const before = { cidr: { '192.0.2.0/24': ['us'] }, default: ['eu'] }
  await isTrue(t, around(before), around({ ...before, cidr: { '203.0.113.0/24': ['us'] } }))
  const drawn = (rules: object) => ({
    ...around(rules),
    [name]: {
      steer: 'weighted',
      pools: [
        { pool: 'eu', weight: 50 },
        { service: 'inner.a.test', weight: 50 },
      ],
    },
  })
  await applied(drawn(before))
  const { text } = await planned(drawn({ default: ['eu'] }))
  t.match(
    text,
    /\nanswers A for geo\.a\.test, to clients in 192\.0\.2\.0\/24: eu 50 % -> 100 %, us 50 % -> 0 %\n/,
  )
})

t.test('weights of members', async (t) => {
  const weighing = (weight: number) => ({
    ...pools,
    both: {
      select: 'weighted',
      members: { a: { address: '192.0.2.3', weight }, b: { address: '192.0.2.4', weight: 50 } },
    },
  })
  const services = { [name]: { pools: ['both'] } }
  await applied(services)
  const { effect, text } = await planned(services, weighing(10))
  t.match(effect.services, [
    {
      service: name,
      pools: [],
      members: [
        { pool: 'both', member: 'a', before: 0.5, after: 0.1667 },
        { pool: 'both', member: 'b', before: 0.5, after: 0.8333 },
      ],
      moreMembers: 0,
    },
  ])
  t.match(text, /\nanswers A for geo\.a\.test: both\/a 50 % -> 16\.7 %, both\/b 50 % -> 83\.3 %\n/)
})

t.test('what another service still answers with does not leave', async (t) => {
  const other = { 'other.a.test': { pools: ['both'] } }
  await applied({ [name]: { pools: ['both'] }, ...other })
  const { effect } = await planned({ [name]: { pools: ['eu'] }, ...other })
  t.same(effect.leaving, [])
})
