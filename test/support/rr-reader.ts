/** RRs of a message as octets, read without the server's own code and without dns-packet, which doesn't know all types. */
export interface Rr {
  /** In presentation form with its final dot; octets beyond letters, digits and hyphens are kept as they are. */
  readonly owner: string
  readonly type: number
  readonly ttlSeconds: number
  /** With its names written out. */
  readonly rdata: Buffer
}

/** Octets before the names of the types whose names may be compressed (RFC 3597 section 4), and how many names. */
const compressed: Readonly<Record<number, readonly [before: number, names: number]>> = {
  2: [0, 1],
  5: [0, 1],
  6: [0, 2],
  7: [0, 1],
  8: [0, 1],
  9: [0, 1],
  12: [0, 1],
  14: [0, 2],
  15: [2, 1],
}

/** Every RR of all three sections, in order. */
export function readRrs(message: Buffer): Rr[] {
  let at = 12
  for (let i = 0; i < message.readUInt16BE(4); i++) at = nameEnd(message, at) + 4
  const count = [6, 8, 10].reduce((sum, field) => sum + message.readUInt16BE(field), 0)
  return Array.from({ length: count }, () => {
    const head = nameEnd(message, at)
    const end = head + 10 + message.readUInt16BE(head + 8)
    const type = message.readUInt16BE(head)
    const rr = {
      owner: nameText(expandName(message, at)),
      type,
      ttlSeconds: message.readUInt32BE(head + 4),
      rdata: withoutPointers(message, type, head + 10, end),
    }
    at = end
    return rr
  })
}

function withoutPointers(message: Buffer, type: number, from: number, to: number): Buffer {
  const [before, names] = compressed[type] ?? [0, 0]
  const parts = [message.subarray(from, from + before)]
  let at = from + before
  for (let i = 0; i < names; i++) {
    parts.push(expandName(message, at))
    at = nameEnd(message, at)
  }
  return Buffer.concat([...parts, message.subarray(at, to)])
}

function expandName(message: Buffer, from: number): Buffer {
  const labels: Buffer[] = []
  let at = from
  while (message[at] !== 0) {
    if (message[at]! >= 0xc0) {
      at = message.readUInt16BE(at) & 0x3fff
      continue
    }
    labels.push(message.subarray(at, at + message[at]! + 1))
    at += message[at]! + 1
  }
  return Buffer.concat([...labels, Buffer.of(0)])
}

function nameText(name: Buffer): string {
  let text = ''
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) {
    text += `${name.toString('latin1', at + 1, at + 1 + name[at]!)}.`
  }
  return text === '' ? '.' : text
}

function nameEnd(message: Buffer, from: number): number {
  let at = from
  while (message[at] !== 0) {
    if (message[at]! >= 0xc0) return at + 2
    at += message[at]! + 1
  }
  return at + 1
}
