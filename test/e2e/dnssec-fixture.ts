/** A zone with every kind of content, signed by one command. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { put, soa } from './fixture.ts'
import { apex, pooldns } from './validators.ts'

export const rrsets = [
  { name: '@', type: 'NS', data: ['ns1'] },
  { name: '@', type: 'MX', data: ['10 Mail'] },
  { name: 'ns1', type: 'A', data: ['127.0.0.1'] },
  { name: 'www', type: 'A', data: ['192.0.2.10', '192.0.2.11'] },
  { name: '*.wild', type: 'A', data: ['192.0.2.2'] },
  { name: '*.wild', type: 'TXT', data: ['x'] },
  { name: 'exact.wild', type: 'A', data: ['192.0.2.3'] },
  { name: 'a.b.ent', type: 'TXT', data: ['x'] },
  { name: 'alias', type: 'CNAME', data: ['www'] },
  { name: 'd', type: 'DNAME', data: ['wild'] },
  { name: 'insecure', type: 'NS', data: ['ns.insecure'] },
  { name: 'ns.insecure', type: 'A', data: ['127.0.0.9'] },
  { name: 'secure', type: 'NS', data: ['ns.secure'] },
  { name: 'secure', type: 'DS', data: [`1 13 2 ${'AB'.repeat(32)}`] },
  { name: 'ns.secure', type: 'A', data: ['127.0.0.9'] },
  { name: 'svc', type: 'HTTPS', data: ['1 Target.example.test. alpn=h2'] },
]

/** What is asked, and what delv says of it. */
export const good = '; fully validated'
export const none = '; negative response, fully validated'
export const questions: readonly (readonly [name: string, type: string, said: string])[] = [
  ['www', 'A', good],
  ['www', 'AAAA', none],
  ['nope', 'A', none],
  ['x.wild', 'A', good],
  ['x.wild', 'MX', none],
  ['x.exact.wild', 'A', none],
  ['b.ent', 'A', none],
  ['alias', 'A', good],
  ['y.d', 'TXT', good],
  ['svc', 'HTTPS', good],
  ['@', 'DNSKEY', good],
  ['@', 'CDS', good],
  ['secure', 'DS', good],
  ['insecure', 'DS', none],
]

/** The same text with another letter in the middle of the first signature of a type. */
export function damaged(lines: readonly string[], type: string): string[] {
  const at = lines.findIndex((line) => new RegExp(`\\sRRSIG\\s+${type} `).test(line))
  const line = lines[at]!
  const from = line.lastIndexOf(' ') + 1
  const signature = from + Math.floor((line.length - from) / 2)
  const changed = line[signature] === 'A' ? 'B' : 'A'
  return lines.with(at, line.slice(0, signature) + changed + line.slice(signature + 1))
}

export type Signed = Awaited<ReturnType<typeof signed>>

export async function signed(
  t: Test,
  algorithm: number,
  env: Record<string, string> = {},
  nodeArgs: readonly string[] = [],
) {
  const folder = await temporaryDataFolder('pooldns-dnssec-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const daemon = await startDaemonProcess({ env, nodeArgs })
  t.teardown(() => daemon.stop())
  await put(daemon, `/v1/zones/${apex}`, { soa, rrsets })
  const ds = await pooldns(daemon, 'dnssec', 'enable', apex, '--algorithm', String(algorithm))
  t.match(
    ds,
    new RegExp(
      `^signed\\. Its parent is to have:\\nexample\\.test\\. 3600 IN DS \\d+ ${algorithm} 2 [0-9A-F]{64}\\n$`,
    ),
  )
  const anchors = join(folder, 'anchors')
  await writeFile(anchors, await pooldns(daemon, 'dnssec', 'ds', apex, '--format', 'delv'))
  return { daemon, folder, anchors }
}
