import { type Labels, toText, toWire } from './names.ts'

/** One RR's data, as the master files of all servers spell it and as it is on the wire. */
export interface TestRdata {
  readonly text: string
  readonly wire: Buffer
}

export interface TestRrset {
  readonly owner: Labels
  readonly type: TestType
  readonly ttlSeconds: number
  readonly rdata: readonly TestRdata[]
}

export const testTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  NSEC3PARAM: 51,
  HTTPS: 65,
  CAA: 257,
} as const
export type TestType = keyof typeof testTypes

/** Whether an RRset of a signed zone is an NSEC3, or the signatures of one, which are all that its owner has. */
export function isOfHash({ type, rdata }: TestRrset): boolean {
  return type === 'NSEC3' || (type === 'RRSIG' && rdata[0]!.wire.readUInt16BE(0) === testTypes.NSEC3)
}

/** An RRset as a master file has it. */
export function masterLines({ owner, type, ttlSeconds, rdata }: TestRrset): string {
  return rdata.map(({ text }) => `${toText(owner)} ${ttlSeconds} IN ${type} ${text}\n`).join('')
}

function u16(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >>> 8, value & 0xff]))
}

export function a(last: number): TestRdata {
  return { text: `192.0.2.${last}`, wire: Buffer.of(192, 0, 2, last) }
}

export function aaaa(last: number): TestRdata {
  const wire = Buffer.from('20010db8000000000000000000000000', 'hex')
  wire[15] = last
  return { text: `2001:db8::${last.toString(16)}`, wire }
}

/** NS, CNAME, PTR, DNAME. */
export function target(name: Labels): TestRdata {
  return { text: toText(name), wire: toWire(name) }
}

export function mx(preference: number, name: Labels): TestRdata {
  return { text: `${preference} ${toText(name)}`, wire: Buffer.concat([u16(preference), toWire(name)]) }
}

export function srv(priority: number, name: Labels): TestRdata {
  return {
    text: `${priority} 5 443 ${toText(name)}`,
    wire: Buffer.concat([u16(priority, 5, 443), toWire(name)]),
  }
}

/** With priority 0 an alias, which has no parameters; else with one. */
export function https(priority: number, name: Labels): TestRdata {
  const head = Buffer.concat([u16(priority), toWire(name)])
  return priority === 0
    ? { text: `0 ${toText(name)}`, wire: head }
    : { text: `${priority} ${toText(name)} port=8443`, wire: Buffer.concat([head, u16(3, 2, 8443)]) }
}

/** @param parts octets of each string as latin1, at most 255 of them */
export function txt(...parts: readonly string[]): TestRdata {
  const text = parts.map(
    (part) =>
      `"${part.replace(/[^a-zA-Z0-9 ]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`)}"`,
  )
  const wire = parts.map((part) => Buffer.concat([Buffer.of(part.length), Buffer.from(part, 'latin1')]))
  return { text: text.join(' '), wire: Buffer.concat(wire) }
}

export function caa(value: string): TestRdata {
  return {
    text: `0 issue "${value}"`,
    wire: Buffer.concat([Buffer.of(0, 5), Buffer.from(`issue${value}`, 'latin1')]),
  }
}

export function ds(tag: number): TestRdata {
  const digest = Buffer.alloc(32, tag)
  return {
    text: `${tag} 13 2 ${digest.toString('hex')}`,
    wire: Buffer.concat([u16(tag), Buffer.of(13, 2), digest]),
  }
}

export function soa(mname: Labels, rname: Labels, minimumSeconds: number): TestRdata {
  const times = Buffer.alloc(20)
  for (const [index, value] of [1, 3600, 900, 604_800, minimumSeconds].entries())
    times.writeUInt32BE(value, 4 * index)
  return {
    text: `${toText(mname)} ${toText(rname)} 1 3600 900 604800 ${minimumSeconds}`,
    wire: Buffer.concat([toWire(mname), toWire(rname), times]),
  }
}
