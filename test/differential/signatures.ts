/**
 * The RRSIGs of a signed zone as our compiler looks for them. What it takes for the canonical form of the RRset, and for its
 * Original TTL, is held against the signature itself: it verifies, or there is none.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { Signatures } from '../../src/dataplane/image/signatures.ts'
import { fold, nameKey, toWire } from './names.ts'
import type { TestRrset } from './rdata.ts'

const ecdsa = 13

/** @returns undefined for a zone that is not signed */
export function signaturesOf(rrsets: readonly TestRrset[]): Signatures | undefined {
  const dnskey = rrsets.find(({ type }) => type === 'DNSKEY')
  if (dnskey === undefined) return undefined
  const key = publicKey(dnskey.rdata[0]!.wire)
  const known = new Map<string, Buffer[]>()
  for (const { owner, type, rdata } of rrsets) {
    if (type !== 'RRSIG') continue
    for (const { wire } of rdata) {
      const place = `${nameKey(owner)} ${wire.readUInt16BE(0)}`
      known.set(place, [...(known.get(place) ?? []), wire])
    }
  }
  return {
    find(owner, type, ttl, data) {
      const found = known.get(`${Buffer.from(owner).toString('latin1')} ${type}`)
      return found?.filter((rrsig) => verifies(rrsig, key, owner, type, ttl, data))
    },
  }
}

function publicKey(rdata: Buffer): KeyObject {
  const octets = rdata.subarray(4)
  const part = (from: number) => octets.toString('base64url', from, from + 32)
  const jwk =
    rdata[3] === ecdsa
      ? { kty: 'EC', crv: 'P-256', x: part(0), y: part(32) }
      : { kty: 'OKP', crv: 'Ed25519', x: part(0) }
  return createPublicKey({ key: jwk, format: 'jwk' })
}

/** RFC 4034 section 3.1.8.1. */
function verifies(
  rrsig: Buffer,
  key: KeyObject,
  owner: Uint8Array,
  type: number,
  ttl: number,
  data: readonly Uint8Array[],
): boolean {
  const signer = readName(rrsig, 18)
  const fixed = Buffer.alloc(8)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  const rrs = data.flatMap((rdata) => [
    owner,
    fixed,
    Buffer.of(rdata.length >>> 8, rdata.length & 0xff),
    rdata,
  ])
  const signed = Buffer.concat([rrsig.subarray(0, 18), toWire(fold(signer.labels)), ...rrs])
  const signature = rrsig.subarray(signer.end)
  return rrsig[2] === ecdsa
    ? verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)
    : verify(null, signed, key, signature)
}

function readName(wire: Buffer, from: number): { readonly labels: string[]; readonly end: number } {
  const labels: string[] = []
  let at = from
  for (; wire[at] !== 0; at += wire[at]! + 1) labels.push(wire.toString('latin1', at + 1, at + 1 + wire[at]!))
  return { labels, end: at + 1 }
}
