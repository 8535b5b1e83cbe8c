import { parseAddress } from './address.ts'

/** Addresses that begin alike. */
export interface Prefix {
  /** 4 or 16 octets. */
  readonly address: Uint8Array
  /** Bits of it that count. */
  readonly length: number
}

/** `192.0.2.0/24`, `2001:db8::/32`; null when the text is none. Bits beyond the length may be set and mean nothing. */
export function parsePrefix(text: string): Prefix | null {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text)
  const address = match === null ? null : parseAddress(match[1]!)
  const length = Number(match?.[2])
  return address === null || length > address.length * 8 ? null : { address, length }
}

/**
 * Whether an address is in a prefix; one of the other family never is. For the query path: allocates nothing.
 *
 * @param octets at least `length` of them
 * @param length 4 or 16
 */
export function prefixHolds(prefix: Prefix, octets: Uint8Array, length: number): boolean {
  if (prefix.address.length !== length) return false
  const whole = prefix.length >> 3
  for (let i = 0; i < whole; i++) if (prefix.address[i] !== octets[i]) return false
  const rest = prefix.length & 7
  return rest === 0 || (prefix.address[whole]! ^ octets[whole]!) >>> (8 - rest) === 0
}
