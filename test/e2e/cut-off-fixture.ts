/** Two servers on one database, one of which may lose it, and resolvers that have keys from the one and data from the other. */
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { pause } from '../../src/controlplane/timing/clock.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { patience } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import { missingPrograms } from '../support/program.ts'
import { eventually, put, soa } from './fixture.ts'
import { rcodeOf, startMixer } from './mixed-answers.ts'
import { apex, full, pooldns, startUnbound } from './validators.ts'

export const skip = missingPrograms('unbound')
export const path = `/v1/zones/${apex}/dnssec`
/** Short enough to wait for several rollovers. */
const shortTimes = { maxTtl: '5s', propagation: '1s' }
const rrsets = [
  { name: '@', type: 'NS', data: ['ns1'] },
  { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
  { name: 'www', type: 'A', data: ['192.0.2.10'] },
]

export async function rolloverOf(daemon: DaemonProcess) {
  const { status } = (await (await daemon.request(path)).json()) as {
    status: { rollover: { step: string; waitsFor: string } | null }
  }
  return status.rollover
}

async function selfOf(daemon: DaemonProcess): Promise<string> {
  const { items } = await (await daemon.request('/v1/nodes')).json()
  return items.find(({ self }: { self: boolean }) => self)?.id
}

/** Until the rollover is over. */
export async function rolled(daemon: DaemonProcess): Promise<void> {
  const signal = patience()
  while ((await rolloverOf(daemon)) !== null) {
    signal.throwIfAborted()
    await pause(50, signal)
  }
}

/**
 * Two servers on one database, the second by a network that may go silent, and resolvers that mix their answers.
 *
 * @param times how long the steps of a rollover of `apex` take
 */
export async function fleet(t: Test, times: typeof shortTimes = shortTimes) {
  const folder = await temporaryDataFolder('pooldns-cut-off-')
  const dataDir = await temporaryDataFolder('pooldns-cut-off-data-')
  const postgres = await startPostgres()
  const url = await postgres.createDatabase()
  const proxy = await startPostgresProxy(url)
  const keyFile = join(folder, 'key')
  await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
  const one = await startDaemonProcess({ env: { DATABASE_URL: url, POOLDNS_KEY_FILE: keyFile } })
  const startTwo = (port = 0, env: Record<string, string> = {}) =>
    startDaemonProcess({
      dataDir,
      env: {
        DATABASE_URL: proxy.through(url),
        POOLDNS_KEY_FILE: keyFile,
        POOLDNS_DNS_LISTEN: `127.0.0.1:${port}`,
        ...env,
      },
    })
  const found = { one, two: await startTwo(), proxy, keyFile, url, folder, startTwo }
  const whole = { soa: { ...soa, minimum: '1s' }, ttl: '1s', rrsets }
  await put(one, `/v1/zones/${apex}`, { ...whole, dnssec: { enabled: true, keys: 'split', ...times } })
  await put(one, '/v1/zones/quiet.test', { ...whole, dnssec: { enabled: true, ...shortTimes } })
  await eventually(async () => ((await rcodeOf(found.two, full('www'))) === 0 ? true : undefined))
  const anchor = await pooldns(one, 'dnssec', 'ds', apex, '--format', 'unbound')
  const mixers = [await startMixer(one.dns, found.two.dns), await startMixer(found.two.dns, one.dns)]
  t.teardown(async () => {
    await Promise.all([one.stop(), found.two.stop(), ...mixers.map((mixer) => mixer[Symbol.asyncDispose]())])
    await proxy[Symbol.asyncDispose]()
    await postgres[Symbol.asyncDispose]()
    await Promise.all([folder, dataDir].map((path) => rm(path, { recursive: true, force: true })))
  })
  const more = ['cache-max-ttl: 0', 'cache-max-negative-ttl: 0', 'val-log-level: 2', 'infra-host-ttl: 1']
  const resolvers = await Promise.all(
    mixers.map((mixer) => startUnbound(t, mixer, { folder, anchor: anchor.trim(), more })),
  )
  return Object.assign(found, { resolvers, ids: [await selfOf(one), await selfOf(found.two)] as const })
}

/** Until a server has told the others of its lease. */
export async function leased(url: string, id: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await eventually(async () => {
      const { rows } = await client.query('select leases from nodes where id = $1', [id])
      return rows[0]?.leases?.[apex] === undefined ? undefined : true
    })
  } finally {
    await client.end()
  }
}

export async function readiness(daemon: DaemonProcess): Promise<{ status: number; detail?: string }> {
  return (await (await daemon.request('/ready')).json()) as { status: number; detail?: string }
}
