/**
 * A parent and zones below it, all signed and in one server or several, a resolver that validates from the parent on, and a parent that does what CDS
 * asks for, by BIND's `dnssec-cds`, which checks that the keys that it knows have signed it.
 */
import { execFile } from 'node:child_process'
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { pause } from '../../src/controlplane/timing/clock.ts'
import type { DaemonProcess } from '../support/daemon.ts'
import { flagBits, query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { patience } from '../support/patience.ts'
import { findProgram, missingPrograms, type Program, startProgram } from '../support/program.ts'
import { put, soa } from './fixture.ts'
import { unboundConfig } from './validators.ts'

const execute = promisify(execFile)
export const withoutPrograms = missingPrograms('dig', 'unbound', 'dnssec-cds')

const short = { maxTtl: '1s', propagation: '1s' }

export interface Reply {
  readonly enabled: boolean
  readonly algorithm?: number
  readonly status: {
    readonly keys: readonly {
      readonly tag: number
      readonly role: string
      readonly algorithm: number
      readonly state: string
      readonly ds: string
      readonly atParent: boolean
    }[]
    readonly rollover: {
      readonly step: string
      readonly reverting: boolean
      readonly waitsFor: string
      readonly parent: string | null
    } | null
  }
}

export interface World {
  /** The server that is asked by HTTP, and by the parent. */
  daemon: DaemonProcess
  readonly folder: string
  readonly unbound: Program
  readonly port: number
}

export const apexOf = (kind: string) => `${kind}.test`

export async function of(daemon: DaemonProcess, kind: string): Promise<Reply> {
  return (await (await daemon.request(`/v1/zones/${apexOf(kind)}/dnssec`)).json()) as Reply
}

export async function post(daemon: DaemonProcess, kind: string, path: string, json: unknown): Promise<void> {
  const response = await daemon.request(`/v1/zones/${apexOf(kind)}/dnssec/${path}`, { method: 'POST', json })
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}

/**
 * @param zones how each is signed, by its first label
 * @param dnsPorts of the servers, which all have them
 * @param childPorts of those that the resolver asks for what is below the parent; it forgives one of several what is bogus
 */
export async function world(
  t: Test,
  daemon: DaemonProcess,
  {
    folder,
    dnsPorts,
    childPorts = dnsPorts,
    zones,
  }: {
    readonly folder: string
    readonly dnsPorts: readonly number[]
    readonly childPorts?: readonly number[]
    readonly zones: ReadonlyMap<string, object>
  },
): Promise<World> {
  const names = [...zones.keys()]
  const whole = { soa: { ...soa, minimum: '1s' }, ttl: '1s' }
  const ns = names.flatMap((name) => [
    { name, type: 'NS', data: [`ns1.${name}`] },
    { name: `ns1.${name}`, type: 'A', data: ['127.0.0.1'] },
  ])
  await put(daemon, '/v1/zones/test', { ...whole, dnssec: { enabled: true, ...short }, rrsets: ns })
  const numbered = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, type: 'A', data: ['192.0.2.1'] }))
  const rrsets = [
    { name: '@', type: 'NS', data: ['ns1'] },
    { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
    ...numbered,
  ]
  const parentServers = dnsPorts.map((port) => `127.0.0.1:${port}`)
  for (const [kind, dnssec] of zones) {
    const signing = { enabled: true, parentServers, ...short, ...dnssec }
    await put(daemon, `/v1/zones/${apexOf(kind)}`, { ...whole, dnssec: signing, rrsets })
    const { status } = await of(daemon, kind)
    const data = status.keys.filter(({ atParent }) => atParent).map(({ ds }) => ds)
    await put(daemon, dsPath(kind), { ttl: '1s', data })
  }
  const top = (await (await daemon.request('/v1/zones/test/dnssec')).json()) as Reply
  const port = await freePort()
  const file = join(folder, 'unbound.conf')
  const addresses = (ports: readonly number[]) =>
    ports.map((port) => `  stub-addr: 127.0.0.1@${port}\n`).join('')
  const stub = (name: string, ports: readonly number[]) =>
    `stub-zone:\n  name: "${name}"\n${addresses(ports)}`
  await writeFile(
    file,
    unboundConfig(
      folder,
      port,
      [
        'harden-algo-downgrade: yes',
        'val-log-level: 2',
        'infra-host-ttl: 1',
        `trust-anchor: "test. DS ${top.status.keys[0]!.ds}"`,
      ],
      stub('test', dnsPorts) + names.map((name) => stub(apexOf(name), childPorts)).join(''),
    ),
  )
  const unbound = startProgram('unbound', ['-d', '-c', file])
  t.teardown(() => unbound.stop())
  await unbound.said(/start of service/)
  return { daemon, folder, unbound, port }
}

const dsPath = (kind: string) => `/v1/zones/test/rrsets/${kind}/DS`

/** Lines of a master file: what the zone says of its keys. */
async function said(dnsPort: number, apex: string, type: string): Promise<string> {
  const args = ['@127.0.0.1', '-p', String(dnsPort), '+norec', '+dnssec', '+noall', '+answer', apex, type]
  const { stdout } = await execute(findProgram('dig')!, args)
  return stdout
}

/** Has the parent do what CDS asks for. */
export async function follow({ daemon, folder }: World, kind: string, { status }: Reply): Promise<void> {
  const found = await daemon.request(dsPath(kind))
  const before = found.status === 200 ? ((await found.json()) as { data: string[] }).data : []
  const asks = status.keys.filter(({ atParent }) => atParent).map(({ ds }) => ds)
  if (before.length === 0 || isSame(asks, before)) return
  const apex = apexOf(kind)
  const own = join(folder, kind)
  await mkdir(own, { recursive: true })
  const dsset = join(own, `dsset-${apex}.`)
  await writeFile(dsset, before.map((ds) => `${apex}. 1 IN DS ${ds}\n`).join(''))
  // Signatures that are older are taken for a replay.
  const then = Date.now() / 1000 - 7_200
  await utimes(dsset, then, then)
  const zone = join(own, 'keys')
  const parts = await Promise.all(
    ['SOA', 'DNSKEY', 'CDS', 'CDNSKEY'].map((type) => said(daemon.dns.port, apex, type)),
  )
  await writeFile(zone, parts.join(''))
  // BIND 9.18 makes a DS of what asks for none (RFC 8078 section 4).
  if (/\sCDS\s+0 0 0 00$/m.test(parts[2]!)) {
    await daemon.request(dsPath(kind), { method: 'DELETE' })
    return
  }
  const args = ['-a', 'SHA-256', '-f', zone, '-d', own, apex]
  // A step may come between the questions: then they do not fit, and it looks again.
  const asked = await execute(findProgram('dnssec-cds')!, args).catch(() => null)
  if (asked === null) return
  const data = Array.from(asked.stdout.matchAll(/\sDS\s+(.+)$/gm), ([, ds]) => ds!.trim())
  if (!isSame(data, before)) await put(daemon, dsPath(kind), { ttl: '1s', data })
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  const normal = (data: readonly string[]) => data.map((ds) => ds.replace(/\s/g, '').toUpperCase()).sort()
  return JSON.stringify(normal(a)) === JSON.stringify(normal(b))
}

/**
 * Asks the resolver all the time, until it is stopped. Returns what was not as it should be.
 *
 * @param isSigned whether a zone is to be found so
 */
export function watch({ port }: World, kinds: readonly string[], isSigned: (kind: string) => boolean) {
  const stop = new AbortController()
  const wrong: string[] = []
  let asked = 0
  const done = (async () => {
    await using client = await UdpClient.open({ host: '127.0.0.1', port })
    const flags = flagBits.rd | flagBits.ad
    for (let i = 0; !stop.signal.aborted; i++) {
      const kind = kinds[i % kinds.length]!
      const apex = apexOf(kind)
      const n = Math.floor(i / kinds.length)
      const [name, type] = (
        [
          [`n${n % 20}.${apex}`, 'A'],
          [apex, 'DNSKEY'],
          [`x${n % 50}.${apex}`, 'A'],
          [apex, 'SOA'],
          [`n${n % 20}.${apex}`, 'TXT'],
        ] as const
      )[n % 5]!
      const id = i % 0x1_0000
      let response: Buffer
      do response = await client.insist(query(name, type, { id, flags, edns: {} }))
      while (
        // One that was asked for twice comes twice.
        response.readUInt16BE(0) !== id
      )
      const { rcode, flags: got } = readResponse(response)
      asked++
      // Often enough to find what is in the cache at each moment, and no more than the machine has to spare.
      await pause(5, stop.signal)
      const isGood = !isSigned(kind) || got.includes(' ad')
      if ((rcode !== 0 && rcode !== 3) || !isGood) wrong.push(`${name} ${type}: ${rcode} ${got}`)
    }
  })()
  return async () => {
    stop.abort()
    await done
    return { wrong, asked }
  }
}

/** Has the parent follow until a rollover is in another step than it was, or at its end: then null. */
export async function next(found: World, kind: string, from: string | null): Promise<string | null> {
  const signal = patience()
  for (;;) {
    const reply = await of(found.daemon, kind)
    const { rollover } = reply.status
    if (rollover === null) return null
    const step = rollover.reverting ? `back: ${rollover.step}` : rollover.step
    if (step !== from) return step
    if (signal.aborted) throw new Error(`${kind} comes to no end: ${JSON.stringify(reply.status)}`)
    // A server that never saw the DS of before can't tell for how long others have it, and takes it for a day.
    if (rollover.step === 'parent' && rollover.parent !== null) await follow(found, kind, reply)
    await pause(50, signal)
  }
}

export const bogus = (output: string) => output.split('\n').filter((line) => /validation failure/.test(line))

export async function active(daemon: DaemonProcess, kind: string) {
  return (await of(daemon, kind)).status.keys.filter(({ state }) => state === 'active')
}

/** Changes how long each step is waited for. */
export async function hold(daemon: DaemonProcess, kind: string, propagation: string): Promise<void> {
  const path = `/v1/zones/${apexOf(kind)}/dnssec`
  const response = await daemon.request(path, { method: 'PATCH', json: { propagation } })
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}
