/**
 * Which members of a pool are kept, why, and whether the pool is up: for one address family, since a client asks for A or for
 * AAAA, and what is up in one may be down in the other. A member counts in each family that it has an address of, and is
 * kept there while one of those is up; the others are not answered. A host without any address counts in both. A pool that has
 * members, but none of a family, is neither up nor down there: it is no choice. Members that are answered with a CNAME
 * are judged whole (`any`).
 *
 * What was measured and what was forced stay two things: an override wins, and the reason says that it did. One thing it
 * can't do: a host without an address has nothing to be answered with, so forcing it up does not keep it.
 *
 * A pool is up when the share of members kept reaches `minUp`, and one is. A member that is drained has left the count: it
 * is neither healthy nor sick. A pool that selects by `failover` is judged tier by tier, in order of priority, each by its
 * own `minUp`; the first that is up serves, and members of the others are kept but do not serve.
 *
 * What a member weighs is told by `weight.ts`.
 */
import type { PoolCondition } from '../model/event.ts'
import { type Asked, familyNames, ofFamily } from '../model/family.ts'
import type { HealthState, Resolution } from '../model/observation.ts'
import type { OverrideState } from '../model/override.ts'
import {
  type AddressText,
  addressesOf,
  type Member,
  type MinUp,
  needsAddresses,
  type Pool,
  type Threshold,
} from '../model/pool.ts'
import type { FedMember, FedShare } from './fed.ts'
import { fedOf, weightsOf } from './weight.ts'

/**
 * What is known of members now; the caller's tables stand behind it. Of a pool without a monitor nothing but `forced` and
 * `resolution` is asked for.
 */
export interface Conditions {
  /** What the probes say of one address of a member; null for the member as a whole. */
  measured(pool: string, member: string, address: AddressText | null): HealthState
  /** The last state that was not `unknown`, whenever that was; null when there has been none. */
  lastKnown(pool: string, member: string): 'up' | 'down' | null
  /** Whether failures or successes are counting towards a change of state. */
  near(pool: string, member: string): boolean
  /** 0..1: how much of its weight a member that came back has by now. */
  share(pool: string, member: string): number
  /** What a member says of itself: how much of its weight it can bear; null when it says nothing. */
  weightPercent(pool: string, member: string): number | null
  /** Smoothed time of the probes of one address, or of a member as a whole, in milliseconds; null without samples. */
  latencyMs(pool: string, member: string, address: AddressText | null): number | null
  /** The operator's word while it lasts, or null. */
  forced(pool: string, member: string): OverrideState | null
  /** The same of a service that stands in a pool's place; left out: there is none. */
  forcedService?(service: string): OverrideState | null
  /** What feeds say of a member; left out: there are no readings. Asked of those that name a feed. */
  fed?(pool: Pool, member: Member): FedMember
  /** The same of a pool that has a capacity. */
  full?(pool: Pool): FedShare
  /** What resolving a host has come to; asked for those that `needsAddresses` says, and those to be answered with. */
  resolution(host: string): Resolution
}

export const memberReasons = [
  'up',
  'unknown, counts as up',
  'unknown, was up',
  'not monitored',
  'forced up',
  'down',
  'unknown, counts as down',
  'unknown, was down',
  'forced down',
  'draining',
  'not resolved',
  'no IPv4 address',
  'no IPv6 address',
] as const
export type MemberReason = (typeof memberReasons)[number]

export interface MemberJudgement {
  readonly member: Member
  readonly kept: boolean
  readonly reason: MemberReason
  /** All that it could be answered with, of the family; empty where it is answered with a CNAME. */
  readonly all: readonly AddressText[]
  /** Those of them that it is answered with: while it is kept, those that are up. */
  readonly addresses: readonly AddressText[]
  /** Kept, and of the tier that serves. */
  readonly serves: boolean
  /** The weight it has now; 0: a last resort. */
  readonly weight: number
  /**
   * The same without slow start, for `hash`: clients that are to stay where they are should move once when a member comes
   * back, not at each step of a ramp. What a member says of itself does count, for moving clients is all that relieves it.
   */
  readonly steadyWeight: number
  /** About to change its state. */
  readonly near: boolean
  /** What feeds say of it. */
  readonly fed: FedMember
}

/** The members of one priority; of a pool that does not select by `failover`, all of them. */
export interface TierJudgement {
  readonly priority: number
  readonly minUp: MinUp
  readonly up: boolean
  /** Members but the drained ones. */
  readonly counted: number
  readonly kept: number
  readonly drained: number
}

export interface PoolJudgement {
  readonly pool: Pool
  readonly asked: Asked
  /** False: it has members, but none of the family, and is no choice. */
  readonly present: boolean
  /** Members of the family, in the order of the pool. */
  readonly members: readonly MemberJudgement[]
  /** At least one, in order of priority. */
  readonly tiers: readonly TierJudgement[]
  /** The tier that serves; null: by its members the pool is down. */
  readonly serving: TierJudgement | null
  /** What a feed says of its capacity; null: it has none. */
  readonly full: FedShare | null
}

export interface ConditionReport {
  readonly condition: PoolCondition
  /** Such as `2 of 5 members up, minUp 0.5`. */
  readonly reason: string
}

export function judgePool(pool: Pool, asked: Asked, conditions: Conditions): PoolJudgement {
  const own = membersFor(pool, asked, conditions)
  const judged = own.map((member) => judgeMember(pool, member, asked, conditions))
  const tiers =
    pool.select === 'failover'
      ? prioritiesOf(own).map((priority) => {
          const minUp = pool.tiers.find((tier) => tier.priority === priority)?.minUp ?? pool.minUp
          const members = judged.filter(({ member }) => member.priority === priority)
          return judgeTier(priority, minUp, asked, members)
        })
      : [judgeTier(1, pool.minUp, asked, judged)]
  const serving = tiers.find(({ up }) => up) ?? null
  const serves = ({ kept, member }: (typeof judged)[number]) =>
    kept && serving !== null && (pool.select !== 'failover' || member.priority === serving.priority)
  const members = judged.map((judgement) => ({ ...judgement, serves: serves(judgement) }))
  const present = own.length > 0 || pool.members.length === 0
  const full = pool.capacity === null ? null : (conditions.full?.(pool) ?? null)
  return { pool, asked, present, members, tiers, serving, full }
}

/** The members that a pool has of a family, by the families that have been asked for; only of pools without hosts. */
const knownMembers = new WeakMap<Pool, Map<Asked, readonly Member[]>>()

function membersFor(pool: Pool, asked: Asked, conditions: Conditions): readonly Member[] {
  if (asked === 'any' || pool.hosts === 'cname') return pool.members
  const known = knownMembers.get(pool) ?? new Map<Asked, readonly Member[]>()
  const found = known.get(asked)
  if (found !== undefined) return found
  const isOf = (member: Member) => {
    const addresses = addressesNow(member, conditions)
    return addresses.length === 0 || ofFamily(addresses, asked).length > 0
  }
  const own = pool.members.filter(isOf)
  if (pool.members.every(({ host }) => host === null)) knownMembers.set(pool, known.set(asked, own))
  return own
}

/** A pool without members has a tier too, which is down. */
function prioritiesOf(members: readonly Member[]): number[] {
  const priorities = [...new Set(members.map(({ priority }) => priority))].sort((a, b) => a - b)
  return priorities.length === 0 ? [1] : priorities
}

function judgeTier(
  priority: number,
  minUp: MinUp,
  asked: Asked,
  members: readonly Pick<MemberJudgement, 'kept' | 'reason'>[],
): TierJudgement {
  const drained = members.filter(isDrained).length
  const counted = members.length - drained
  const kept = members.filter((judgement) => judgement.kept).length
  const up = kept > 0 && thresholdsOf(minUp, asked).some((threshold) => reaches(kept, counted, threshold))
  return { priority, minUp, up, counted, kept, drained }
}

/** What has to be reached; one of several will do. */
function thresholdsOf(minUp: MinUp, asked: Asked): readonly Threshold[] {
  if (typeof minUp === 'number' || 'members' in minUp) return [minUp]
  return asked === 'any' ? [minUp.ipv4, minUp.ipv6] : [minUp[asked]]
}

function reaches(kept: number, counted: number, threshold: Threshold): boolean {
  // Divided, not multiplied: 7 / 100 is 0.07, but 0.07 * 100 is more than 7.
  return typeof threshold === 'number' ? kept / counted >= threshold : kept >= threshold.members
}

export function isDrained({ reason }: Pick<MemberJudgement, 'reason'>): boolean {
  return reason === 'draining'
}

/** Whether it is the operator who keeps it from answering. */
export function isTakenOut({ reason }: MemberJudgement): boolean {
  return reason === 'draining' || reason === 'forced down'
}

function judgeMember(
  pool: Pool,
  member: Member,
  asked: Asked,
  conditions: Conditions,
): Omit<MemberJudgement, 'serves'> {
  const all = pool.hosts === 'cname' ? none : addressesFor(member, asked, conditions)
  const [reason, addresses] = keep(pool, member, all, conditions)
  const fed = fedOf(pool, member, conditions)
  const weights = weightsOf(pool, member, fed, conditions)
  const near = pool.monitor !== null && conditions.near(pool.name, member.name)
  return { member, kept: isKeptFor(reason), reason, all, addresses, ...weights, near, fed }
}

/** A member of a pool that the question asks for nothing of: it has no address of the family. */
export function judgeAbsent(member: Member, asked: Asked): MemberJudgement {
  const reason = asked === 'ipv6' ? 'no IPv6 address' : 'no IPv4 address'
  const { weight } = member
  const fed = { weight: null, shed: null }
  const nothing = { kept: false, serves: false, all: none, addresses: none, near: false, fed }
  return { member, reason, weight, steadyWeight: weight, ...nothing }
}

const none: readonly AddressText[] = []

function isKeptFor(reason: MemberReason): boolean {
  switch (reason) {
    case 'up':
    case 'unknown, counts as up':
    case 'unknown, was up':
    case 'not monitored':
    case 'forced up':
      return true
    default:
      return false
  }
}

type Keeping = readonly [reason: MemberReason, addresses: readonly AddressText[]]

/** @param all its addresses of the family that is asked for */
function keep(pool: Pool, member: Member, all: readonly AddressText[], conditions: Conditions): Keeping {
  const isBare = pool.hosts === 'resolve' && all.length === 0
  switch (conditions.forced(pool.name, member.name)) {
    case 'up':
      return isBare ? ['not resolved', none] : ['forced up', all]
    case 'down':
      return ['forced down', none]
    case 'drain':
      return ['draining', none]
    case null:
  }
  if (isBare) return ['not resolved', none]
  if (pool.monitor === null) return ['not monitored', all]
  if (pool.hosts === 'cname') return [keepWhole(pool, member, conditions), none]
  if (all.length === 1) {
    const reason = reasonFor(pool, member, all[0]!, conditions)
    return [reason, isKeptFor(reason) ? all : none]
  }
  const reasons = all.map((address) => reasonFor(pool, member, address, conditions))
  const kept = all.filter((_, index) => isKeptFor(reasons[index]!))
  if (kept.length === 0) return [reasons[0]!, none]
  // What was measured says more than what is assumed.
  const reason = reasons.includes('up') ? 'up' : reasons.find(isKeptFor)!
  return [reason, kept.length === all.length ? all : kept]
}

/** A host that is answered with a CNAME: its addresses are the client's to find, and matter here only where they are probed. */
function keepWhole(pool: Pool, member: Member, conditions: Conditions): MemberReason {
  const reason = reasonFor(pool, member, null, conditions)
  const isLost = needsAddresses(pool, member) && addressesNow(member, conditions).length === 0
  return reason === 'down' && isLost ? 'not resolved' : reason
}

function reasonFor(
  pool: Pool,
  member: Member,
  address: AddressText | null,
  conditions: Conditions,
): MemberReason {
  const state = conditions.measured(pool.name, member.name, address)
  return state === 'unknown' ? reasonForUnknown(pool, member, conditions) : state
}

function reasonForUnknown(pool: Pool, member: Member, conditions: Conditions): MemberReason {
  switch (pool.unknown) {
    case 'up':
      return 'unknown, counts as up'
    case 'down':
      return 'unknown, counts as down'
    case 'last-known':
  }
  switch (conditions.lastKnown(pool.name, member.name)) {
    case 'up':
      return 'unknown, was up'
    case 'down':
      return 'unknown, was down'
    case null:
      return 'unknown, counts as up'
  }
}

/** The addresses of a member, of both families: those that it was given, or those that its host has. */
function addressesNow(member: Member, conditions: Conditions): readonly AddressText[] {
  return member.host === null ? addressesOf(member) : conditions.resolution(member.host).addresses
}

/** The same of one family, of a member that has any of it. */
function addressesFor(member: Member, asked: Asked, conditions: Conditions): readonly AddressText[] {
  const now = addressesNow(member, conditions)
  // Most members have one address, which is of the family then.
  return now.length === 1 ? now : ofFamily(now, asked)
}

/** Whether there is anything to answer with; the name of a host is enough for a CNAME. */
export function canServe({ hosts }: Pool, { all }: MemberJudgement): boolean {
  return hosts === 'cname' || all.length > 0
}

/** What a pool's members come to, for its events and for the TTL of its answers. */
export function poolCondition({ pool, asked, tiers, serving }: PoolJudgement): ConditionReport {
  const whole = serving === tiers[0] && tiers.every(({ kept, counted }) => kept === counted)
  const condition = serving === null ? 'down' : whole ? 'healthy' : 'degraded'
  const [only] = tiers
  if (pool.select !== 'failover' || tiers.length === 1) return { condition, reason: describe(only!, asked) }
  const what = serving === null ? 'no tier is up' : `tier ${serving.priority} serves`
  const each = tiers.map((tier) => `tier ${tier.priority}: ${describe(tier, asked)}`)
  return { condition, reason: [what, ...each].join('; ') }
}

/**
 * What a pool comes to over its families: down when it is down in each, healthy when it is healthy in each.
 *
 * @param judgements of both families, or of the pool as a whole
 */
export function wholeCondition(judgements: readonly PoolJudgement[]): ConditionReport {
  const present = judgements.filter((judgement) => judgement.present && !isBare(judgement, judgements))
  const reports = present.map(poolCondition)
  const [first] = reports
  if (reports.length === 1) return first!
  const reason = reports
    .map(({ reason: each }, index) => `${nameOf(present[index]!.asked)}: ${each}`)
    .join('; ')
  const isSame = reports.every(({ condition }) => condition === first!.condition)
  return { condition: isSame ? first!.condition : 'degraded', reason }
}

/** An empty pool is the same in every family. */
function isBare({ pool, asked }: PoolJudgement, judgements: readonly PoolJudgement[]): boolean {
  return pool.members.length === 0 && asked !== judgements[0]!.asked
}

function nameOf(asked: Asked): string {
  return asked === 'any' ? 'any' : familyNames[asked]
}

function describe({ kept, counted, drained, minUp }: TierJudgement, asked: Asked): string {
  const apart = drained === 0 ? '' : `, ${drained} draining`
  const wanted = thresholdsOf(minUp, asked).map(describeThreshold).join(' or ')
  return `${kept} of ${count(counted)} up${apart}, minUp ${wanted}`
}

function describeThreshold(threshold: Threshold): string {
  return typeof threshold === 'number' ? String(threshold) : count(threshold.members)
}

function count(members: number): string {
  return `${members} ${members === 1 ? 'member' : 'members'}`
}
