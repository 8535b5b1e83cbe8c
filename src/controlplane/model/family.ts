/**
 * Address families. A client asks for A or for AAAA, and what is up in one family may be down in the other, so members are kept,
 * pools are up and choices are made for each by itself.
 */
import type { AddressText } from './pool.ts'

export const families = ['ipv4', 'ipv6'] as const
export type Family = (typeof families)[number]

/** What is judged: one family; or `any`, both as one, where the answer may be a CNAME, which is there for every type of question. */
export type Asked = Family | 'any'

export const familyNames: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' }

export function familyOf(address: AddressText): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/** The addresses of a family: the same list where all are. */
export function ofFamily(addresses: readonly AddressText[], asked: Asked): readonly AddressText[] {
  const isAsked = (address: AddressText) => asked === 'any' || familyOf(address) === asked
  return addresses.every(isAsked) ? addresses : addresses.filter(isAsked)
}
