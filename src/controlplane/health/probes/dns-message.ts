import { sameBytes } from '../../../dataplane/wire/bytes.ts'
import { classes, ednsPayload, headerLength, types } from '../../../dataplane/wire/constants.ts'
import { lowerName, maxLabelLength, maxNameLength } from '../../../dataplane/wire/name.ts'
import { nameFields } from '../../../dataplane/wire/rdata.ts'

/**
 * DNS from the client's side: writes a query, reads what answers it (RFC 1035 section 4.1, RFC 6891).
 *
 *   message  = id flags qdcount ancount nscount arcount (2 octets each) *question *rr
 *   question = name type class
 *   rr       = name type class ttl (4 octets) rdlength rdata
 *
 * RDATA is read as octets with its names written out and in lower case, for comparison by octets: dns-packet knows some
 * types only, and gives their content back in forms of its own.
 */

export interface DnsQuestion {
  /** In wire form. */
  readonly name: Uint8Array
  readonly type: number
}

export interface DnsAnswer {
  /** Over UDP: there is more, and what is here is not read. */
  readonly truncated: boolean
  /** With the upper bits from the OPT. */
  readonly rcode: number
  /** RDATA of the answer section's RRs of the type that was asked, as `comparableRdata` has it. */
  readonly data: readonly Uint8Array[]
}

/** An RR as it stands in a message, the names in its RDATA written out. */
export interface DnsRecord {
  /** In wire form. */
  readonly owner: Uint8Array
  readonly type: number
  readonly ttlSeconds: number
  readonly rdata: Uint8Array
}

const flagBits = { response: 0x8000, truncated: 0x0200, recursionDesired: 0x0100 } as const

/** Octets of an RR between its owner and its RDATA. */
const fixedLength = 10

/**
 * Octets before the names of RDATA that may be compressed, and how many names: the types of RFC 1035, and those of RFC 3597
 * section 4 that must be understood so all the same.
 */
const compressed: Readonly<Record<number, readonly [before: number, names: number]>> = {
  2: [0, 1], // NS
  5: [0, 1], // CNAME
  6: [0, 2], // SOA
  7: [0, 1], // MB
  8: [0, 1], // MG
  9: [0, 1], // MR
  12: [0, 1], // PTR
  14: [0, 2], // MINFO
  15: [2, 1], // MX
  17: [0, 2], // RP
  18: [2, 1], // AFSDB
  21: [2, 1], // RT
  26: [2, 2], // PX
  33: [6, 1], // SRV
  36: [2, 1], // KX
  39: [0, 1], // DNAME
}

/** A query as dig sends it: recursion desired, an OPT. */
export function encodeDnsQuery(id: number, { name, type }: DnsQuestion): Buffer {
  const head = Buffer.alloc(headerLength)
  head.writeUInt16BE(id, 0)
  head.writeUInt16BE(flagBits.recursionDesired, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(1, 10)
  const tail = Buffer.alloc(4 + 11)
  tail.writeUInt16BE(type, 0)
  tail.writeUInt16BE(classes.in, 2)
  tail.writeUInt16BE(types.opt, 5)
  tail.writeUInt16BE(ednsPayload, 7)
  return Buffer.concat([head, name, tail])
}

/**
 * Reads a message that should answer a question.
 *
 * @param stream the message came whole: its TC bit means nothing
 * @returns the answer, or why the message is none, such as `answers another question`
 */
export function readDnsAnswer(
  octets: Uint8Array,
  id: number,
  question: DnsQuestion,
  stream: boolean,
): DnsAnswer | string {
  const message = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  if (message.length < headerLength) return 'is no DNS message'
  if (message.readUInt16BE(0) !== id) return 'has another id'
  const flags = message.readUInt16BE(2)
  if ((flags & flagBits.response) === 0) return 'is a query'
  try {
    return read(message, flags, question, stream)
  } catch (error) {
    // Beside ours, TextError of RDATA that is none.
    return error instanceof Error ? `is malformed: ${error.message}` : 'is malformed'
  }
}

/** @throws Error on malformed octets */
function read(message: Buffer, flags: number, question: DnsQuestion, stream: boolean): DnsAnswer | string {
  let rcode = flags & 0xf
  const questions = message.readUInt16BE(4)
  const answers = message.readUInt16BE(6)
  // A server that could not read the question says so without it.
  if (questions === 0 && rcode === 0) return 'has no question'
  if (questions > 1) return 'has several questions'
  let at = headerLength
  if (questions === 1) {
    const name = readName(message, at)
    within(message, name.next + 4)
    const same =
      sameBytes(lowerName(name.name), lowerName(question.name)) &&
      message.readUInt16BE(name.next) === question.type &&
      message.readUInt16BE(name.next + 2) === classes.in
    if (!same) return 'answers another question'
    at = name.next + 4
  }
  if (!stream && (flags & flagBits.truncated) !== 0) return { truncated: true, rcode, data: [] }
  const count = answers + message.readUInt16BE(8) + message.readUInt16BE(10)
  const data: Uint8Array[] = []
  for (let index = 0; index < count; index++) {
    const fixed = nameEnd(message, at)
    within(message, fixed + fixedLength)
    const type = message.readUInt16BE(fixed)
    const from = fixed + fixedLength
    at = from + message.readUInt16BE(fixed + 8)
    within(message, at)
    if (type === types.opt) rcode |= message[fixed + 4]! << 4
    const wanted = index < answers && type === question.type && message.readUInt16BE(fixed + 2) === classes.in
    if (wanted) data.push(comparableRdata(type, writtenOut(message, type, from, at)))
  }
  return { truncated: false, rcode, data }
}

/**
 * The RRs of a response's answer and authority sections, in their order.
 *
 * @throws Error on malformed octets
 */
export function readDnsSections(octets: Uint8Array): {
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
} {
  const message = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  within(message, headerLength)
  let at = headerLength
  for (let questions = message.readUInt16BE(4); questions > 0; questions--) at = nameEnd(message, at) + 4
  const section = (count: number) =>
    Array.from({ length: count }, (): DnsRecord => {
      const { name: owner, next } = readName(message, at)
      const from = next + fixedLength
      within(message, from)
      const type = message.readUInt16BE(next)
      at = from + message.readUInt16BE(next + 8)
      within(message, at)
      const rdata = writtenOut(message, type, from, at)
      return { owner, type, ttlSeconds: message.readUInt32BE(next + 4), rdata }
    })
  const answers = section(message.readUInt16BE(6))
  return { answers, authorities: section(message.readUInt16BE(8)) }
}

/**
 * RDATA with its names in lower case: octets that are the same for the same data (RFC 4034 section 6.2).
 *
 * @throws TextError when the octets are not RDATA of the type
 */
export function comparableRdata(type: number, rdata: Uint8Array): Uint8Array {
  const lowered = Uint8Array.from(rdata)
  for (const { offset, length } of nameFields(type, rdata)) {
    lowered.set(lowerName(rdata.subarray(offset, offset + length)), offset)
  }
  return lowered
}

function writtenOut(message: Buffer, type: number, from: number, to: number): Uint8Array {
  const [before, names] = compressed[type] ?? [0, 0]
  within(message, from + before)
  const parts: Uint8Array[] = [message.subarray(from, from + before)]
  let at = from + before
  for (let i = 0; i < names; i++) {
    const { name, next } = readName(message, at)
    parts.push(name)
    at = next
  }
  if (at > to) throw new Error('a name leaves its RDATA')
  return Buffer.concat([...parts, message.subarray(at, to)])
}

/** Bounds the time of a message full of names; a name of so many labels could not use more. */
const mostPointers = 127

/** The name at an offset, with its pointers followed. */
function readName(message: Buffer, from: number): { readonly name: Uint8Array; readonly next: number } {
  const labels: Uint8Array[] = []
  let length = 0
  let at = from
  let next = -1
  let pointers = 0
  for (;;) {
    within(message, at + 1)
    const label = message[at]!
    if (label >= 0xc0) {
      within(message, at + 2)
      if (next < 0) next = at + 2
      if (++pointers > mostPointers) throw new Error('its pointers do not end')
      at = message.readUInt16BE(at) & 0x3fff
      continue
    }
    if (label > maxLabelLength) throw new Error('a label is of no known kind')
    within(message, at + 1 + label)
    length += label + 1
    if (length > maxNameLength) throw new Error('a name is too long')
    labels.push(message.subarray(at, at + 1 + label))
    at += 1 + label
    if (label === 0) return { name: Buffer.concat(labels), next: next < 0 ? at : next }
  }
}

function nameEnd(message: Buffer, from: number): number {
  for (let at = from; ; at += message[at]! + 1) {
    within(message, at + 1)
    if (message[at]! >= 0xc0) return at + 2
    if (message[at]! > maxLabelLength) throw new Error('a label is of no known kind')
    if (message[at] === 0) return at + 1
  }
}

function within(message: Buffer, end: number): void {
  if (end > message.length) throw new Error('it breaks off')
}
