/** The real listener with one zone on free ports of 127.0.0.1 and ::1, and a client for each way to ask it. */

import { createSocket } from 'node:dgram'
import { decode, type OptAnswer } from 'dns-packet'
import type { AnswerSettings } from '../../src/dataplane/image/answer-settings.ts'
import { ZoneCompiler } from '../../src/dataplane/image/compile.ts'
import { compileDirectory } from '../../src/dataplane/image/directory.ts'
import { only } from '../../src/dataplane/image/serving-set.ts'
import { Fleet } from '../../src/dataplane/listener/fleet.ts'
import { lowerName, parseName } from '../../src/dataplane/wire/name.ts'
import { parseRdata, rrTypes } from '../../src/dataplane/wire/rdata.ts'
import { type Endpoint, TcpClient, UdpClient } from '../support/dns-client.ts'

export const apex = 'example.test'
/** An RRset: owner, type, RDATA. */
export type Line = readonly [owner: string, type: string, ...rdata: string[]]
const lines: readonly Line[] = [
  ['@', 'NS', 'ns1'],
  ['ns1', 'A', '192.0.2.53'],
  ['www', 'A', '192.0.2.1'],
  ['sub', 'NS', 'ns.sub'],
  ['ns.sub', 'A', '192.0.2.54'],
  ['large', 'TXT', `"${'x'.repeat(250)}" `.repeat(4)],
  ['huge', 'TXT', `"${'x'.repeat(250)}" `.repeat(6)],
]
export const soaLine = `${apex} 300 SOA ns1.${apex} hostmaster.${apex} 1 3600 600 86400 60`
export const negativeSoaLine = soaLine.replace(' 300 ', ' 60 ')

export const identity = 'node-1'
export const cookieKey = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

const settings: AnswerSettings = {
  nsid: Buffer.from(identity),
  chaos: [],
  cookieKeys: [cookieKey],
  noCookieOctets: 0,
  rateLimit: null,
  sample: true,
}

export interface Way {
  readonly label: string
  readonly transport: 'udp' | 'tcp'
  readonly endpoint: Endpoint
}

export interface Serving extends AsyncDisposable {
  /** UDP and TCP over IPv4, and over IPv6 where the host has it. */
  readonly ways: readonly Way[]
}

/**
 * @param more RRsets beside those of every test
 * @param changes to the settings of every test
 */
export async function serve(
  more: readonly Line[] = [],
  changes: Partial<AnswerSettings> = {},
): Promise<Serving> {
  const hosts = (await hasIpv6()) ? ['127.0.0.1', '::1'] : ['127.0.0.1']
  const fleet = new Fleet({
    listen: hosts.map((host) => ({ host, port: 0 })),
    udpWorkers: 1,
    udpBackend: 'auto',
    onRestart: (transport, reason) => {
      throw new Error(`the ${transport} worker died: ${reason}`)
    },
    onFallback: (reason) => {
      throw new Error(reason)
    },
    onSkipped: () => undefined,
  })
  await fleet.start()
  await fleet.publish({
    generation: 1,
    directory: only(compileDirectory(new Map([[0, parseName(`${apex}.`)]]))),
    zones: [[0, compileZone([...lines, ...more])]],
    settings: only({ ...settings, ...changes }),
  })
  const ways = fleet.bound.flatMap((endpoint) =>
    (['udp', 'tcp'] as const).map((transport) => ({
      label: `${transport.toUpperCase()} over ${endpoint.host.includes(':') ? 'IPv6' : 'IPv4'}`,
      transport,
      endpoint,
    })),
  )
  return { ways, [Symbol.asyncDispose]: () => fleet.stop() }
}

function compileZone(all: readonly Line[]): SharedArrayBuffer {
  const origin = parseName(`${apex}.`)
  const soa = parseRdata('SOA', 'ns1 hostmaster 1 3600 600 86400 60', origin)
  const compiler = new ZoneCompiler(origin, { rdata: soa, ttlSeconds: 300 })
  for (const [owner, type, ...rdata] of all) {
    compiler.add({
      owner: lowerName(parseName(owner, origin)),
      type: rrTypes.get(type)!,
      ttlSeconds: 300,
      rdata: rdata.map((text) => parseRdata(type, text, origin)),
    })
  }
  return compiler.finish()
}

async function hasIpv6(): Promise<boolean> {
  const socket = createSocket({ type: 'udp6', ipv6Only: true })
  try {
    return await new Promise((resolve) => {
      socket.once('error', () => resolve(false))
      socket.bind(0, '::1', () => resolve(true))
    })
  } finally {
    socket.close()
  }
}

/** The response to one message. */
export async function exchange({ transport, endpoint }: Way, message: Uint8Array): Promise<Buffer> {
  if (transport === 'udp') {
    await using client = await UdpClient.open(endpoint)
    return await client.exchange(message)
  }
  using client = await TcpClient.open(endpoint)
  const response = await client.exchange(message)
  if (response === null) throw new Error('the server has closed the connection')
  return response
}

/** The options of a response's OPT by code, as hexadecimal. */
export function optionsOf(response: Buffer): Record<number, string> {
  const opt = decode(response).additionals?.find((record): record is OptAnswer => record.type === 'OPT')
  const options = opt?.options ?? []
  return Object.fromEntries(
    options.map((option) => [
      option.code,
      'data' in option && option.data ? option.data.toString('hex') : '',
    ]),
  )
}

/** One option in wire form. */
export function option(code: number, data: Uint8Array | string = ''): Buffer {
  const octets = typeof data === 'string' ? Buffer.from(data, 'hex') : Buffer.from(data)
  const head = Buffer.alloc(4)
  head.writeUInt16BE(code, 0)
  head.writeUInt16BE(octets.length, 2)
  return Buffer.concat([head, octets])
}
