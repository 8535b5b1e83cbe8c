import { isIPv4, isIPv6 } from 'node:net'

/** The four octets of a dotted quad, or null when the text is not one. No leading zeros, no short forms. */
export function parseIpv4(text: string): Uint8Array | null {
  if (!isIPv4(text)) return null
  return Uint8Array.from(text.split('.'), Number)
}

/** The sixteen octets of an IPv6 address (RFC 4291 section 2.2), or null. A zone index (`%eth0`) is refused. */
export function parseIpv6(text: string): Uint8Array | null {
  if (!isIPv6(text) || text.includes('%')) return null
  const [head = '', tail] = text.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const octets = new Uint8Array(16)
  octets.set(left, 0)
  octets.set(right, 16 - right.length)
  return octets
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >>> 8, value & 0xff]
  })
}

export function formatIpv4(octets: Uint8Array): string {
  return octets.join('.')
}

/** Canonical text of an IPv6 address: lower case, the longest run of zero groups as `::` (RFC 5952 section 4). */
export function formatIpv6(octets: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => (octets[2 * i]! << 8) | octets[2 * i + 1]!)
  if (isMapped(words)) return `::ffff:${formatIpv4(octets.subarray(12))}`
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && words[end] === 0) end++
    if (end - i > length) {
      start = i
      length = end - i
    }
  }
  const hex = (part: number[]) => part.map((word) => word.toString(16)).join(':')
  if (start < 0) return hex(words)
  return `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`
}

// RFC 5952 section 5: an address whose prefix says that it embeds IPv4 shows it as a dotted quad.
function isMapped(words: readonly number[]): boolean {
  return words[5] === 0xffff && words.slice(0, 5).every((word) => word === 0)
}

/** The octets of either family (4 or 16 of them), or null. */
export function parseAddress(text: string): Uint8Array | null {
  return parseIpv4(text) ?? parseIpv6(text)
}

/** Canonical text of an address, or null when the text is not one. */
export function canonicalAddress(text: string): string | null {
  const octets = parseAddress(text)
  if (octets === null) return null
  return octets.length === 4 ? formatIpv4(octets) : formatIpv6(octets)
}
