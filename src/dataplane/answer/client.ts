import { readPeerAddress } from '../wire/address.ts'

/** Where a query came to: an address of 4 or 16 octets, none where that is not known, and a port. */
export interface LocalEnd {
  readonly octets: Uint8Array
  readonly port: number
}

export const unknownEnd: LocalEnd = { octets: new Uint8Array(), port: 0 }

/** @param text an address; of one that stands for every address it is not known which was asked */
export function localEnd(text: string, port: number): LocalEnd {
  // What a socket of both families says of one that came over IPv4 (RFC 4291 section 2.5.5.2).
  const host = text.replace(/^::ffff:(?=.*\.)/, '')
  const ipv6 = host.includes(':')
  const octets = new Uint8Array(16)
  const length = readPeerAddress(host, ipv6, octets)
  return { octets: octets.subarray(0, octets.every((octet) => octet === 0) ? 0 : length), port }
}

/** Where a query came from. One object is filled again for each query; the octets are read only if they are asked for. */
export class Client {
  ipv6 = false
  /** The address; the first `length` octets count. */
  readonly octets = new Uint8Array(16)
  /** The same. */
  readonly view = new DataView(this.octets.buffer)
  /** Its port; 0 where that is not known. */
  port = 0
  local: LocalEnd = unknownEnd
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
