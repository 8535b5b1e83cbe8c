import { parseAddress } from '../../dataplane/wire/address.ts'
import { maxCandidates, type Plan } from '../../dataplane/zone/plan.ts'
import type { Member, Pool, Service } from '../model.ts'
import type { Selection } from './select.ts'

/**
 * The plan that a selection comes to.
 *
 * @param counterOf where answers with a member are counted
 */
export function toPlan(
  service: Service,
  selection: Selection,
  counterOf: (pool: Pool, member: Member) => number,
): Plan {
  const { pool } = selection
  if (pool === null) {
    const outcome = selection.outcome === 'servfail' ? 'servfail' : 'select'
    return { outcome, select: 'rotate', answers: 0, ttlSeconds: service.ttlSeconds, candidates: [] }
  }
  const weighted = pool.select === 'weighted'
  return {
    outcome: 'select',
    select: weighted ? 'weighted' : 'rotate',
    answers: pool.answers ?? (weighted ? 1 : maxCandidates),
    ttlSeconds: service.ttlSeconds,
    candidates: (weighted ? byWeight(selection.members) : selection.members.map(evenly)).map(
      ({ member, weight }) => ({
        address: parseAddress(member.address)!,
        weight,
        counter: counterOf(pool, member),
      }),
    ),
  }
}

interface Weighed {
  readonly member: Member
  readonly weight: number
}

function evenly(member: Member): Weighed {
  return { member, weight: 1 }
}

/**
 * Weight 0 is a last resort: such members are chosen, evenly, only when no other is left. Judged for each address family on its own,
 * because a client that asks for AAAA can't be given the A of a member with more weight.
 */
function byWeight(members: readonly Member[]): Weighed[] {
  const families = [members.filter(isIpv4), members.filter((member) => !isIpv4(member))]
  return families.flatMap((family) => {
    const weighty = family.filter(({ weight }) => weight > 0)
    return weighty.length > 0
      ? weighty.map((member) => ({ member, weight: member.weight }))
      : family.map(evenly)
  })
}

function isIpv4(member: Member): boolean {
  return !member.address.includes(':')
}
