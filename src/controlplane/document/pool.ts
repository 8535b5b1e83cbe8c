/** Pools and their members in the document. */
import { maxCandidates } from '../../dataplane/image/plan.ts'
import type { Problem } from '../model/errors.ts'
import {
  addressesOf,
  allDownPolicies,
  type Member,
  type MinUp,
  maxMemberAddresses,
  type Pool,
  poolHosts,
  poolSelects,
  quorums,
  type Threshold,
  type Tier,
  unknownCounts,
} from '../model/pool.ts'
import { addressInCnamePool } from '../rules/places.ts'
import { CapacityForm, defaultWeight, ShedForm, WeightForm } from './feed-use.ts'
import { Address, Duration, Host, Name, Port, parseNamed, Share, Text, Whole, Words } from './fields.ts'
import {
  type Body,
  converted,
  type Entries,
  either,
  type Form,
  fieldsOf,
  ignored,
  list,
  map,
  type ParseNamed,
  type RecordForm,
  type Report,
  record,
  spread,
} from './forms.ts'
import { joinPath } from './path.ts'
import { checkFallback, defaultPrefix, HashPrefix, LocationForm } from './steering-fields.ts'

const maxPriority = 1000

/** A member as it is written, without its name, and before it is known that it has one of address, addresses and host. */
type MemberFields = Omit<Member, 'name' | 'address' | 'moreAddresses' | 'host'> & {
  readonly address: string | null
  readonly addresses: readonly string[] | null
  readonly host: string | null
}

const Addresses: Form<readonly string[]> = list(
  Address,
  {
    minItems: 1,
    maxItems: maxMemberAddresses,
    description: `a list of 1 to ${maxMemberAddresses} addresses`,
  },
  (addresses, report) => {
    for (const [index, address] of addresses.entries()) {
      if (address !== undefined && addresses.indexOf(address) < index) report('stands here twice', index)
    }
  },
)

const member = fieldsOf<MemberFields>()
const memberForm = record(
  {
    address: member.optional('address', Address, null),
    addresses: member.optional('addresses', Addresses, null),
    host: member.optional('host', Host, null),
    weight: spread(WeightForm, defaultWeight, { shown: true }),
    shed: member.optional('shed', ShedForm, null),
    priority: member.optional('priority', Whole(1, maxPriority), 1),
    probe: spread(
      record({
        address: member.optional('probeAddress', Address, null),
        port: member.optional('probePort', Port, null),
      }),
      { probeAddress: null, probePort: null },
    ),
    status: ignored,
  },
  {
    title: 'PoolMember',
    description: 'an object with the fields of a member: address, addresses or host, and others',
    check({ address, addresses, host }, report) {
      if (address === null && addresses === null && host === null) {
        report('is required, or host in its place', 'address')
      } else if (address && host) report('stands beside host: a member has one of the two', 'address')
      else if (addresses && host) report('stands beside host: a member has one of the two', 'addresses')
      else if (address && addresses) report('stands beside address: a member has one of the two', 'addresses')
    },
  },
)
export const MemberSchema = memberForm.schema

/** What `check` has let pass has one of address, addresses and host. */
function toMember(name: string, { addresses, ...fields }: MemberFields): Member {
  const [address, ...moreAddresses] = addresses ?? [fields.address]
  return { name, ...fields, address, moreAddresses } as Member
}

function fieldsOfMember(member: Member): MemberFields {
  if (member.moreAddresses.length === 0) return { ...member, addresses: null }
  return { ...member, address: null, addresses: addressesOf(member) }
}

const Priority = Text(
  `a priority, a whole number from 1 to ${maxPriority}`,
  (text) => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= maxPriority,
)

const count = fieldsOf<{ readonly members: number }>()
const ThresholdForm: Form<Threshold> = either<Threshold>(
  Share as Form<Threshold>,
  record({ members: count.required('members', Whole(1, maxCandidates)) }) as Form<Threshold>,
  {
    title: 'Threshold',
    description: 'a number from 0 to 1, or { members } with a number of them',
    isShort: isShare,
  },
)

function isShare(threshold: MinUp): boolean {
  return typeof threshold === 'number'
}

function isByFamily(minUp: MinUp): boolean {
  return typeof minUp === 'object' && 'ipv4' in minUp
}

/** How `minUp` is written where it is more than a share. */
interface LongMinUp {
  readonly members: number | null
  readonly ipv4: Threshold | null
  readonly ipv6: Threshold | null
}
const long = fieldsOf<LongMinUp>()

/** What the record has let pass is a number of members, or has a family; what is not told of the other one is 0. */
const MinUpForm: Form<MinUp> = either<MinUp>(
  Share as Form<MinUp>,
  converted<LongMinUp, MinUp>(
    record(
      {
        members: long.optional('members', Whole(1, maxCandidates), null),
        ipv4: long.optional('ipv4', ThresholdForm, null),
        ipv6: long.optional('ipv6', ThresholdForm, null),
      },
      {
        description: 'an object with members, or with ipv4 and ipv6',
        check({ members, ipv4, ipv6 }, report) {
          const byFamily = ipv4 != null || ipv6 != null
          if (members === null && ipv4 === null && ipv6 === null)
            report('has neither members nor ipv4 nor ipv6')
          else if (members != null && byFamily)
            report('stands beside a family: it is told by family or not', 'members')
        },
      },
    ),
    ({ members, ipv4, ipv6 }) => (members === null ? { ipv4: ipv4 ?? 0, ipv6: ipv6 ?? 0 } : { members }),
    (minUp) => ({ members: null, ipv4: null, ipv6: null, ...(minUp as Partial<LongMinUp>) }),
  ),
  {
    title: 'MinUp',
    description:
      'a number from 0 to 1, { members } with a number of them, or one of these for ipv4 and for ipv6',
    isShort: isShare,
  },
)

const tier = fieldsOf<Tier>()
const Tiers: Form<readonly Tier[]> = converted(
  map(
    record({ minUp: tier.required('minUp', MinUpForm) }, { description: 'an object with minUp' }),
    { maxProperties: maxPriority, description: 'a map from priority to { minUp }' },
    { key: Priority },
  ),
  (entries) =>
    entries
      .map(([priority, { minUp }]) => ({ priority: Number(priority), minUp }))
      .sort((a, b) => a.priority - b.priority),
  (tiers) => tiers.map(({ priority, minUp }) => [String(priority), { minUp }] as const),
)

/** The settings of a pool that have no column of their own in the database. */
export type PoolSettings = Pick<
  Pool,
  | 'minUp'
  | 'unknown'
  | 'whenAllDown'
  | 'tiers'
  | 'hashPrefix'
  | 'slowStartMs'
  | 'location'
  | 'quorum'
  | 'capacity'
>

const setting = fieldsOf<PoolSettings>()
const settings = {
  unknown: setting.optional('unknown', Words(unknownCounts), 'up'),
  whenAllDown: setting.optional('whenAllDown', Words(allDownPolicies), null),
  tiers: setting.optional('tiers', Tiers, []),
  hashPrefix: setting.optional('hashPrefix', HashPrefix, defaultPrefix),
  slowStart: setting.optional('slowStartMs', Duration(0, 86_400_000), 0),
  location: setting.optional('location', LocationForm, null),
  quorum: setting.optional('quorum', Words(quorums), 'own'),
  capacity: setting.optional('capacity', CapacityForm, null),
}
const settingsForm = record(
  // Here it stands only where it is no share, for which there is a column.
  { minUp: setting.optional('minUp', MinUpForm, 0), ...settings },
  { description: 'an object with the settings of a pool' },
)

const Members: Form<Pool['members']> = converted(
  map(memberForm, { maxProperties: maxCandidates }, { key: Name, check: checkTargets }),
  (entries) => entries.map(([name, fields]) => toMember(name, fields)),
  (members) => members.map((one) => [one.name, fieldsOfMember(one)] as const),
)

/** No two members have the same address or host. */
function checkTargets(entries: Entries<MemberFields>, report: Report): void {
  const owners = new Map<string, string>()
  const own = (name: string, target: string, what: string, ...steps: readonly (string | number)[]) => {
    const other = owners.get(target)
    if (other === undefined) owners.set(target, name)
    else report(`${target} is already the ${what} of member ${other}`, name, ...steps)
  }
  for (const [name, { address, addresses, host }] of entries) {
    if (host !== null) own(name, host, 'host', 'host')
    else if (address !== null) own(name, address, 'address', 'address')
    else for (const [index, one] of addresses!.entries()) own(name, one, 'address', 'addresses', index)
  }
}

const pool = fieldsOf<Pool>()
const poolForm: RecordForm<Omit<Pool, 'name'>> = record(
  {
    monitor: pool.optional('monitor', Name, null),
    select: pool.shown('select', Words(poolSelects), 'all'),
    answers: pool.optional('answers', Whole(1, 1000), null),
    minUp: pool.shown('minUp', MinUpForm, 0),
    hosts: pool.optional('hosts', Words(poolHosts), 'resolve'),
    ...settings,
    fallback: pool.optional('fallback', Name, null),
    members: pool.shown('members', Members, []),
    status: ignored,
  },
  {
    title: 'Pool',
    description: 'an object with the fields of a pool',
    check(values, report) {
      checkFallback(values, report)
      checkHosts(values, report)
    },
  },
)
export const PoolSchema = poolForm.schema

/** A pool that is answered with CNAMEs has hosts alone, and each of them is for both families. */
function checkHosts({ hosts, members = [], minUp = 0, tiers = [] }: Partial<Pool>, report: Report): void {
  if (hosts !== 'cname') return
  const byFamily = 'is told by family, and with hosts: cname an answer is for both'
  if (isByFamily(minUp)) report(byFamily, 'minUp')
  for (const tier of tiers) if (isByFamily(tier.minUp)) report(byFamily, 'tiers', tier.priority, 'minUp')
  for (const { name, address, moreAddresses } of members) {
    if (address === null) continue
    report(addressInCnamePool, 'members', name, moreAddresses.length === 0 ? 'address' : 'addresses')
  }
}

/**
 * The pool that a fragment describes; null, and every problem reported, when it is not one. A JavaScript object yields keys
 * that look like array indexes first: members named 2 and 10 come before the others.
 */
export const parsePool: ParseNamed<Pool> = (name, input, path, problems) => {
  const pool = parseNamed(poolForm, name, input, path, problems)
  if (pool?.fallback !== name) return pool
  problems.push({ path: joinPath(path, 'fallback'), message: 'is the pool itself' })
  return null
}

export const formatPool = (pool: Pool): Body => poolForm.format(pool)

/** All that holds for a pool, also what goes without saying; without its members. */
export function formatWholePool(pool: Pool): Body {
  const { members: _, ...body } = poolForm.format({ ...pool, members: [] }, true)
  return body
}

/** Only the settings of a pool, as `formatPoolSettings` gives them; null, and every problem reported, when it is none. */
export function parsePoolSettings(input: unknown, path: string, problems: Problem[]): PoolSettings | null {
  return settingsForm.parse(input, path, problems) ?? null
}

/** What is not the default of the settings of a pool. */
export function formatPoolSettings(pool: PoolSettings): Body {
  return settingsForm.format(isShare(pool.minUp) ? { ...pool, minUp: 0 } : pool)
}

export const parseMember: ParseNamed<Member> = (name, ...given) => {
  const fields = parseNamed(memberForm, name, ...given)
  return fields === null ? null : toMember(name, fields)
}

export const formatMember = (member: Member, whole = false): Body =>
  memberForm.format(fieldsOfMember(member), whole)
