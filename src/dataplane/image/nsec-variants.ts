/**
 * The NSECs of a service's name in a signed zone. Whether it has A and AAAA changes with health, and resolvers conclude from an NSEC that
 * they have what is not there (RFC 8198 section 5.2): so the one that goes out when anything else is asked names both types, and the absence
 * of one of them is told by an NSEC that lacks that one alone. They stand one behind the other among the node's RRsets, in this order.
 *
 * A CNAME, which services with `hosts: cname` are answered with, is in none: an NSEC that names it proves nothing of another type.
 */
import { types } from '../wire/constants.ts'

/** What each of them leaves out of A and AAAA. */
export const nsecVariants: readonly (readonly number[])[] = [
  [],
  [types.a],
  [types.aaaa],
  [types.a, types.aaaa],
]

/** Which of them says that a service has nothing. @param qtype A, AAAA or ANY; of other types the first does */
export function nsecVariantOf(qtype: number): number {
  if (qtype === types.a) return 1
  return qtype === types.aaaa ? 2 : 3
}
