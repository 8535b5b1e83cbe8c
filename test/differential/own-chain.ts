/** The chain that our own signer makes for a zone that another one has signed, held against the one that is there. */
import { hashedChain } from '../../src/controlplane/dnssec/hashed-chain.ts'
import { nsecChain, signedOwners } from '../../src/controlplane/dnssec/nsec-chain.ts'
import type { WireRrset } from '../../src/dataplane/image/rrset-encoder.ts'
import { lowerName, parseName } from '../../src/dataplane/wire/name.ts'
import { fold, toText, toWire } from './names.ts'
import { type TestRrset, testTypes } from './rdata.ts'
import { isDenial } from './view-parts.ts'
import type { TestZone } from './world.ts'

/** What one of the two chains has and the other one hasn't, as text; empty where they are the same. */
export function chainDifferences({ apex, rrsets }: TestZone): string[] {
  const theirs = rrsets.filter(({ type }) => isDenial(testTypes[type])).map(textOfTheirs)
  const made = rrsets.filter(({ type }) => type !== 'RRSIG' && !isDenial(testTypes[type]))
  const name = lowerName(parseName(toText(apex)))
  const owners = signedOwners(name, made.map(wireRrset))
  const soa = made.find(({ type }) => type === 'SOA')!
  const minimum = soa.rdata[0]!.wire.readUInt32BE(soa.rdata[0]!.wire.length - 4)
  const ttlSeconds = Math.min(minimum, soa.ttlSeconds)
  const isHashed = rrsets.some(({ type }) => type === 'NSEC3')
  const chain = isHashed ? hashedChain(name, owners, ttlSeconds) : nsecChain(owners, ttlSeconds)
  const ours = chain.map(({ owner, ttlSeconds: ttl, rdata }) => textOf(Buffer.from(owner), ttl, rdata[0]!))
  return [
    ...theirs.filter((text) => !ours.includes(text)).map((text) => `theirs: ${text}`),
    ...ours.filter((text) => !theirs.includes(text)).map((text) => `ours: ${text}`),
  ]
}

function wireRrset({ owner, type, ttlSeconds, rdata }: TestRrset): WireRrset {
  const wire = toWire(fold(owner))
  return { owner: wire, type: testTypes[type], ttlSeconds, rdata: rdata.map((one) => one.wire) }
}

function textOfTheirs({ owner, type, ttlSeconds, rdata }: TestRrset): string {
  const wire = Buffer.from(rdata[0]!.wire)
  return textOf(toWire(fold(owner)), ttlSeconds, type === 'NSEC' ? withFoldedName(wire) : wire)
}

/** The next name may have capitals (RFC 6840 section 5.1). */
function withFoldedName(wire: Buffer): Buffer {
  let end = 0
  while (wire[end] !== 0) end += wire[end]! + 1
  const name = wire.toString('latin1', 0, end).replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  return Buffer.concat([Buffer.from(name, 'latin1'), wire.subarray(end)])
}

const textOf = (owner: Buffer, ttlSeconds: number, rdata: Uint8Array) =>
  `${owner.toString('latin1')} ${ttlSeconds} ${Buffer.from(rdata).toString('hex')}`
