/** A response taken apart into what can be compared between servers: order and compression are gone, and case in names. */
import { fold, type Labels, toText, toWire } from './names.ts'
import { testTypes } from './rdata.ts'

export interface View {
  readonly rcode: number
  readonly aa: boolean
  readonly tc: boolean
  /** Each RR as `owner ttl type rdata`, sorted. */
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  /** Without the OPT. */
  readonly additional: readonly string[]
  readonly opt: boolean
  /** The flags that ought to be clear (RA, Z, AD, CD). */
  readonly otherFlags: number
  readonly octets: number
}

const optType = 41
/** Where the names stand in the RDATA of the types that the grammar makes: octets before, how many. */
const namesAt: Readonly<Record<number, readonly [number, number]>> = {
  [testTypes.NS]: [0, 1],
  [testTypes.CNAME]: [0, 1],
  [testTypes.PTR]: [0, 1],
  [testTypes.DNAME]: [0, 1],
  [testTypes.MX]: [2, 1],
  [testTypes.SRV]: [6, 1],
  [testTypes.HTTPS]: [2, 1],
  [testTypes.SOA]: [0, 2],
}

/**
 * @param query of one question, with an uncompressed name
 * @throws when the octets are no well-formed response to the query
 */
export function viewResponse(message: Buffer, query: Buffer): View {
  const bits = message.readUInt16BE(2)
  if ((bits & 0xf900) !== 0x8100) throw new Error('not a response to a query with RD')
  let at = readName(query, 12).end + 4
  if (message.readUInt16BE(4) !== 1 || !message.subarray(12, at).equals(query.subarray(12, at)))
    throw new Error('the question is another one')
  let opt = false
  const section = (count: number): string[] => {
    const rrs: string[] = []
    for (let i = 0; i < count; i++) {
      const rr = readRr(message, at)
      at = rr.end
      if (rr.type === optType) opt = true
      else rrs.push(rr.text)
    }
    return rrs.sort()
  }
  const answer = section(message.readUInt16BE(6))
  const authority = section(message.readUInt16BE(8))
  const additional = section(message.readUInt16BE(10))
  if (at !== message.length) throw new Error(`${message.length - at} octets are left over`)
  return {
    rcode: bits & 0xf,
    aa: (bits & 0x0400) !== 0,
    tc: (bits & 0x0200) !== 0,
    answer,
    authority,
    additional,
    opt,
    otherFlags: bits & 0x00f0,
    octets: message.length,
  }
}

/** Key of the RRset that an RR of a view is part of, its TTL included. */
export function rrsetOf(rr: string): string {
  return rr.slice(0, rr.lastIndexOf(' '))
}

/** The text of an RR in a view. */
export function rrText(owner: Labels, ttlSeconds: number, type: number, rdata: Buffer): string {
  return `${toText(fold(owner))} ${ttlSeconds} ${type} ${foldRdata(type, rdata, 0, rdata.length)}`
}

function readRr(message: Buffer, at: number): { text: string; type: number; end: number } {
  const owner = readName(message, at)
  const type = message.readUInt16BE(owner.end)
  const ttlSeconds = message.readUInt32BE(owner.end + 4)
  const from = owner.end + 10
  const end = from + message.readUInt16BE(from - 2)
  if (end > message.length) throw new Error('RDATA runs over the end')
  if (type === optType) return { text: '', type, end }
  const text = `${toText(fold(owner.name))} ${ttlSeconds} ${type} ${foldRdata(type, message, from, end)}`
  return { text, type, end }
}

function foldRdata(type: number, message: Buffer, from: number, end: number): string {
  const [before, names] = namesAt[type] ?? [end - from, 0]
  const parts: Buffer[] = [message.subarray(from, from + before)]
  let at = from + before
  for (let i = 0; i < names; i++) {
    const { name, end: nameEnd } = readName(message, at)
    parts.push(toWire(fold(name)))
    at = nameEnd
  }
  parts.push(message.subarray(at, end))
  return Buffer.concat(parts).toString('hex')
}

function readName(message: Buffer, start: number): { name: Labels; end: number } {
  const name: string[] = []
  let at = start
  let end = -1
  for (;;) {
    const length = message.readUInt8(at)
    if (length >= 0xc0) {
      const to = message.readUInt16BE(at) & 0x3fff
      if (to >= at) throw new Error('a compression pointer leads forward')
      if (end < 0) end = at + 2
      at = to
      continue
    }
    if (length > 63) throw new Error('a label has an unknown kind')
    at++
    if (length === 0) break
    if (at + length > message.length) throw new Error('a name runs over the end')
    name.push(message.toString('latin1', at, at + length))
    at += length
  }
  return { name, end: end < 0 ? at : end }
}
