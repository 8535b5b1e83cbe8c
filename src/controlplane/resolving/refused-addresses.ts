/**
 * Addresses that are no member's, whatever a resolver says: loopback, link-local, multicast and their like, and those of networks
 * that hold no members. Filtering resolvers give them for names that they hide, and whoever has a host's zone could have our
 * clients ask things of themselves.
 */
import type { Resolution } from '../model/observation.ts'
import type { AddressPolicy } from '../model/pool.ts'
import type { FamilyAnswer, HostAnswer } from './host-state.ts'

export function withoutRefused(answer: HostAnswer, refuses: AddressPolicy): HostAnswer {
  return { a: familyWithout(answer.a, refuses), aaaa: familyWithout(answer.aaaa, refuses) }
}

function familyWithout(answer: FamilyAnswer, refuses: AddressPolicy): FamilyAnswer {
  if (answer.kind !== 'found') return answer
  const addresses = answer.addresses.filter((address) => refuses(address) === null)
  if (addresses.length > 0) return { ...answer, addresses }
  const [first] = answer.addresses
  return { kind: 'absent', reason: `no usable address: ${refuses(first!)}` }
}

/** What was resolved before the start, by a list that may have been another. */
export function keptOf(resolution: Resolution, refuses: AddressPolicy): Resolution {
  return { ...resolution, addresses: resolution.addresses.filter((address) => refuses(address) === null) }
}
