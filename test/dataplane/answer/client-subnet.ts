/** The client subnet option (RFC 7871), as a client writes it and reads it. */
import { decode } from 'dns-packet'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { query, type TypeName, u16Octets } from '../../support/dns-client.ts'

/** In wire form. @param source length of the prefix; the address has no bits behind it */
export function subnetOption(address: string, source: number): Buffer {
  const octets = parseAddress(address)!
  const prefix = octets.subarray(0, Math.ceil(source / 8))
  return Buffer.concat([
    u16Octets(8, 4 + prefix.length, octets.length === 4 ? 1 : 2),
    Buffer.of(source, 0),
    prefix,
  ])
}

export function subnetQuery(name: string, type: TypeName, address: string, source: number): Buffer {
  return query(name, type, { edns: { options: subnetOption(address, source) } })
}

/** The scope that a response says; null when it has no client subnet. */
export function scopeOf(response: Buffer): number | null {
  const opt = decode(response).additionals!.find(({ type }) => type === 'OPT')
  const options = (opt as unknown as { options: { code: number; data: Buffer }[] } | undefined)?.options ?? []
  return options.find(({ code }) => code === 8)?.data[3] ?? null
}
