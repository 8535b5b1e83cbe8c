/**
 * Services of every kind in a signed zone, as validators see them: delv, and unbound with all that it can be strict about; both are shown to
 * find a changed octet. Then what changes answers: members that come and go, edits, restarts, another key of the zone.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { missingPrograms } from '../support/program.ts'
import { type Backend, eventually, put, soa, startBackend } from './fixture.ts'
import { apex, delv, full, pooldns, startUnbound } from './validators.ts'

const skip = missingPrograms('delv', 'unbound')
const good = '; fully validated'
const none = '; negative response, fully validated'
const strict = ['harden-below-nxdomain: yes', 'harden-dnssec-stripped: yes', 'harden-algo-downgrade: yes']
/** Asks for everything each time. */
const forgetful = [
  'cache-max-ttl: 0',
  'cache-max-negative-ttl: 0',
  'msg-cache-size: 0',
  'rrset-cache-size: 0',
]

const four = Object.fromEntries([1, 2, 3, 4].map((i) => [`m${i}`, { address: `192.0.2.${i}`, weight: i }]))
const both = { a: { address: '192.0.2.21' }, b: { address: '2001:db8::21' }, c: { address: '192.0.2.22' } }
const hosts = { x: { host: `target1.${apex}` }, y: { host: `target2.${apex}` } }

/** Pools by the names of services that they answer for. */
const pools: Readonly<Record<string, object>> = {
  all: { select: 'all', members: both },
  window: { select: 'all', answers: 2, members: four },
  weighted: { select: 'weighted', members: four },
  several: { select: 'weighted', answers: 2, members: four },
  hash: { select: 'hash', members: four },
  hashed: { select: 'hash', answers: 2, members: four },
  failover: { select: 'failover', members: four },
  alias: { hosts: 'cname', members: hosts },
  '@': { select: 'all', members: both },
}
const questions: readonly (readonly [name: string, type: string, said: string])[] = [
  ...Object.keys(pools).map((name) => [name, 'A', good] as const),
  ['all', 'AAAA', good],
  ['@', 'AAAA', good],
  // The name that it is an alias of has none.
  ['alias', 'AAAA', good],
  ['alias', 'CNAME', good],
  ['window', 'AAAA', none],
  ['window', 'TXT', none],
  ['all', 'TXT', none],
  ['nested', 'A', good],
  ['@', 'MX', good],
  ['nope', 'A', none],
]

interface World {
  readonly daemon: DaemonProcess
  readonly folder: string
  readonly anchors: string
  readonly anchor: string
  readonly backends: readonly Backend[]
}

async function start(t: Test, dataDir: string, dns?: number): Promise<DaemonProcess> {
  const env = dns === undefined ? {} : { POOLDNS_DNS_LISTEN: `127.0.0.1:${dns}` }
  const daemon = await startDaemonProcess({ dataDir, env })
  t.teardown(() => daemon.stop())
  return daemon
}

/** The zone, its services, and one that is probed. */
async function setUp(t: Test, algorithm: 13 | 15, dns?: number): Promise<World> {
  const folder = await temporaryDataFolder('pooldns-dnssec-services-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const daemon = await start(t, join(folder, 'data'), dns)
  const backends = await Promise.all([startBackend(), startBackend(), startBackend()])
  for (const backend of backends) t.teardown(() => backend[Symbol.asyncDispose]())
  await put(daemon, `/v1/zones/${apex}`, {
    soa,
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1'] },
      { name: '@', type: 'MX', data: ['10 mail'] },
      { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
      { name: 'target1', type: 'A', data: ['192.0.2.31'] },
      { name: 'target2', type: 'A', data: ['192.0.2.32'] },
    ],
  })
  const serve = async (name: string, pool: object) => {
    const called = name === '@' ? 'apex' : name
    await put(daemon, `/v1/pools/${called}`, pool)
    await put(daemon, `/v1/services/${full(name)}`, { pools: [called], ttl: 20 })
  }
  // Some before the zone is signed, and some after.
  const [first, ...others] = Object.entries(pools)
  await serve(...first!)
  const monitor = { interval: '1s', timeout: '1s', recheck: '50ms', rise: 1, fall: 1 }
  await put(daemon, '/v1/monitors/web', monitor)
  await put(daemon, '/v1/pools/flap', {
    monitor: 'web',
    members: Object.fromEntries(
      backends.map(({ port }, i) => [
        `f${i}`,
        { address: `192.0.2.${41 + i}`, probe: { address: '127.0.0.1', port } },
      ]),
    ),
  })
  await put(daemon, `/v1/services/${full('flap')}`, { pools: ['flap'], ttl: { min: 1, max: 20 } })
  await pooldns(daemon, 'dnssec', 'enable', apex, '--algorithm', String(algorithm))
  for (const each of others) await serve(...each)
  await put(daemon, `/v1/services/${full('nested')}`, {
    pools: [{ service: full('all') }],
    ttl: 10,
  })
  const anchors = join(folder, 'anchors')
  await writeFile(anchors, await pooldns(daemon, 'dnssec', 'ds', apex, '--format', 'delv'))
  const anchor = await pooldns(daemon, 'dnssec', 'ds', apex, '--format', 'unbound')
  return { daemon, folder, anchors, anchor, backends }
}

/** Passes datagrams on to a daemon, and changes an octet of each address 192.0.2.x in what it answers. */
async function startForger(t: Test, { dns }: DaemonProcess) {
  const front = createSocket('udp4')
  const backs: Socket[] = []
  front.on('message', (message, { address, port }) => {
    const back = createSocket('udp4')
    backs.push(back)
    back.on('message', (answer) => {
      const at = answer.indexOf(Buffer.of(192, 0, 2))
      if (at >= 0) answer[at + 3]! ^= 0x80
      front.send(answer, port, address)
    })
    back.send(message, dns.port, dns.host)
  })
  front.bind(0, '127.0.0.1')
  await once(front, 'listening')
  t.teardown(() => [front, ...backs].forEach((socket) => void socket.close()))
  return { dns: { host: '127.0.0.1', port: (front.address() as AddressInfo).port } }
}

async function validated(t: Test, { daemon, folder, anchors, anchor }: World): Promise<void> {
  for (const [name, type, said] of questions) {
    t.match(await delv(daemon, anchors, name, type), said, `delv: ${name} ${type}`)
  }
  const ask = await startUnbound(t, daemon, { folder, anchor, more: strict })
  // Rotations, draws and clients each come to several answers.
  const asking = await startUnbound(t, daemon, { folder, anchor, more: [...strict, ...forgetful] })
  for (const [name, type, said] of questions) {
    const { flags, rcode } = await ask(name, type)
    t.match(flags, / ad/, `unbound: ${name} ${type}`)
    t.equal(rcode, name === 'nope' ? 3 : 0)
    for (let i = 0; i < 8; i++) {
      const again = await asking(name, type)
      if (!again.flags.includes('ad')) t.fail(`unbound: ${name} ${type}: ${again.rcode} ${again.flags}`)
      if ((said === good) !== again.answer.length > 0) t.fail(`${name} ${type}`)
    }
  }
  const forger = await startForger(t, daemon)
  const forged = await startUnbound(t, forger, { folder, anchor, more: strict })
  for (const name of Object.keys(pools)) {
    const said = await delv(forger, anchors, name, 'A')
    t.match(said, 'RRSIG failed to verify', `delv finds a changed octet: ${name}`)
    t.equal((await forged(name, 'A')).rcode, 2, `unbound finds a changed octet: ${name}`)
  }
}

async function explained(t: Test, { daemon }: World): Promise<void> {
  const dry = await daemon.request('/v1/config?dryRun=true', {
    method: 'PUT',
    json: await (await daemon.request('/v1/config')).json(),
  })
  t.equal(dry.status, 200)
  const shown = await (await daemon.request(`/v1/zones/${apex}/dnssec`)).json()
  t.match(shown, { status: { signatures: { trouble: null, ended: false } } })
  const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
  t.match(metrics, /pooldns_dnssec_signature_expires_seconds\{zone="example\.test"\} 1\d{6}/)
  t.match(metrics, /pooldns_dnssec_unsigned_sets\{kind="answers"\} 0/)
}

/** Members come and go, and the zone is edited, while somebody asks all the time. */
async function flapped(t: Test, { daemon, folder, anchor, backends }: World): Promise<void> {
  const ask = await startUnbound(t, daemon, { folder, anchor, more: [...strict, ...forgetful] })
  await using client = await UdpClient.open(daemon.dns)
  const seen = new Set<string>()
  const state = { isOver: false, asked: 0 }
  const names = ['flap', 'all', 'several', '@', 'target1']
  const asking = (async () => {
    while (!state.isOver) {
      const name = names[state.asked++ % names.length]!
      const { flags, rcode, answer } = await ask(name, 'A')
      if (rcode !== 0 || !flags.includes('ad')) t.fail(`${name}: ${rcode} ${flags}`)
      const direct = readResponse(await client.insist(query(full('flap'), 'A', { edns: { flags: 0x8000 } })))
      if (!direct.answer.some((rr) => rr.includes('RRSIG'))) t.fail(`unsigned: ${direct.answer.join()}`)
      if (name === 'flap')
        seen.add(
          answer
            .map((rr) => rr.split(' ').at(-1))
            .sort()
            .join(),
        )
      await delay(50)
    }
  })()
  for (let round = 0; round < 10; round++) {
    const backend = backends[round % 3]!
    for (const healthy of [false, true]) {
      backend.healthy = healthy
      await backend.asked()
      await put(daemon, `/v1/zones/${apex}/rrsets/edit${round}/TXT`, { data: [`"${healthy}"`] })
    }
  }
  const all = '192.0.2.41,192.0.2.42,192.0.2.43'
  await eventually(async () => (seen.has(all) && seen.size > 1 ? true : undefined))
  state.isOver = true
  await asking
  t.ok(state.asked > 20)
  t.ok(seen.size > 1, `answers of ${[...seen].join(' and ')}`)
}

/** How many signatures were made since the daemon was started. */
const madeBy = async (daemon: DaemonProcess) =>
  (await (await daemon.request(`/v1/zones/${apex}/dnssec`)).json()).status.signatures.made

for (const algorithm of [13, 15] as const) {
  t.test(`services of every kind, algorithm ${algorithm}`, { skip }, async (t) => {
    const world = await setUp(t, algorithm)
    await t.test('delv and unbound validate them all', (t) => validated(t, world))
    await t.test('it is told', (t) => explained(t, world))
    if (algorithm === 13) {
      await t.test('members come and go, and edits, unseen by a validator', (t) => flapped(t, world))
    }
  })
}

t.test(
  'a restart signs nothing, and without its key file a server serves what it has',
  { skip },
  async (t) => {
    const port = await freePort()
    const world = await setUp(t, 13, port)
    await using client = await UdpClient.open({ host: '127.0.0.1', port })
    const state = { isOver: false, answers: 0 }
    const asking = (async () => {
      while (!state.isOver) {
        client.send(query(full('flap'), 'A', { edns: { flags: 0x8000 } }))
        const octets = await Promise.race([client.next(), delay(100)])
        if (octets === undefined) continue
        const { rcode, answer } = readResponse(octets)
        state.answers++
        if (rcode !== 0 || !answer.some((rr) => rr.includes('RRSIG'))) t.fail(`${rcode} ${answer.join()}`)
        await delay(20)
      }
    })()
    let { daemon } = world
    // What may be needed next is signed too, so that none of it is made by the next start.
    await eventually(async () => {
      const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
      return /unsigned_sets\{kind="ahead"\} 0/.test(metrics) && (await madeBy(daemon)) > 50 ? true : undefined
    })
    for (let round = 0; round < 3; round++) {
      await daemon.stop()
      daemon = await start(t, join(world.folder, 'data'), port)
      const counted = await madeBy(daemon)
      t.equal(counted, 0, 'a start signs nothing')
    }
    state.isOver = true
    await asking
    t.ok(state.answers > 5)
    await daemon.stop()
    await rm(join(world.folder, 'data/dnssec.key'))
    daemon = await start(t, join(world.folder, 'data'), port)
    t.match(await delv(daemon, world.anchors, 'all', 'A'), good)
    t.match(await delv(daemon, world.anchors, 'flap', 'A'), good)
    await put(daemon, '/v1/pools/all', { select: 'all', members: { z: { address: '192.0.2.99' } } })
    await using other = await UdpClient.open({ host: '127.0.0.1', port })
    const { rcode, answer } = readResponse(
      await other.insist(query(full('all'), 'A', { edns: { flags: 0x8000 } })),
    )
    t.same([rcode, answer], [2, []], 'what can not be signed is SERVFAIL, never unsigned')
  },
)
