/**
 * Whom an answer is for: the network of the client. That is the client subnet of the query when it names one, else the address that the
 * query came from (RFC 7871 section 7.2.1). Source prefix 0 names none: the client wants to be left out, and what is left is the
 * address of the resolver (section 7.1.2).
 *
 * An IPv4 client of an IPv6 socket comes as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) and counts as IPv4, as it does where its query
 * comes by an IPv4 socket.
 */

import { mix32 } from '../image/stable-key.ts'
import { isMappedIpv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import { type EdnsOptions, subnetHead } from '../wire/edns-options.ts'
import type { Client } from './client.ts'

/** What the hash of each family begins with, so that equal words of both hash apart. */
const seeds = { ipv4: 0x5be0_cd19, ipv6: 0x510e_527f } as const

export class ClientNetwork {
  ipv6 = false
  /** How many bits of the address are known; the others are 0. */
  bits = 0
  /** The address, as signed numbers, which V8 keeps without allocating. IPv4 has one word. */
  readonly words = new Int32Array(4)

  /** Takes over the client of a query, whose octets are `request`. */
  load(request: Uint8Array, options: EdnsOptions, client: Client): void {
    const { subnetAt } = options
    const source = subnetAt > 0 ? request[subnetAt + 2]! : 0
    if (source > 0) {
      this.ipv6 = u16(request, subnetAt) === 2
      this.bits = source
      this.#take(request, subnetAt + subnetHead, options.subnetLength - subnetHead)
      return
    }
    // The octets are valid once the length was read.
    const { length, octets } = client
    const mapped = length === 16 && isMappedIpv4(octets)
    this.ipv6 = length === 16 && !mapped
    this.bits = this.ipv6 ? 128 : 32
    this.#take(octets, mapped ? 12 : 0, mapped ? 4 : length)
  }

  #take(octets: Uint8Array, at: number, length: number): void {
    const { words } = this
    words.fill(0)
    for (let i = 0; i < length; i++) words[i >> 2]! |= octets[at + i]! << (24 - 8 * (i & 3))
  }

  /** A hash of the first bits of the address, or of those that are known if they are fewer; a signed number of 32 bits. */
  hash(prefix: number): number {
    const bits = Math.min(prefix, this.bits)
    const count = this.ipv6 ? 4 : 1
    let hash: number = this.ipv6 ? seeds.ipv6 : seeds.ipv4
    for (let i = 0; i < count; i++) {
      const kept = bits - 32 * i
      const mask = kept >= 32 ? -1 : kept <= 0 ? 0 : -1 << (32 - kept)
      hash = mix32(((hash ^ (this.words[i]! & mask)) + 0x9e37_79b9) | 0)
    }
    return hash
  }
}
