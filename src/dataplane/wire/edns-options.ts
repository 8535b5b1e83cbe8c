/**
 * The options of an OPT that we act on, read in place. An option that we don't know is skipped (RFC 6891 section
 * 6.1.2); one that we know and that is malformed makes the query malformed.
 */
import { u16 } from './bytes.ts'

export const optionCodes = {
  nsid: 3,
  clientSubnet: 8,
  cookie: 10,
  keepalive: 11,
  extendedError: 15,
} as const

/** A client cookie has 8 octets, a server cookie 8 to 32 more (RFC 7873 section 4). */
export const clientCookieLength = 8
/** Octets of a client subnet before its address: family, source prefix, scope (RFC 7871 section 6). */
export const subnetHead = 4

export class EdnsOptions {
  nsid = false
  keepalive = false
  /** Offset in the query of the cookie's octets; 0 for none. */
  cookieAt = 0
  cookieLength = 0
  /** Offset in the query of the client subnet's octets (family, source, scope, address); 0 for none. */
  subnetAt = 0
  subnetLength = 0

  clear(): void {
    this.nsid = false
    this.keepalive = false
    this.cookieAt = 0
    this.subnetAt = 0
  }

  /** Reads the options between two offsets. @returns false when they are malformed; then there are none. */
  load(packet: Uint8Array, at: number, end: number): boolean {
    if (this.#read(packet, at, end)) return true
    // What can't be trusted must not be echoed either.
    this.clear()
    return false
  }

  #read(packet: Uint8Array, at: number, end: number): boolean {
    while (at + 4 <= end) {
      const code = u16(packet, at)
      const length = u16(packet, at + 2)
      at += 4
      if (at + length > end || !this.#take(packet, code, at, length)) return false
      at += length
    }
    return at === end
  }

  #take(packet: Uint8Array, code: number, at: number, length: number): boolean {
    switch (code) {
      case optionCodes.nsid:
        this.nsid = true
        return true
      case optionCodes.keepalive:
        // A query carries no timeout (RFC 7828 section 3.2.1).
        this.keepalive = true
        return length === 0
      case optionCodes.cookie:
        this.cookieAt = at
        this.cookieLength = length
        return length === clientCookieLength || (length >= 16 && length <= 40)
      case optionCodes.clientSubnet:
        this.subnetAt = at
        this.subnetLength = length
        return isSubnet(packet, at, length)
      default:
        return true
    }
  }
}

/** RFC 7871 section 6: as many octets of address as the source prefix needs, the rest of the last one zero, scope 0. */
function isSubnet(packet: Uint8Array, at: number, length: number): boolean {
  if (length < subnetHead) return false
  const family = u16(packet, at)
  const source = packet[at + 2]!
  const scope = packet[at + 3]!
  // Family 0 with nothing in it is how a client says that it wants to be left out of this.
  const most = family === 1 ? 32 : family === 2 ? 128 : family === 0 ? 0 : -1
  if (source > most || scope !== 0 || length !== subnetHead + ((source + 7) >> 3)) return false
  const spare = (8 - (source & 7)) & 7
  return length === subnetHead || (packet[at + length - 1]! & ((1 << spare) - 1)) === 0
}
