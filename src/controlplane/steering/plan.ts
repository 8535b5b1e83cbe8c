/**
 * From a selection to the plan that the workers answer by. Here a member that is a host becomes what it stands for: in a pool
 * with `hosts: resolve` its addresses, in one with `hosts: cname` a CNAME.
 *
 * A host's weight belongs to the host, however many addresses it has at the time: it is shared evenly among its addresses of
 * one family, and each of them counts its answers for the member. Addresses that two members have in common (two hosts of
 * one provider, say) are one candidate of both their weights, counted for the first, because no RRset holds the
 * same RR twice (RFC 2181 section 5).
 *
 * Answers must not outlive what they were made from. A plan with resolved addresses carries the time at which the
 * first of them expires, and the workers count the TTL down towards it. Stale addresses, kept because resolving fails, have
 * no such time: they are answered with a short TTL (RFC 8767 section 5), so that clients notice soon when it works again.
 */
import { parseAddress } from '../../dataplane/wire/address.ts'
import { parseName } from '../../dataplane/wire/name.ts'
import { maxCandidates } from '../../dataplane/zone/plan.ts'
import type { AnswerNode } from '../../dataplane/zone/plan-node.ts'
import { stableKey } from '../../dataplane/zone/stable-key.ts'
import type { AddressText, Member, Pool, Resolution, Service } from '../model.ts'
import type { Selection } from './select.ts'

/** Most that a TTL may be when an answer holds stale addresses, in seconds (RFC 8767 section 5). */
const staleTtlSeconds = 30

/** Weights are whole numbers; when shares of them are not, they are scaled up to about this sum. */
const scaledTotal = 2 ** 30

/** Where answers with a member are counted. */
type CounterOf = (pool: Pool, member: Member) => number

/**
 * The plan that a selection comes to.
 *
 * @param resolutionOf what resolving a host has come to
 */
export function toPlan(
  service: Service,
  selection: Selection,
  counterOf: CounterOf,
  resolutionOf: (host: string) => Resolution,
): AnswerNode {
  const { pool, members } = selection
  if (pool === null) return emptyPlan(service, selection.outcome === 'servfail' ? 'servfail' : 'select')
  if (pool.hosts === 'cname') return cnamePlan(service, pool, members, counterOf)
  const resolutions = members.flatMap(({ host }) => (host === null ? [] : [resolutionOf(host)]))
  const targets = expand(members, resolutionOf)
  // No address is known, which is not to say that there is none.
  if (targets.length === 0 && resolutions.some(isOpen)) return emptyPlan(service, 'servfail')
  const weighted = pool.select === 'weighted'
  const shared = weighted
    ? wholeWeights(byWeight(targets))
    : targets.map((target) => ({ ...target, weight: 1 }))
  return {
    kind: 'answer',
    outcome: 'select',
    select: weighted ? 'weighted' : 'rotate',
    answers: pool.answers ?? (weighted ? 1 : maxCandidates),
    ...lifetime(service, resolutions),
    candidates: shared.map(({ address, member, weight }) => ({
      address: parseAddress(address)!,
      weight,
      counter: counterOf(pool, member),
      key: stableKey(member.name),
    })),
  }
}

function emptyPlan({ ttlSeconds }: Service, outcome: 'select' | 'servfail'): AnswerNode {
  return { kind: 'answer', outcome, select: 'rotate', answers: 0, ttlSeconds, candidates: [] }
}

function cnamePlan(
  service: Service,
  pool: Pool,
  members: readonly Member[],
  counterOf: CounterOf,
): AnswerNode {
  const hosts = members.flatMap((member) => (member.host === null ? [] : [{ member, host: member.host }]))
  if (hosts.length === 0) return emptyPlan(service, 'select')
  const weighty = pool.select === 'weighted' ? hosts.filter(({ member }) => member.weight > 0) : []
  const drawn = weighty.length > 0 ? weighty : hosts
  return {
    kind: 'answer',
    outcome: 'cname',
    select: 'weighted',
    answers: 1,
    ttlSeconds: service.ttlSeconds,
    candidates: [],
    cnames: drawn.slice(0, maxCandidates).map(({ member, host }) => ({
      cname: parseName(host),
      weight: weighty.length > 0 ? member.weight : 1,
      counter: counterOf(pool, member),
      key: stableKey(member.name),
    })),
  }
}

function isOpen({ state }: Resolution): boolean {
  return state === 'pending' || state === 'failed'
}

function lifetime(
  { ttlSeconds }: Service,
  resolutions: readonly Resolution[],
): Pick<AnswerNode, 'ttlSeconds' | 'expiresAtSeconds'> {
  const stale = resolutions.some(({ state }) => state === 'stale')
  const ends = resolutions.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [expiresAt.getTime()]))
  return {
    ttlSeconds: stale ? Math.min(ttlSeconds, staleTtlSeconds) : ttlSeconds,
    ...(ends.length === 0 ? {} : { expiresAtSeconds: Math.floor(Math.min(...ends) / 1000) }),
  }
}

interface Target {
  readonly address: AddressText
  readonly member: Member
  /** What part of its member it is: all of an address, a share of a host's addresses of one family. */
  readonly share: number
  /** The member's weight times the share, so perhaps a fraction. */
  readonly weight: number
}

/** The addresses of all members, each once, at most `maxCandidates`. */
function expand(members: readonly Member[], resolutionOf: (host: string) => Resolution): Target[] {
  const targets = new Map<AddressText, Target>()
  const add = (member: Member, addresses: readonly AddressText[]) => {
    for (const address of addresses) {
      const before = targets.get(address)
      const share = 1 / addresses.length
      targets.set(address, {
        address,
        member: before?.member ?? member,
        share: (before?.share ?? 0) + share,
        weight: (before?.weight ?? 0) + member.weight * share,
      })
    }
  }
  // Far from any real pool: every member keeps some address rather than the first ones all.
  const most = Math.max(1, Math.floor(maxCandidates / (2 * members.length)))
  for (const member of members) {
    if (member.host === null) add(member, [member.address])
    else {
      const { addresses } = resolutionOf(member.host)
      for (const family of families(addresses, (address) => address)) add(member, family.slice(0, most))
    }
  }
  return [...targets.values()].slice(0, maxCandidates)
}

/**
 * Weight 0 is a last resort: such members are chosen, evenly, only when no other is left. Judged for each address
 * family on its own, because a client that asks for AAAA can't be given the A of a member with more weight.
 */
function byWeight(targets: readonly Target[]): Target[] {
  return families(targets, ({ address }) => address).flatMap((family) => {
    const weighty = family.filter(({ weight }) => weight > 0)
    return weighty.length > 0 ? weighty : family.map((target) => ({ ...target, weight: target.share }))
  })
}

/** Scales the weights until fractions of them don't matter; whole ones stay as they are. */
function wholeWeights(targets: readonly Target[]): Target[] {
  if (targets.every(({ weight }) => Number.isInteger(weight))) return [...targets]
  const scale = scaledTotal / targets.reduce((sum, { weight }) => sum + weight, 0)
  return targets.map((target) => ({ ...target, weight: Math.max(1, Math.round(target.weight * scale)) }))
}

/** IPv4, then IPv6. */
function families<T>(items: readonly T[], addressOf: (item: T) => AddressText): [T[], T[]] {
  const isIpv6 = (item: T) => addressOf(item).includes(':')
  return [items.filter((item) => !isIpv6(item)), items.filter(isIpv6)]
}
