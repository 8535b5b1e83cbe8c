/**
 * Interoperable DNS server cookies (RFC 9018 section 4): version 1, three octets reserved, a timestamp, and SipHash-2-4 over the
 * client's cookie, those eight octets and the client's address. A client that sends ours back has the address that it
 * says it has.
 */
import { u16 } from '../wire/bytes.ts'
import { clientCookieLength } from '../wire/edns-options.ts'
import { sipHash24 } from '../wire/siphash.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Client } from './client.ts'

/** Client's and server's together, as we send them. */
export const cookieLength = 24
const stampLength = 8
const cookieVersion = 1
/** RFC 9018 section 4.3: a cookie is good for an hour, and five minutes of clocks that differ. */
const oldestSeconds = 3600
const newestSeconds = 300

export class Cookies {
  /** The secret that signs, then those still accepted. */
  keys: readonly Uint8Array[] = []
  readonly #input = new Uint8Array(clientCookieLength + stampLength + 16)
  readonly #hash = new Uint8Array(8)
  readonly #clock: BatchClock

  constructor(clock: BatchClock) {
    this.#clock = clock
  }

  /** Whether the cookie in a query is one of ours, for this client, and fresh. */
  accepts(packet: Uint8Array, at: number, length: number, client: Client): boolean {
    if (length !== cookieLength || packet[at + clientCookieLength] !== cookieVersion) return false
    const stamp = at + clientCookieLength + 4
    const made = (u16(packet, stamp) << 16) | u16(packet, stamp + 2)
    // Serial arithmetic: the timestamp wraps in 2106.
    const age = (this.#clock.nowMs / 1000 - made) | 0
    if (age > oldestSeconds || age < -newestSeconds) return false
    for (let i = 0; i < clientCookieLength + stampLength; i++) this.#input[i] = packet[at + i]!
    return this.keys.some((key) => this.#matches(key, packet, at + clientCookieLength + stampLength, client))
  }

  /** Writes the client's cookie and a fresh one of ours into `out`, `cookieLength` octets. Only with a key. */
  write(packet: Uint8Array, from: number, client: Client, out: Uint8Array): void {
    const input = this.#input
    const nowSeconds = this.#clock.nowMs / 1000
    for (let i = 0; i < clientCookieLength; i++) input[i] = packet[from + i]!
    input[8] = cookieVersion
    input[9] = 0
    input[10] = 0
    input[11] = 0
    for (let i = 0; i < 4; i++) input[12 + i] = nowSeconds >>> (24 - 8 * i)
    for (let i = 0; i < clientCookieLength + stampLength; i++) out[i] = input[i]!
    sipHash24(this.keys[0]!, input, this.#addAddress(client), out, clientCookieLength + stampLength)
  }

  #matches(key: Uint8Array, packet: Uint8Array, at: number, client: Client): boolean {
    sipHash24(key, this.#input, this.#addAddress(client), this.#hash, 0)
    // All eight are compared whatever the first ones are, so that the time says nothing.
    let difference = 0
    for (let i = 0; i < 8; i++) difference |= this.#hash[i]! ^ packet[at + i]!
    return difference === 0
  }

  /** @returns the length of the hash's input with the client's address at its end */
  #addAddress(client: Client): number {
    const length = client.length
    const from = clientCookieLength + stampLength
    for (let i = 0; i < length; i++) this.#input[from + i] = client.octets[i]!
    return from + length
  }
}
