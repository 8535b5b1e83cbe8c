/**
 * DNS from the client's side: writes a query, reads what answers it (RFC 1035 section 4.1, RFC 6891).
 *
 *   message  = id flags qdcount ancount nscount arcount (2 octets each) *question *rr
 *   question = name type class
 *   rr       = name type class ttl (4 octets) rdlength rdata
 *
 * ## How a message is read
 * A message is laid out first: where each RR stands, without a look at its names but for where they end. Then only the RRs
 * that are wanted are read, so what is wrong with the others harms nobody. RDATA is read as octets with its names written out:
 * dns-packet knows some types only, and gives their content back in forms of its own.
 *
 * ## Bounds
 * What comes may be hostile. Laying out takes one step an RR or label, and there are no more of them than octets,
 * whatever the counts say. A name has 255 octets and 127 pointers at the most.
 */
import {
  classes,
  ednsPayload,
  headerLength,
  maxPointer,
  pointerBits,
  rrFixedLength,
  types,
} from '../../dataplane/wire/constants.ts'
import { lowerName, maxLabelLength, maxNameLength } from '../../dataplane/wire/name.ts'
import { nameFields } from '../../dataplane/wire/rdata.ts'

export interface DnsQuestion {
  /** A name in wire form. */
  readonly name: Uint8Array
  readonly type: number
}

export interface DnsAnswer {
  /** Over UDP: there is more, and what is here is not read. */
  readonly truncated: boolean
  /** All of its bits, the upper ones from the OPT. */
  readonly rcode: number
  /** RDATA of the answer section's RRs of the type that was asked, as `comparableRdata` has it. */
  readonly data: readonly Uint8Array[]
}

/** An RR as it stands in a message, the names in its RDATA written out. */
export interface DnsRecord {
  /** A name in wire form. */
  readonly owner: Uint8Array
  readonly type: number
  readonly ttlSeconds: number
  readonly rdata: Uint8Array
}

/** Where an RR stands in its message. */
interface Placed {
  readonly ownerAt: number
  readonly type: number
  readonly class: number
  readonly ttlSeconds: number
  /** Where its RDATA begins and ends. */
  readonly from: number
  readonly to: number
}

const flagBits = { response: 0x8000, truncated: 0x0200, recursionDesired: 0x0100 } as const

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

/** Writes a query as dig sends it: recursion desired, an OPT. */
export function encodeQuery(id: number, { name, type }: DnsQuestion): Buffer {
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
export function decodeAnswer(
  octets: Uint8Array,
  id: number,
  question: DnsQuestion,
  stream: boolean,
): DnsAnswer | string {
  const message = bufferOf(octets)
  if (message.length < headerLength) return 'is no DNS message'
  if (message.readUInt16BE(0) !== id) return 'has another id'
  const flags = message.readUInt16BE(2)
  if ((flags & flagBits.response) === 0) return 'is a query'
  try {
    const complaint = mismatch(message, flags & 0xf, question)
    if (complaint !== null) return complaint
    const truncated = !stream && (flags & flagBits.truncated) !== 0
    return truncated ? { truncated, rcode: flags & 0xf, data: [] } : answerIn(message, flags & 0xf, question)
  } catch (error) {
    // Beside ours, TextError of RDATA that is none.
    return error instanceof Error ? `is malformed: ${error.message}` : 'is malformed'
  }
}

/** Why a message does not speak of a question; null when it does. */
function mismatch(message: Buffer, rcode: number, question: DnsQuestion): string | null {
  const questions = message.readUInt16BE(4)
  // A server that could not read the question says so without it.
  if (questions === 0) return rcode === 0 ? 'has no question' : null
  if (questions > 1) return 'has several questions'
  const { name, next } = readName(message, headerLength)
  within(message, next + 4)
  const same =
    Buffer.compare(lowerName(name), lowerName(question.name)) === 0 &&
    message.readUInt16BE(next) === question.type &&
    message.readUInt16BE(next + 2) === classes.in
  return same ? null : 'answers another question'
}

function answerIn(message: Buffer, headerRcode: number, { type }: DnsQuestion): DnsAnswer {
  const { answers, authorities, additionals } = layOut(message)
  const opt = [...answers, ...authorities, ...additionals].find((record) => record.type === types.opt)
  // The upper bits of the rcode are the first octet where other RRs have their TTL (RFC 6891 section 6.1.3).
  const rcode = headerRcode | ((opt === undefined ? 0 : opt.ttlSeconds >>> 24) << 4)
  const wanted = answers.filter((record) => record.type === type && record.class === classes.in)
  return {
    truncated: false,
    rcode,
    data: wanted.map((record) => comparableRdata(type, writtenOut(message, record))),
  }
}

/**
 * Reads the RRs of a response's answer and authority sections, in their order.
 *
 * @throws Error on malformed octets
 */
export function decodeSections(octets: Uint8Array): {
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
} {
  const message = bufferOf(octets)
  within(message, headerLength)
  const { answers, authorities } = layOut(message)
  const read = (placed: Placed): DnsRecord => ({
    owner: readName(message, placed.ownerAt).name,
    type: placed.type,
    ttlSeconds: placed.ttlSeconds,
    rdata: writtenOut(message, placed),
  })
  return { answers: answers.map(read), authorities: authorities.map(read) }
}

/** Where the RRs of each section are. @throws Error on malformed octets */
function layOut(message: Buffer): Readonly<Record<'answers' | 'authorities' | 'additionals', Placed[]>> {
  let at = headerLength
  for (let left = message.readUInt16BE(4); left > 0; left--) at = nameEnd(message, at) + 4
  const section = (count: number): Placed[] => {
    const records: Placed[] = []
    for (let left = count; left > 0; left--) {
      const ownerAt = at
      const fixed = nameEnd(message, ownerAt)
      const from = fixed + rrFixedLength
      within(message, from)
      at = from + message.readUInt16BE(fixed + 8)
      within(message, at)
      records.push({
        ownerAt,
        type: message.readUInt16BE(fixed),
        class: message.readUInt16BE(fixed + 2),
        ttlSeconds: message.readUInt32BE(fixed + 4),
        from,
        to: at,
      })
    }
    return records
  }
  const answers = section(message.readUInt16BE(6))
  const authorities = section(message.readUInt16BE(8))
  return { answers, authorities, additionals: section(message.readUInt16BE(10)) }
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

/** RDATA with its names written out. */
function writtenOut(message: Buffer, { type, from, to }: Placed): Uint8Array {
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
/** The name that is being read. One at a time, so that a message full of long names costs a copy each and no more. */
const scratch = new Uint8Array(maxNameLength)

/** The name at an offset, with its pointers followed. */
function readName(message: Buffer, from: number): { readonly name: Uint8Array; readonly next: number } {
  let length = 0
  let at = from
  let next = -1
  let pointers = 0
  for (;;) {
    within(message, at + 1)
    const label = message[at]!
    if (label >= pointerBits) {
      within(message, at + 2)
      if (next < 0) next = at + 2
      if (++pointers > mostPointers) throw new Error('its pointers do not end')
      at = message.readUInt16BE(at) & maxPointer
      continue
    }
    const end = at + 1 + label
    if (label > maxLabelLength) throw new Error('a label is of no known kind')
    within(message, end)
    if (length + 1 + label > maxNameLength) throw new Error('a name is too long')
    while (at < end) scratch[length++] = message[at++]!
    if (label === 0) return { name: scratch.slice(0, length), next: next < 0 ? at : next }
  }
}

function nameEnd(message: Buffer, from: number): number {
  for (let at = from; ; at += message[at]! + 1) {
    within(message, at + 1)
    if (message[at]! >= pointerBits) return at + 2
    if (message[at]! > maxLabelLength) throw new Error('a label is of no known kind')
    if (message[at] === 0) return at + 1
  }
}

function bufferOf(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
}

function within(message: Buffer, end: number): void {
  if (end > message.length) throw new Error('it breaks off')
}
