/**
 * A validator of answers as they come by the wire, for tests: reads the octets, and says which RRset in them no signature beside it fits
 * (RFC 4035 section 5.3). Keys are those of Ed25519, of the zones that are signed.
 */
import { type KeyObject, verify } from 'node:crypto'
import { sortRdata } from '../../../src/dataplane/wire/canonical.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { formatName, hostnameToWire, isSubdomain, labelCount } from '../../../src/dataplane/wire/name.ts'
import { typeName } from '../../../src/dataplane/wire/rdata.ts'

export interface WireRr {
  /** Lower-cased wire form. */
  readonly owner: Buffer
  readonly type: number
  readonly ttlSeconds: number
  /** Names whole, in lower case. */
  readonly rdata: Buffer
}

export interface WireSections {
  readonly rcode: number
  readonly truncated: boolean
  readonly answer: readonly WireRr[]
  readonly authority: readonly WireRr[]
  readonly additional: readonly WireRr[]
}

/** Octets before the names in RDATA, and how many there are. */
const namesIn: Readonly<Record<number, readonly [number, number]>> = {
  [types.ns]: [0, 1],
  [types.cname]: [0, 1],
  [types.dname]: [0, 1],
  [types.mx]: [2, 1],
  [types.soa]: [0, 2],
}

export function readSections(message: Buffer): WireSections {
  let at = nameAt(message, 12).end + 4
  const section = (count: number): WireRr[] => {
    const rrs: WireRr[] = []
    for (let i = 0; i < count; i++) {
      const { name: owner, end } = nameAt(message, at)
      const type = message.readUInt16BE(end)
      const from = end + 10
      at = from + message.readUInt16BE(end + 8)
      if (type === types.opt) continue
      rrs.push({
        owner,
        type,
        ttlSeconds: message.readUInt32BE(end + 4),
        rdata: wholeRdata(message, type, from, at),
      })
    }
    return rrs
  }
  return {
    rcode: message[3]! & 0xf,
    truncated: (message[2]! & 2) !== 0,
    answer: section(message.readUInt16BE(6)),
    authority: section(message.readUInt16BE(8)),
    additional: section(message.readUInt16BE(10)),
  }
}

function wholeRdata(message: Buffer, type: number, from: number, end: number): Buffer {
  const [before, names] = namesIn[type] ?? [0, 0]
  const parts = [message.subarray(from, from + before)]
  let at = from + before
  for (let i = 0; i < names; i++) {
    const found = nameAt(message, at)
    parts.push(found.name)
    at = found.end
  }
  return Buffer.concat([...parts, message.subarray(at, end)])
}

function nameAt(message: Buffer, start: number): { name: Buffer; end: number } {
  const labels: Buffer[] = []
  let end = -1
  let at = start
  while (message[at] !== 0) {
    if (message[at]! >= 0xc0) {
      if (end < 0) end = at + 2
      const to = message.readUInt16BE(at) & 0x3fff
      if (to >= at) throw new Error('a pointer that leads ahead')
      at = to
      continue
    }
    labels.push(message.subarray(at, at + message[at]! + 1))
    at += message[at]! + 1
  }
  const text = Buffer.concat([...labels, Buffer.of(0)]).toString('latin1')
  return { name: Buffer.from(text.toLowerCase(), 'latin1'), end: end < 0 ? at + 1 : end }
}

/** What is wrong with the RRsets of the answer and authority sections, in words; none is bogus when there is nothing. */
export function faultsOf(message: Buffer, keys: Readonly<Record<string, KeyObject>>): string[] {
  const { answer, authority } = readSections(message)
  return [...sectionFaults(answer, keys), ...sectionFaults(authority, keys)]
}

function sectionFaults(rrs: readonly WireRr[], keys: Readonly<Record<string, KeyObject>>): string[] {
  const groups = Map.groupBy(rrs, ({ owner, type }) =>
    type === types.rrsig ? '' : `${owner.toString('latin1')} ${type}`,
  )
  const rrsigs = groups.get('') ?? []
  groups.delete('')
  return Array.from(groups.values()).flatMap((rrset) => {
    const { owner, type } = rrset[0]!
    const called = `${formatName(owner)} ${typeName(type)}`
    const zones = Object.keys(keys).filter((apex) => isSubdomain(owner, hostnameToWire(apex)))
    if (zones.length === 0) return []
    const beside = rrsigs.filter((rr) => rr.owner.equals(owner) && rr.rdata.readUInt16BE(0) === type)
    if (beside.length === 0) return [`${called} has no signature`]
    return beside.flatMap((rr) => {
      const fault = faultOf(rrset, rr, keys)
      return fault === null ? [] : [`${called}: ${fault}`]
    })
  })
}

function faultOf(
  rrset: readonly WireRr[],
  rrsig: WireRr,
  keys: Readonly<Record<string, KeyObject>>,
): string | null {
  const { owner, type, ttlSeconds } = rrset[0]!
  const { rdata } = rrsig
  const signer = nameAt(rdata, 18)
  const key = keys[formatName(signer.name).slice(0, -1)]
  if (key === undefined) return 'signed by nobody who is known'
  const original = rdata.readUInt32BE(4)
  if ([...rrset, rrsig].some((rr) => rr.ttlSeconds !== ttlSeconds)) return 'TTLs differ'
  if (ttlSeconds > original) return 'its TTL is above the one that was signed'
  const data = sortRdata(rrset.map((rr) => rr.rdata))
  if (data.length !== rrset.length) return 'has an RR twice'
  const labels = rdata[3]!
  const stars = labelCount(owner) - labels
  if (stars < 0) return 'has fewer labels than were signed'
  let from = 0
  for (let i = 0; i < stars; i++) from += owner[from]! + 1
  const signedOwner =
    stars === 0 || (owner[0] === 1 && owner[1] === 0x2a)
      ? owner
      : Buffer.concat([Buffer.of(1, 0x2a), owner.subarray(from)])
  const fixed = Buffer.alloc(8)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(original, 4)
  const rrs = data.flatMap((octets) => [
    signedOwner,
    fixed,
    Buffer.of(octets.length >>> 8, octets.length & 0xff),
    octets,
  ])
  const signed = Buffer.concat([rdata.subarray(0, signer.end), ...rrs])
  return verify(null, signed, key, rdata.subarray(signer.end)) ? null : 'the signature does not fit'
}
