/**
 * From a selection to the plan that the workers answer by: the same tree, with members turned into what is answered.
 *
 * ## Hosts
 * A member that is a host becomes what it stands for: in a pool with `hosts: resolve` its addresses, in one with
 * `hosts: cname` a CNAME.
 *
 * A weight belongs to the member, however many addresses it has at the time: it is shared evenly among those of one family
 * that are answered, and each of them counts its answers for the member. Addresses that two members have in common (two hosts of
 * one provider, say) are one candidate of both their weights, counted for the first, because no RRset holds the
 * same RR twice (RFC 2181 section 5).
 *
 * For `hash`, the key of a candidate is that of its member, so that a member whose address changes keeps its clients. Only
 * where a member has several addresses of one family does each need a key of its own.
 *
 * ## Times
 * TTLs are those of the service that was asked, also for answers that come by way of a nested one: a TTL says how long the
 * answer to this name is good, and whoever set it for this name knew which pools are behind it. With `minTtlSeconds` an
 * answer that may be another one soon gets that: while a member of its pool is about to change its state, while the pool
 * is not what it should be, and under every all-down policy.
 *
 * Answers must not outlive what they were made from. A plan with resolved addresses carries the time at which the
 * first of them expires, and the workers count the TTL down towards it. Stale addresses, kept because resolving fails, have
 * no such time: they are answered with a short TTL (RFC 8767 section 5), so that clients notice soon when it works again.
 */

import { maxCandidates } from '../../dataplane/image/plan.ts'
import { type AnswerNode, mapTree, type PlanNode, type PlanTrees } from '../../dataplane/image/plan-tree.ts'
import { stableKey } from '../../dataplane/image/stable-key.ts'
import { parseAddress } from '../../dataplane/wire/address.ts'
import { parseName } from '../../dataplane/wire/name.ts'
import { families, familyOf, ofFamily } from '../model/family.ts'
import { formatMemberKey } from '../model/member-key.ts'
import type { Resolution } from '../model/observation.ts'
import type { AddressMember, AddressText, Member, Pool, PoolSelect } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { MemberJudgement } from './judge.ts'
import type { PoolAnswer, Selection, Selections } from './selection.ts'

/** What answers are made of beside the selection. */
export interface PlanSources {
  /** Where answers with a member are counted. */
  counterOf(pool: Pool, member: Member): number
  /** What resolving a host has come to. */
  resolutionOf(host: string): Resolution
}

/** Most that a TTL may be when an answer holds stale addresses, in seconds (RFC 8767 section 5). */
const staleTtlSeconds = 30

/** Weights are whole numbers; when shares of them are not, they are scaled to about this sum. */
const scaledTotal = 2 ** 30

/** How members are chosen for an answer: `all` and `failover` answer with those that serve, in turn. */
const selects: Readonly<Record<PoolSelect, AnswerNode['select']>> = {
  all: 'rotate',
  failover: 'rotate',
  weighted: 'weighted',
  hash: 'hash',
}

/** What the selections of a service come to: a tree for A and one for AAAA, the same object where the selection is the same. */
export function toPlans({ ipv4, ipv6 }: Selections, sources: PlanSources): PlanTrees {
  const tree = toPlan(ipv4, sources)
  return { ipv4: tree, ipv6: ipv6 === ipv4 ? tree : toPlan(ipv6, sources) }
}

/** The plan that a selection comes to. */
export function toPlan({ judgement: { service }, tree }: Selection, sources: PlanSources): PlanNode {
  return mapTree(tree, (answer) => answerNode(answer, ttlOf(service, answer), sources))
}

function ttlOf({ ttlSeconds, minTtlSeconds }: Service, { unsettled }: PoolAnswer): number {
  return unsettled && minTtlSeconds !== null ? Math.min(ttlSeconds, minTtlSeconds) : ttlSeconds
}

/** @param ttlSeconds what it is as long as nothing is stale */
export function answerNode(answer: PoolAnswer, ttlSeconds: number, sources: PlanSources): AnswerNode {
  const { pool, members, by } = answer
  if (pool === null) return emptyNode(ttlSeconds, by === 'servfail' ? 'servfail' : 'addresses')
  if (pool.hosts === 'cname') return cnameNode(pool, members, ttlSeconds, sources)
  const { counterOf, resolutionOf } = sources
  const resolutions = members.flatMap(({ member }) =>
    member.host === null ? [] : [resolutionOf(member.host)],
  )
  const targets = expand(pool, members)
  // No address is known, which is not to say that there is none.
  const open = resolutions.some(({ state }) => state === 'pending' || state === 'failed')
  if (targets.length === 0 && open) return emptyNode(ttlSeconds, 'servfail')
  const select = selects[pool.select]
  // Of each address family on its own: a client that asks for AAAA can't be given the A of a member with more weight.
  const drawn =
    select === 'rotate'
      ? targets.map((target) => ({ ...target, weight: 1 }))
      : wholeWeights(byFamily(targets).flatMap(lastResortApart))
  return {
    kind: 'answer',
    gives: 'addresses',
    select,
    ...(select === 'hash' ? { prefix: pool.hashPrefix } : {}),
    answers: pool.answers ?? (select === 'rotate' ? maxCandidates : 1),
    ...lifetime(ttlSeconds, resolutions),
    candidates: drawn.map(({ address, member, key, weight }) => ({
      address: member.address === address ? firstOctets(member) : parseAddress(address)!,
      weight,
      counter: counterOf(pool, member),
      key: key === null ? keyOf(pool, member) : stableKey(key),
    })),
  }
}

function emptyNode(ttlSeconds: number, gives: 'addresses' | 'servfail'): AnswerNode {
  return { kind: 'answer', gives, select: 'rotate', answers: 0, ttlSeconds, candidates: [] }
}

/** One CNAME, for there can't be two; where a pool would rotate, it is drawn evenly. */
function cnameNode(
  pool: Pool,
  members: readonly MemberJudgement[],
  ttlSeconds: number,
  { counterOf }: PlanSources,
): AnswerNode {
  const named = members.flatMap((judgement) => {
    const { member } = judgement
    if (member.host === null) return []
    return [{ member, host: member.host, share: 1, weight: weightFor(pool, judgement) }]
  })
  const select = selects[pool.select]
  const drawn = select === 'rotate' ? named.map((one) => ({ ...one, weight: 1 })) : lastResortApart(named)
  if (drawn.length === 0) return emptyNode(ttlSeconds, 'addresses')
  return {
    kind: 'answer',
    gives: 'cname',
    select: select === 'hash' ? 'hash' : 'weighted',
    ...(select === 'hash' ? { prefix: pool.hashPrefix } : {}),
    answers: 1,
    ttlSeconds,
    candidates: [],
    cnames: wholeWeights(drawn.slice(0, maxCandidates)).map(({ member, host, weight }) => ({
      cname: parseName(host),
      weight,
      counter: counterOf(pool, member),
      key: keyOf(pool, member),
    })),
  }
}

/** What the plans of many services say of the same members; their objects never change. */
const firstAddresses = new WeakMap<Member, Uint8Array>()
const keysOf = new WeakMap<Member, { readonly pool: string; readonly key: number }>()

function firstOctets(member: AddressMember): Uint8Array {
  const octets = firstAddresses.get(member) ?? parseAddress(member.address)!
  firstAddresses.set(member, octets)
  return octets
}

function keyOf(pool: Pool, member: Member): number {
  const known = keysOf.get(member)
  if (known?.pool === pool.name) return known.key
  const key = stableKey(formatMemberKey({ pool: pool.name, member: member.name }))
  keysOf.set(member, { pool: pool.name, key })
  return key
}

function weightFor(pool: Pool, { weight, steadyWeight }: MemberJudgement): number {
  return pool.select === 'hash' ? steadyWeight : weight
}

function lifetime(
  ttlSeconds: number,
  resolutions: readonly Resolution[],
): Pick<AnswerNode, 'ttlSeconds' | 'expiresAtSeconds'> {
  const stale = resolutions.some(({ state }) => state === 'stale')
  const ends = resolutions.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [expiresAt.getTime()]))
  return {
    ttlSeconds: stale ? Math.min(ttlSeconds, staleTtlSeconds) : ttlSeconds,
    ...(ends.length === 0 ? {} : { expiresAtSeconds: Math.floor(Math.min(...ends) / 1000) }),
  }
}

interface Drawn {
  /** What part of its member it is: all of an address, a share of a host's addresses of one family. */
  readonly share: number
  /** The member's weight times the share, so perhaps a fraction. */
  readonly weight: number
}

export interface Target extends Drawn {
  readonly address: AddressText
  readonly member: Member
  /** Text of the key for `hash`; null for the member's own. */
  readonly key: string | null
}

/**
 * The addresses that members are answered with, each once, at most `maxCandidates`. Configurations that need more are refused
 * (`rules/plan-size.ts`), so only hosts can come to that; the status of the service tells.
 */
export function expand(pool: Pool, members: readonly MemberJudgement[]): readonly Target[] {
  const targets = new Map<AddressText, Target>()
  const add = (judgement: MemberJudgement, addresses: readonly AddressText[], isAlone: boolean) => {
    const { member } = judgement
    for (const address of addresses) {
      const before = targets.get(address)
      const share = 1 / addresses.length
      targets.set(address, {
        address,
        member: before?.member ?? member,
        key: before === undefined ? (isAlone ? null : keyText(pool, member, address)) : before.key,
        share: (before?.share ?? 0) + share,
        weight: (before?.weight ?? 0) + weightFor(pool, judgement) * share,
      })
    }
  }
  const known = members.reduce((sum, { addresses }) => sum + addresses.length, 0)
  // Every member keeps some address, rather than the first ones all.
  const most = known <= maxCandidates ? known : Math.max(1, Math.floor(maxCandidates / (2 * members.length)))
  for (const judgement of members) {
    const { all, addresses } = judgement
    if (all.length === 1) {
      add(judgement, addresses, true)
      continue
    }
    for (const family of families) {
      // One that is left over of several keeps the key that it had beside the others.
      const isAlone = ofFamily(all, family).length === 1
      add(judgement, ofFamily(addresses, family).slice(0, most), isAlone)
    }
  }
  return [...targets.values()].slice(0, maxCandidates)
}

function keyText(pool: Pool, member: Member, address: AddressText): string {
  return `${formatMemberKey({ pool: pool.name, member: member.name })} ${address}`
}

/** Weight 0 is a last resort: those of it are chosen, evenly by member, only when no other is left. */
function lastResortApart<T extends Drawn>(all: readonly T[]): T[] {
  const weighty = all.filter(({ weight }) => weight > 0)
  return weighty.length > 0 ? weighty : all.map((one) => ({ ...one, weight: one.share }))
}

/** Scales the weights until fractions of them don't matter; whole ones stay as they are. */
function wholeWeights<T extends Drawn>(drawn: readonly T[]): T[] {
  if (drawn.every(({ weight }) => Number.isInteger(weight))) return [...drawn]
  const scale = scaledTotal / drawn.reduce((sum, { weight }) => sum + weight, 0)
  return drawn.map((one) => ({ ...one, weight: Math.max(1, Math.round(one.weight * scale)) }))
}

function byFamily(targets: readonly Target[]): Target[][] {
  return families.map((family) => targets.filter(({ address }) => familyOf(address) === family))
}
