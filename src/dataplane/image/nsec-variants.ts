/**
 * The NSECs of a service's name in a signed zone. What it has changes with health, and resolvers conclude from an NSEC that they have what is
 * not there (RFC 8198 section 5.2), whatever they were given it for. So there are several, each of which says as little as it can; they stand
 * one behind the other among the node's RRsets, in this order:
 *
 * - the first goes out where it is of another name that nothing is there, and to who asks for it. It names A, AAAA and CNAME: of a name that
 *   may be an alias nothing is concluded, of whatever type (`hosts: cname`);
 * - the second says that nothing is there of a type that no service has. It names A and AAAA, and no CNAME, or it would prove nothing;
 * - the others say that the service has nothing of A, of AAAA, and of either.
 */
import { types } from '../wire/constants.ts'

/** Which of the types that a service may have each of them names. */
export const nsecVariants: readonly (readonly number[])[] = [
  [types.a, types.cname, types.aaaa],
  [types.a, types.aaaa],
  [types.aaaa],
  [types.a],
  [],
]

/** Which of them says that a service has nothing of a type. */
export function nsecVariantOf(qtype: number): number {
  switch (qtype) {
    case types.a:
      return 2
    case types.aaaa:
      return 3
    case types.any:
      return 4
    default:
      return 1
  }
}
