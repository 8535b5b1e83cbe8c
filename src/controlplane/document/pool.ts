/** Pools and their members in the document. */
import { maxCandidates } from '../../dataplane/image/plan.ts'
import type { Problem } from '../model/errors.ts'
import {
  allDownPolicies,
  type Member,
  type Pool,
  poolHosts,
  poolSelects,
  quorums,
  type Tier,
  unknownCounts,
} from '../model/pool.ts'
import { addressInCnamePool } from '../rules/places.ts'
import { Address, checkName, Duration, Host, Name, Port, Share, Whole, Words } from './fields.ts'
import {
  type Body,
  converted,
  type Entries,
  type Form,
  fieldsOf,
  ignored,
  map,
  type RecordForm,
  record,
  spread,
} from './forms.ts'
import { joinPath } from './path.ts'
import { show } from './schema-check.ts'
import { checkFallback, defaultPrefix, HashPrefix, LocationForm } from './steering-fields.ts'

const maxPriority = 1000

/** A member without its name, and before it is known that it has one of address and host. */
type MemberFields = Omit<Member, 'name' | 'address' | 'host'> & {
  readonly address: string | null
  readonly host: string | null
}

const member = fieldsOf<MemberFields>()
const memberForm = record(
  {
    address: member.optional('address', Address, null),
    host: member.optional('host', Host, null),
    weight: member.shown('weight', Whole(0, 65535), 100),
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
    description: 'an object with the fields of a member: address or host, and others',
    check({ address, host }, path, problems) {
      if (address === undefined || host === undefined) return
      const addressAt = joinPath(path, 'address')
      if (address === null && host === null) {
        problems.push({ path: addressAt, message: 'is required, or host in its place' })
      } else if (address !== null && host !== null) {
        problems.push({ path: addressAt, message: 'stands beside host: a member has one of the two' })
      }
    },
  },
)
export const MemberSchema = memberForm.schema

const tier = fieldsOf<Tier>()
const Tiers: Form<readonly Tier[]> = converted(
  map(
    record({ minUp: tier.required('minUp', Share) }, { description: 'an object with minUp' }),
    { maxProperties: maxPriority, description: 'a map from priority to { minUp }' },
    { checkKey: checkPriority },
  ),
  (entries) =>
    entries
      .map(([priority, { minUp }]) => ({ priority: Number(priority), minUp }))
      .sort((a, b) => a.priority - b.priority),
  (tiers) => tiers.map(({ priority, minUp }) => [String(priority), { minUp }] as const),
)

function checkPriority(key: string, path: string, problems: Problem[]): void {
  if (/^[1-9]\d{0,3}$/.test(key) && Number(key) <= maxPriority) return
  const message = `must be a priority, a whole number from 1 to ${maxPriority}, not ${show(key)}`
  problems.push({ path, message })
}

/** The settings of a pool that have no column of their own in the database. */
export type PoolSettings = Pick<
  Pool,
  'unknown' | 'whenAllDown' | 'tiers' | 'hashPrefix' | 'slowStartMs' | 'location' | 'quorum'
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
}
const settingsForm = record(settings, { description: 'an object with the settings of a pool' })

const Members: Form<Pool['members']> = converted(
  map(memberForm, { maxProperties: maxCandidates }, { checkKey: checkName, checkAll: checkTargets }),
  (entries) => entries.map(([name, fields]) => named(name, fields)),
  (members) => members.map((one) => [one.name, one] as const),
)

/** `check` has seen to it that there is one of address and host. */
function named(name: string, fields: MemberFields): Member {
  return { name, ...fields } as Member
}

/** No two members have the same address or host. */
function checkTargets(entries: Entries<MemberFields>, path: string, problems: Problem[]): void {
  const owners = new Map<string, string>()
  for (const [name, { address, host }] of entries) {
    const target = (address ?? host)!
    const what = address === null ? 'host' : 'address'
    const other = owners.get(target)
    const message = `${target} is already the ${what} of member ${other}`
    if (other === undefined) owners.set(target, name)
    else problems.push({ path: joinPath(joinPath(path, name), what), message })
  }
}

const pool = fieldsOf<Pool>()
const poolForm: RecordForm<Omit<Pool, 'name'>> = record(
  {
    monitor: pool.optional('monitor', Name, null),
    select: pool.shown('select', Words(poolSelects), 'all'),
    answers: pool.optional('answers', Whole(1, 1000), null),
    minUp: pool.shown('minUp', Share, 0),
    hosts: pool.optional('hosts', Words(poolHosts), 'resolve'),
    ...settings,
    fallback: pool.optional('fallback', Name, null),
    members: pool.shown('members', Members, []),
    status: ignored,
  },
  {
    description: 'an object with the fields of a pool',
    check(values, path, problems) {
      checkFallback(values, path, problems)
      checkHosts(values, joinPath(path, 'members'), problems)
    },
  },
)
export const PoolSchema = poolForm.schema

/** A pool that is answered with CNAMEs has hosts alone. */
function checkHosts({ hosts, members = [] }: Partial<Pool>, path: string, problems: Problem[]): void {
  if (hosts !== 'cname') return
  for (const { name, address } of members) {
    const at = joinPath(joinPath(path, name), 'address')
    if (address !== null) problems.push({ path: at, message: addressInCnamePool })
  }
}

/**
 * The pool that a fragment describes; null, and every problem reported, when it is not one. A JavaScript object yields keys
 * that look like array indexes first: members named 2 and 10 come before the others.
 */
export function parsePool(name: string, input: unknown, path: string, problems: Problem[]): Pool | null {
  const before = problems.length
  checkName(name, path, problems)
  const fields = poolForm.parse(input, path, problems)
  if (fields?.fallback === name) {
    problems.push({ path: joinPath(path, 'fallback'), message: 'is the pool itself' })
  }
  return fields === undefined || problems.length > before ? null : { name, ...fields }
}

export function formatPool(pool: Pool): Body {
  return poolForm.format(pool)
}

/** Only the settings of a pool, as `formatPoolSettings` gives them; null, and every problem reported, when it is none. */
export function parsePoolSettings(input: unknown, path: string, problems: Problem[]): PoolSettings | null {
  return settingsForm.parse(input, path, problems) ?? null
}

/** What is not the default of the settings of a pool. */
export function formatPoolSettings(pool: PoolSettings): Body {
  return settingsForm.format(pool)
}

/** The member that a fragment describes; null, and every problem reported, when it is not one. */
export function parseMember(name: string, input: unknown, path: string, problems: Problem[]): Member | null {
  const before = problems.length
  checkName(name, path, problems)
  const fields = memberForm.parse(input, path, problems)
  return fields === undefined || problems.length > before ? null : named(name, fields)
}

export function formatMember(member: Member): Body {
  return memberForm.format(member)
}
