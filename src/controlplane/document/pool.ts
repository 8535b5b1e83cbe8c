import Type, { type Static } from 'typebox'
import { maxCandidates } from '../../dataplane/image/plan.ts'
import type { Problem } from '../model/errors.ts'
import {
  allDownPolicies,
  type Member,
  type Pool,
  type PoolHosts,
  poolHosts,
  poolSelects,
  quorums,
  type Tier,
  unknownCounts,
} from '../model/pool.ts'
import { addressInCnamePool } from '../rules/places.ts'
import { formatDuration } from './duration.ts'
import {
  Address,
  addressText,
  checkName,
  Duration,
  durationMs,
  Host,
  hostText,
  Name,
  Port,
  Whole,
  Words,
} from './fields.ts'
import { joinPath } from './path.ts'
import { compileCheck, show } from './schema-check.ts'
import {
  checkFallback,
  formatHashPrefix,
  HashPrefix,
  hashPrefixFrom,
  LocationSchema,
  locationFrom,
  Share,
} from './steering-fields.ts'

const maxPriority = 1000

export const MemberSchema = Type.Object(
  {
    address: Type.Optional(Address()),
    host: Type.Optional(Host()),
    weight: Type.Optional(Whole(0, 65535)),
    priority: Type.Optional(Whole(1, maxPriority)),
    probe: Type.Optional(
      Type.Object(
        { address: Type.Optional(Address()), port: Type.Optional(Port()) },
        { additionalProperties: false },
      ),
    ),
    status: Type.Optional(Type.Unknown()),
  },
  {
    additionalProperties: false,
    description: 'an object with the fields of a member: address or host, and others',
  },
)
export type MemberBody = Static<typeof MemberSchema>

const Tiers = Type.Record(
  Type.String(),
  Type.Object({ minUp: Share() }, { additionalProperties: false, description: 'an object with minUp' }),
  { maxProperties: maxPriority, description: 'a map from priority to { minUp }' },
)

/** What pools have beside their members that has no column of its own in the database. */
const PoolSettingsFields = {
  unknown: Type.Optional(Words(unknownCounts)),
  whenAllDown: Type.Optional(Words(allDownPolicies)),
  tiers: Type.Optional(Tiers),
  hashPrefix: Type.Optional(HashPrefix),
  slowStart: Type.Optional(Duration(0, 86_400_000)),
  location: Type.Optional(LocationSchema),
  quorum: Type.Optional(Words(quorums)),
}

export const PoolSchema = Type.Object(
  {
    monitor: Type.Optional(Name()),
    select: Type.Optional(Words(poolSelects)),
    answers: Type.Optional(Whole(1, 1000)),
    minUp: Type.Optional(Share()),
    hosts: Type.Optional(Words(poolHosts)),
    ...PoolSettingsFields,
    fallback: Type.Optional(Name()),
    members: Type.Optional(Type.Record(Type.String(), MemberSchema, { maxProperties: maxCandidates })),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a pool' },
)
export type PoolBody = Static<typeof PoolSchema>

const PoolSettingsSchema = Type.Object(PoolSettingsFields, {
  additionalProperties: false,
  description: 'an object with the settings of a pool',
})
export type PoolSettingsBody = Static<typeof PoolSettingsSchema>

/** What `PoolSettingsBody` says. */
export type PoolSettings = Pick<
  Pool,
  'unknown' | 'whenAllDown' | 'tiers' | 'hashPrefix' | 'slowStartMs' | 'location' | 'quorum'
>

const checkPool = compileCheck(PoolSchema)
const checkSettings = compileCheck(PoolSettingsSchema)
const checkMember = compileCheck(MemberSchema)

/** The pool that a fragment describes; null, and every problem reported, when it is not one. */
export function parsePool(name: string, input: unknown, path: string, problems: Problem[]): Pool | null {
  const before = problems.length
  checkName(name, path, problems)
  const found = checkPool(input, path)
  problems.push(...found)
  const bad = new Set(found.map((problem) => problem.path))
  const membersAt = joinPath(path, 'members')
  if (bad.has(path) || bad.has(membersAt)) return null
  const body = input as PoolBody
  // A JavaScript object yields keys that look like array indexes first: members named 2 and 10 come before the others.
  const entries = Object.entries(body.members ?? {})
  for (const [member] of entries) checkName(member, joinPath(membersAt, member), problems)
  checkTargets(entries, body.hosts ?? 'resolve', membersAt, bad, problems)
  if (!bad.has(joinPath(path, 'tiers'))) checkTiers(body, path, problems)
  checkFallback(body, path, bad, problems)
  if (body.fallback === name) {
    problems.push({ path: joinPath(path, 'fallback'), message: 'is the pool itself' })
  }
  if (problems.length > before) return null
  return {
    name,
    monitor: body.monitor ?? null,
    select: body.select ?? 'all',
    answers: body.answers ?? null,
    minUp: (body.minUp ?? 0) + 0,
    hosts: body.hosts ?? 'resolve',
    ...settingsFrom(body),
    fallback: body.fallback ?? null,
    members: entries.map(([member, fields]) => memberFrom(member, fields)),
  }
}

/** Only the settings of a pool, as `formatPoolSettings` gives them; null, and every problem reported, when it is none. */
export function parsePoolSettings(input: unknown, path: string, problems: Problem[]): PoolSettings | null {
  const found = checkSettings(input, path)
  problems.push(...found)
  if (found.length > 0) return null
  const before = problems.length
  checkTiers(input as PoolSettingsBody, path, problems)
  return problems.length > before ? null : settingsFrom(input as PoolSettingsBody)
}

function settingsFrom(body: PoolSettingsBody): PoolSettings {
  return {
    unknown: body.unknown ?? 'up',
    whenAllDown: body.whenAllDown ?? null,
    tiers: tiersFrom(body.tiers ?? {}),
    hashPrefix: hashPrefixFrom(body.hashPrefix),
    slowStartMs: body.slowStart === undefined ? 0 : durationMs(body.slowStart),
    location: locationFrom(body.location),
    quorum: body.quorum ?? 'own',
  }
}

function tiersFrom(tiers: NonNullable<PoolSettingsBody['tiers']>): Tier[] {
  return Object.entries(tiers)
    .map(([priority, { minUp }]) => ({ priority: Number(priority), minUp: minUp + 0 }))
    .sort((a, b) => a.priority - b.priority)
}

function checkTiers({ tiers = {} }: PoolSettingsBody, path: string, problems: Problem[]): void {
  for (const key of Object.keys(tiers)) {
    if (/^[1-9]\d{0,3}$/.test(key) && Number(key) <= maxPriority) continue
    const message = `must be a priority, a whole number from 1 to ${maxPriority}, not ${show(key)}`
    problems.push({ path: joinPath(joinPath(path, 'tiers'), key), message })
  }
}

/** The member that a fragment describes; null, and every problem reported, when it is not one. */
export function parseMember(name: string, input: unknown, path: string, problems: Problem[]): Member | null {
  const before = problems.length
  checkName(name, path, problems)
  const found = checkMember(input, path)
  problems.push(...found)
  if (found.every((problem) => problem.path !== path)) checkTarget(input as MemberBody, path, problems)
  return problems.length > before ? null : memberFrom(name, input as MemberBody)
}

function memberFrom(name: string, body: MemberBody): Member {
  const settings = {
    name,
    weight: body.weight ?? 100,
    priority: body.priority ?? 1,
    probeAddress: body.probe?.address === undefined ? null : addressText(body.probe.address),
    probePort: body.probe?.port ?? null,
  }
  return body.host === undefined
    ? { ...settings, address: addressText(body.address!), host: null }
    : { ...settings, address: null, host: hostText(body.host) }
}

/** A member is an address or a host. */
function checkTarget(body: MemberBody, path: string, problems: Problem[]): void {
  const addressAt = joinPath(path, 'address')
  if (body.address === undefined && body.host === undefined) {
    problems.push({ path: addressAt, message: 'is required, or host in its place' })
  } else if (body.address !== undefined && body.host !== undefined) {
    problems.push({ path: addressAt, message: 'stands beside host: a member has one of the two' })
  }
}

/** One address or host a member, no two the same, and only hosts in a pool that is answered with CNAMEs. */
function checkTargets(
  entries: readonly [string, MemberBody][],
  hosts: PoolHosts,
  membersAt: string,
  bad: ReadonlySet<string>,
  problems: Problem[],
): void {
  const owners = new Map<string, string>()
  for (const [name, body] of entries) {
    const memberAt = joinPath(membersAt, name)
    const addressAt = joinPath(memberAt, 'address')
    const hostAt = joinPath(memberAt, 'host')
    if (bad.has(memberAt) || bad.has(addressAt) || bad.has(hostAt)) continue
    checkTarget(body, memberAt, problems)
    if (hosts === 'cname' && body.address !== undefined) {
      problems.push({ path: addressAt, message: addressInCnamePool })
    }
    const target = body.address === undefined ? body.host && hostText(body.host) : addressText(body.address)
    if (target === undefined) continue
    const other = owners.get(target)
    const [path, what] = body.address === undefined ? [hostAt, 'host'] : [addressAt, 'address']
    if (other === undefined) owners.set(target, name)
    else problems.push({ path, message: `${target} is already the ${what} of member ${other}` })
  }
}

export function formatPool(pool: Pool): PoolBody {
  return {
    ...(pool.monitor === null ? {} : { monitor: pool.monitor }),
    select: pool.select,
    ...(pool.answers === null ? {} : { answers: pool.answers }),
    minUp: pool.minUp,
    ...(pool.hosts === 'resolve' ? {} : { hosts: pool.hosts }),
    ...formatPoolSettings(pool),
    ...(pool.fallback === null ? {} : { fallback: pool.fallback }),
    members: Object.fromEntries(pool.members.map((member) => [member.name, formatMember(member)])),
  }
}

/** What is not the default of the settings of a pool. */
export function formatPoolSettings(pool: PoolSettings): PoolSettingsBody {
  const { unknown, whenAllDown, tiers, slowStartMs, location, quorum } = pool
  return {
    ...(unknown === 'up' ? {} : { unknown }),
    ...(whenAllDown === null ? {} : { whenAllDown }),
    ...(tiers.length === 0
      ? {}
      : { tiers: Object.fromEntries(tiers.map(({ priority, minUp }) => [priority, { minUp }])) }),
    ...formatHashPrefix(pool.hashPrefix),
    ...(slowStartMs === 0 ? {} : { slowStart: formatDuration(slowStartMs) }),
    ...(location === null ? {} : { location: { ...location } }),
    ...(quorum === 'own' ? {} : { quorum }),
  }
}

export function formatMember(member: Member): MemberBody {
  const probe = {
    ...(member.probeAddress === null ? {} : { address: member.probeAddress }),
    ...(member.probePort === null ? {} : { port: member.probePort }),
  }
  return {
    ...(member.host === null ? { address: member.address } : { host: member.host }),
    weight: member.weight,
    ...(member.priority === 1 ? {} : { priority: member.priority }),
    ...(Object.keys(probe).length === 0 ? {} : { probe }),
  }
}
