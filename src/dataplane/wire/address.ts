import { isIPv4, isIPv6 } from 'node:net'
import { u16 } from './bytes.ts'

/** The four octets of a dotted quad, or null when the text is not one. No leading zeros, no short forms. */
export function parseIpv4(text: string): Uint8Array | null {
  if (!isIPv4(text)) return null
  const octets = new Uint8Array(4)
  readPeerIpv4(text, 0, octets, 0)
  return octets
}

/** The sixteen octets of an IPv6 address (RFC 4291 section 2.2), or null. A zone index (`%eth0`) is refused. */
export function parseIpv6(text: string): Uint8Array | null {
  if (!isIPv6(text) || text.includes('%')) return null
  const octets = new Uint8Array(16)
  readPeerIpv6(text, octets)
  return octets
}

export function formatIpv4(octets: Uint8Array): string {
  return octets.join('.')
}

/** Canonical text of an IPv6 address: lower case, the longest run of zero groups as `::` (RFC 5952 section 4). */
export function formatIpv6(octets: Uint8Array): string {
  // Section 5: an address whose prefix says that it embeds IPv4 shows it as a dotted quad.
  if (isMappedIpv4(octets)) return `::ffff:${formatIpv4(octets.subarray(12))}`
  const words = Array.from({ length: 8 }, (_, i) => u16(octets, 2 * i))
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

/** Whether the sixteen octets are an IPv4 address in the form of IPv6 (RFC 4291 section 2.5.5.2); false for fewer. */
export function isMappedIpv4(octets: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (octets[i] !== 0) return false
  return octets.length === 16 && octets[10] === 0xff && octets[11] === 0xff
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

/**
 * Reads an address in the form in which the system gives a peer's, without allocating. Not for text from people: what is
 * malformed gives some octets or other.
 *
 * @param out receives 4 or 16 octets
 * @returns how many
 */
export function readPeerAddress(text: string, ipv6: boolean, out: Uint8Array): 4 | 16 {
  return ipv6 ? readPeerIpv6(text, out) : readPeerIpv4(text, 0, out, 0)
}

function readPeerIpv4(text: string, from: number, out: Uint8Array, at: number): 4 {
  let octet = 0
  let index = at
  for (let i = from; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (char === 0x2e) {
      out[index++] = octet
      octet = 0
    } else octet = octet * 10 + char - 0x30
  }
  out[index] = octet
  return 4
}

function readPeerIpv6(text: string, out: Uint8Array): 16 {
  let at = 0
  let gap = -1
  let group = 0
  let digits = 0
  let groupStart = 0
  out.fill(0, 0, 16)
  for (let i = 0; i <= text.length; i++) {
    const char = i < text.length ? text.charCodeAt(i) : 0x25
    if (char === 0x2e) {
      // The rest is a dotted quad, as in ::ffff:192.0.2.1.
      readPeerIpv4(text, groupStart, out, at)
      at += 4
      break
    }
    if (char !== 0x3a && char !== 0x25) {
      group = (group << 4) | hexDigit(char)
      digits++
      continue
    }
    if (digits > 0) {
      out[at++] = group >>> 8
      out[at++] = group & 0xff
    } else if (char === 0x3a && i > 0) gap = at
    group = 0
    digits = 0
    groupStart = i + 1
    // A zone index follows, or the end.
    if (char === 0x25) break
  }
  if (gap >= 0) {
    out.copyWithin(16 - (at - gap), gap, at)
    out.fill(0, gap, 16 - (at - gap))
  }
  return 16
}

function hexDigit(char: number): number {
  return char <= 0x39 ? char - 0x30 : (char | 0x20) - 0x57
}
