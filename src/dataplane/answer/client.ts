import { readPeerAddress } from '../wire/address.ts'

/** Where a query came from. One object is filled again for each query; the octets are read only if they are asked for. */
export class Client {
  ipv6 = false
  /** The address; the first `length` octets count. */
  readonly octets = new Uint8Array(16)
  #text = ''
  #length: 0 | 4 | 16 = 0

  /** @param text the address as the system gives a peer's */
  set(text: string, ipv6: boolean): void {
    this.ipv6 = ipv6
    this.#text = text
    this.#length = 0
  }

  /** @param at where the address begins in `source`, 4 or 16 octets of it */
  setOctets(source: Uint8Array, at: number, length: 4 | 16): void {
    this.ipv6 = length === 16
    this.#length = length
    for (let i = 0; i < length; i++) this.octets[i] = source[at + i]!
  }

  /** How many octets the address has; they are valid after this. */
  get length(): 4 | 16 {
    if (this.#length === 0) this.#length = readPeerAddress(this.#text, this.ipv6, this.octets)
    return this.#length
  }
}
