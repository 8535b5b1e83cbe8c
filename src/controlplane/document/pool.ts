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
import { Address, Duration, Host, Name, Port, parseNamed, Share, Text, Whole, Words } from './fields.ts'
import {
  type Body,
  converted,
  type Entries,
  type Form,
  fieldsOf,
  ignored,
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
    check({ address, host }, report) {
      if (address === null && host === null) report('is required, or host in its place', 'address')
      else if (address && host) report('stands beside host: a member has one of the two', 'address')
    },
  },
)
export const MemberSchema = memberForm.schema

const Priority = Text(
  `a priority, a whole number from 1 to ${maxPriority}`,
  (text) => /^[1-9]\d{0,3}$/.test(text) && Number(text) <= maxPriority,
)

const tier = fieldsOf<Tier>()
const Tiers: Form<readonly Tier[]> = converted(
  map(
    record({ minUp: tier.required('minUp', Share) }, { description: 'an object with minUp' }),
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
  map(memberForm, { maxProperties: maxCandidates }, { key: Name, check: checkTargets }),
  (entries) => entries.map(([name, fields]) => ({ name, ...fields }) as Member),
  (members) => members.map((one) => [one.name, one] as const),
)

/** No two members have the same address or host. */
function checkTargets(entries: Entries<MemberFields>, report: Report): void {
  const owners = new Map<string, string>()
  for (const [name, { address, host }] of entries) {
    const target = (address ?? host)!
    const what = address === null ? 'host' : 'address'
    const other = owners.get(target)
    if (other === undefined) owners.set(target, name)
    else report(`${target} is already the ${what} of member ${other}`, name, what)
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
    check(values, report) {
      checkFallback(values, report)
      checkHosts(values, report)
    },
  },
)
export const PoolSchema = poolForm.schema

/** A pool that is answered with CNAMEs has hosts alone. */
function checkHosts({ hosts, members = [] }: Partial<Pool>, report: Report): void {
  if (hosts !== 'cname') return
  for (const { name, address } of members) {
    if (address !== null) report(addressInCnamePool, 'members', name, 'address')
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

export const formatPool: (pool: Pool) => Body = poolForm.format

/** Only the settings of a pool, as `formatPoolSettings` gives them; null, and every problem reported, when it is none. */
export function parsePoolSettings(input: unknown, path: string, problems: Problem[]): PoolSettings | null {
  return settingsForm.parse(input, path, problems) ?? null
}

/** What is not the default of the settings of a pool. */
export const formatPoolSettings: (pool: PoolSettings) => Body = settingsForm.format

/** What `check` has let pass has one of address and host. */
export const parseMember: ParseNamed<Member> = (...given) => parseNamed(memberForm, ...given) as Member | null

export const formatMember: (member: Member) => Body = memberForm.format
