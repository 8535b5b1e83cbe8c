/**
 * The two messages of grpc.health.v1 and the frame that gRPC puts them in, by hand: that is less than any library for it.
 *
 *   message HealthCheckRequest { string service = 1; }
 *   message HealthCheckResponse { ServingStatus status = 1; }
 *   enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
 *
 *   frame   = compressed (1 octet, 0 or 1) length (4 octets, big-endian) message
 *   message = *( key value )                    key = varint of (field << 3 | wire type)
 *   value   = varint (wire type 0) / 8 octets (1) / varint length, octets (2) / 4 octets (5)
 *   varint  = *9( octet with the top bit ) octet; seven bits each, the least significant first
 *
 * A field that is absent is 0 or empty; of one that is repeated the last counts; one that isn't known is skipped.
 */

/** Octets of a frame before its message. */
export const frameHead = 5

/** A framed HealthCheckRequest; an empty service asks for the server as a whole, and is left out. */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a, ...varint(name.length)), name])
  const head = Buffer.alloc(frameHead)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** The status in a framed HealthCheckResponse; null when the octets are not one whole frame with that message, uncompressed. */
export function decodeHealthResponse(frame: Uint8Array): number | null {
  const octets = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  if (octets.length < frameHead || octets[0] !== 0) return null
  if (octets.readUInt32BE(1) !== octets.length - frameHead) return null
  let status = 0
  let at = frameHead
  while (at < octets.length) {
    const key = readVarint(octets, at)
    if (key === null) return null
    at = key.next
    const field = Math.floor(key.value / 8)
    const wireType = key.value % 8
    if (field === 0) return null
    if (wireType === 0) {
      const read = readVarint(octets, at)
      if (read === null) return null
      if (field === 1) status = read.value
      at = read.next
      continue
    }
    // Status in another wire type is another message.
    const length = field === 1 ? null : valueLength(octets, at, wireType)
    if (length === null || at + length > octets.length) return null
    at += length
  }
  return status
}

/** Octets of a value that is skipped, those that say its length included. */
function valueLength(octets: Buffer, at: number, wireType: number): number | null {
  switch (wireType) {
    case 1:
      return 8
    case 5:
      return 4
    case 2: {
      const read = readVarint(octets, at)
      return read === null ? null : read.next - at + read.value
    }
    default:
      return null
  }
}

function varint(value: number): number[] {
  const octets: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) octets.push((rest % 0x80) | 0x80)
  return [...octets, rest]
}

/** Ten octets at the most; above 2^53 the value is not exact, and nothing of ours is that large. */
function readVarint(octets: Buffer, from: number): { readonly value: number; readonly next: number } | null {
  let value = 0
  for (let at = from; at < octets.length && at < from + 10; at++) {
    value += (octets[at]! & 0x7f) * 2 ** (7 * (at - from))
    if (octets[at]! < 0x80) return { value, next: at + 1 }
  }
  return null
}
