/**
 * Queries for the log, out of the frames of dnstap that workers leave for it (`dataplane/answer/tap.ts`). Of the address of a client no more
 * goes on from here than is kept.
 */
import { formatIpv4, formatIpv6 } from '../../dataplane/wire/address.ts'
import { headerLength, rcodeName, types } from '../../dataplane/wire/constants.ts'
import { formatName, lowerName, maxLabelLength } from '../../dataplane/wire/name.ts'
import { queriedTypeName } from '../../dataplane/wire/rdata.ts'
import type { AnsweredBy, KeptBits, LoggedQuery } from '../model/logged-query.ts'

/** Fields of `dnstap.proto`. */
const ofFrame = { extra: 3, message: 14 } as const
const ofMessage = {
  protocol: 3,
  client: 4,
  seconds: 12,
  nanoseconds: 13,
  response: 14,
} as const
const tcp = 2

/**
 * The queries of frames that lie behind one another, as `Fleet.queries` hands them out.
 *
 * @param kept bits of clients' addresses
 * @throws RangeError or TypeError for what is no frame: a defect, which costs what was handed out with it
 */
export function readFrames(frames: Uint8Array, kept: KeptBits): LoggedQuery[] {
  const octets = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength)
  const queries: LoggedQuery[] = []
  for (let at = 0; at < octets.length; ) {
    const end = at + 4 + octets.readUInt32BE(at)
    queries.push(readFrame(octets.subarray(at + 4, end), kept))
    at = end
  }
  return queries
}

function readFrame(octets: Buffer, kept: KeptBits): LoggedQuery {
  const frame = fieldsOf(octets)
  const message = fieldsOf(frame.get(ofFrame.message) as Buffer)
  const response = message.get(ofMessage.response) as Buffer
  const ms = Number(message.get(ofMessage.nanoseconds)) / 1_000_000
  return {
    at: new Date(1000 * Number(message.get(ofMessage.seconds)) + Math.floor(ms)),
    client: networkOf(message.get(ofMessage.client) as Buffer, kept),
    transport: message.get(ofMessage.protocol) === tcp ? 'tcp' : 'udp',
    ...readResponse(response),
    octets: response.length,
    answered: answeredIn(frame.get(ofFrame.extra)),
  }
}

/** Of a message of Protocol Buffers: varints, 32 bits, and what has a length. */
function fieldsOf(octets: Buffer): ReadonlyMap<number, number | Buffer> {
  const fields = new Map<number, number | Buffer>()
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const octet = octets.readUInt8(at++)
      value += (octet & 0x7f) * scale
      if (octet < 0x80) return value
    }
  }
  while (at < octets.length) {
    const tag = varint()
    const wireType = tag & 7
    if (wireType === 0) fields.set(tag >>> 3, varint())
    else {
      const length = wireType === 5 ? 4 : varint()
      if (at + length > octets.length) throw new RangeError('a frame ends amid a field')
      const value = octets.subarray(at, at + length)
      fields.set(tag >>> 3, wireType === 5 ? value.readUInt32LE() : value)
      at += length
    }
  }
  return fields
}

function networkOf(address: Buffer, kept: KeptBits): string {
  const bits = address.length === 4 ? kept.ipv4 : kept.ipv6
  const network = Uint8Array.from(address, (octet, nth) => {
    const left = bits - 8 * nth
    return left >= 8 ? octet : left <= 0 ? 0 : octet & (0xff << (8 - left))
  })
  const text = network.length === 4 ? formatIpv4(network) : formatIpv6(network)
  return bits === 8 * network.length ? text : `${text}/${bits}`
}

/** What of a response of ours is kept: the question, where it has one, and the rcode (RFC 1035 section 4.1, RFC 6891 section 6.1.3). */
function readResponse(response: Buffer): Pick<LoggedQuery, 'name' | 'type' | 'rcode'> {
  let rcode = response[3]! & 0x0f
  const asked = response.readUInt16BE(4) === 1 ? questionOf(response) : null
  const opt = asked?.end ?? headerLength
  // Only where nothing is answered there is an rcode that needs the OPT; that stands behind the question then.
  const isEmpty = response.readUInt32BE(6) === 0 && response.readUInt16BE(10) > 0
  if (isEmpty && response[opt] === 0 && response.readUInt16BE(opt + 1) === types.opt)
    rcode |= response[opt + 5]! << 4
  return { name: asked?.name ?? null, type: asked?.type ?? null, rcode: rcodeName(rcode) }
}

function questionOf(response: Buffer): { name: string; type: string; end: number } {
  let end = headerLength
  for (let length = response.readUInt8(end); length !== 0; length = response.readUInt8(end)) {
    if (length > maxLabelLength) throw new RangeError('a question has a label that is none')
    end += length + 1
  }
  const name = formatName(lowerName(response.subarray(headerLength, end + 1)))
  const type = queriedTypeName(response.readUInt16BE(end + 1))
  return { name: name === '.' ? name : name.slice(0, -1), type, end: end + 5 }
}

/** The labels that `daemon/data-plane.ts` gives members. */
function answeredIn(extra: number | Buffer | undefined): AnsweredBy[] {
  if (extra === undefined) return []
  const labels = String(extra).matchAll(/service=(\S+) pool=(\S+) member=(\S+?)(?:; (?=service=)|$)/g)
  return Array.from(labels, ([, service, pool, member]) => ({
    service: service!,
    pool: pool!,
    member: member!,
  }))
}
