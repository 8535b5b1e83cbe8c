import Type, { type Static } from 'typebox'
import { maxCandidates } from '../../dataplane/zone/plan.ts'
import { addressInCnamePool } from '../alias-rules.ts'
import type { Problem } from '../errors.ts'
import { type Member, type Pool, type PoolHosts, poolHosts, poolSelects } from '../model.ts'
import { Address, addressText, checkName, Host, hostText, Name, Port, Whole, Words } from './fields.ts'
import { joinPath } from './path.ts'
import { compileCheck } from './schema-check.ts'

export const MemberSchema = Type.Object(
  {
    address: Type.Optional(Address()),
    host: Type.Optional(Host()),
    weight: Type.Optional(Whole(0, 65535)),
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

export const PoolSchema = Type.Object(
  {
    monitor: Type.Optional(Name()),
    select: Type.Optional(Words(poolSelects, ['failover', 'hash'])),
    answers: Type.Optional(Whole(1, 1000)),
    minUp: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: 'a number from 0 to 1' })),
    hosts: Type.Optional(Words(poolHosts)),
    members: Type.Optional(Type.Record(Type.String(), MemberSchema, { maxProperties: maxCandidates })),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a pool' },
)
export type PoolBody = Static<typeof PoolSchema>

const checkPool = compileCheck(PoolSchema)
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
  if (problems.length > before) return null
  return {
    name,
    monitor: body.monitor ?? null,
    select: body.select ?? 'all',
    answers: body.answers ?? null,
    minUp: body.minUp ?? 0,
    hosts: body.hosts ?? 'resolve',
    members: entries.map(([member, fields]) => memberFrom(member, fields)),
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
    members: Object.fromEntries(pool.members.map((member) => [member.name, formatMember(member)])),
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
    ...(Object.keys(probe).length === 0 ? {} : { probe }),
  }
}
