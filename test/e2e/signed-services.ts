/** A signed zone with services of every kind, before and after it was signed, and one whose members are probed. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { type Backend, put, soa, startBackend, timing } from './fixture.ts'
import { apex, full, pooldns } from './validators.ts'

const four = Object.fromEntries([1, 2, 3, 4].map((i) => [`m${i}`, { address: `192.0.2.${i}`, weight: i }]))
const both = { a: { address: '192.0.2.21' }, b: { address: '2001:db8::21' }, c: { address: '192.0.2.22' } }
const hosts = { x: { host: `target1.${apex}` }, y: { host: `target2.${apex}` } }

/** Pools by the names of services that they answer for. */
export const pools: Readonly<Record<string, object>> = {
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
export interface World {
  readonly algorithm: number
  readonly daemon: DaemonProcess
  readonly folder: string
  readonly anchors: string
  readonly anchor: string
  readonly backends: readonly Backend[]
}

export async function start(t: Test, dataDir: string, dns?: number): Promise<DaemonProcess> {
  const env = dns === undefined ? {} : { POOLDNS_DNS_LISTEN: `127.0.0.1:${dns}` }
  const daemon = await startDaemonProcess({ dataDir, env })
  t.teardown(() => daemon.stop())
  return daemon
}

/** The zone, its services, and one that is probed. */
export async function setUp(t: Test, algorithm: 13 | 15, dns?: number): Promise<World> {
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
  await put(daemon, '/v1/monitors/web', timing)
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
  return { algorithm, daemon, folder, anchors, anchor, backends }
}
