/** Queries of clients that a resolver asks for, by EDNS client subnet (RFC 7871). */
import { decode } from 'dns-packet'
import { formatIpv4, parseAddress } from '../../src/dataplane/wire/address.ts'
import { query, readResponse, UdpClient, u16Octets } from '../support/dns-client.ts'
import type { Server } from './ask.ts'

const optionCode = 8

export interface ForClient {
  /** Addresses of the answer, sorted. */
  readonly answers: readonly string[]
  readonly rcode: number
  /** The scope of the option in the response; null when there is none. */
  readonly scope: number | null
}

/** The answer for the clients of an IPv4 prefix, such as 192.0.2.0/24. */
export async function askFor(server: Server, name: string, prefix: string): Promise<ForClient> {
  await using client = await UdpClient.open(server)
  // The client is there until then.
  return await askBy(client, name, prefix)
}

export async function askBy(client: UdpClient, name: string, prefix: string): Promise<ForClient> {
  const octets = await client.exchange(query(name, 'A', { edns: { options: subnetOption(prefix) } }))
  const { answer, rcode } = readResponse(octets)
  const [opt] = (decode(octets).additionals ?? []).filter(({ type }) => type === 'OPT') as unknown as [
    { options: { code: number; data: Buffer }[] } | undefined,
  ]
  const option = opt?.options.find(({ code }) => code === optionCode)
  return {
    answers: answer.map((line) => line.split(' ').at(-1)!).sort(),
    rcode,
    scope: option?.data[3] ?? null,
  }
}

function subnetOption(prefix: string): Buffer {
  const [address = '', digits = ''] = prefix.split('/')
  const length = Number(digits)
  const octets = parseAddress(address)!.subarray(0, Math.ceil(length / 8))
  return Buffer.concat([u16Octets(optionCode, 4 + octets.length, 1), Buffer.of(length, 0), octets])
}

/** The nth network of 24 bits in 10.0.0.0/8. */
export function networkOf(index: number): string {
  return `${formatIpv4(Uint8Array.of(10, index >> 8, index & 0xff, 0))}/24`
}
