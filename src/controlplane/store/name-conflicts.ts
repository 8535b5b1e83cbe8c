/**
 * What may stand at one name of a zone, checked in the transaction that writes, so that two writers can't each put
 * half of a contradiction. Whole zones are checked more closely at the edge (`dataplane/image`); these are the rules
 * that reach across resources.
 */
import { and, eq, inArray } from 'drizzle-orm'
import { services } from '../../../schema/services.ts'
import { rrsets } from '../../../schema/zones.ts'
import { standsBesideCname } from '../../dataplane/image/check.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Rrset } from '../model/zone.ts'
import { absoluteName, relativeOwner } from './names.ts'
import type { Tx } from './transaction.ts'

/** A service gives the addresses of its name itself, and a CNAME may have no other data beside it. */
export const takenByService = ['A', 'AAAA', 'CNAME']

/** Names of services hold dots, so they are quoted in a path. */
export const pathOfService = (name: string) => `services[${JSON.stringify(name)}]`

/** Problems in one answer; whoever has more starts with these. */
export const mostProblems = 100

/** Throws `conflict` with the problems, the first of them in the message. */
export function throwIfAny(problems: readonly Problem[], message: string): void {
  const [first] = problems
  if (first === undefined) return
  throw new ControlError('conflict', `${message}: ${first.message}`, {
    problems: problems.slice(0, mostProblems),
  })
}

/** Who names what is to be deleted, and where. */
export interface User {
  /** Such as `pool`. */
  readonly kind: string
  readonly name: string
  readonly problem: Problem
}

/** Throws `conflict` when anybody uses `what`, with the problem of each. Those of a kind stand together. */
export function throwIfUsed(what: string, users: readonly User[]): void {
  if (users.length === 0) return
  const kinds = Map.groupBy(users, ({ kind }) => kind)
  const lists = Array.from(kinds, ([kind, named]) => {
    return `${kind}${named.length === 1 ? '' : 's'} ${named.map(({ name }) => name).join(', ')}`
  })
  throw new ControlError('conflict', `${what} is used by ${lists.join(' and ')}`, {
    problems: users.map(({ problem }) => problem),
  })
}

/** CNAME beside other data (RFC 1034 section 3.6.2), the SOA at the apex included. Takes RRsets of whole owners. */
export function cnameProblems(all: readonly Rrset[], pathOf: (index: number) => string): Problem[] {
  const aliases = new Set(all.filter(({ type }) => type === 'CNAME').map(({ owner }) => owner))
  if (aliases.size === 0) return []
  return all.flatMap(({ owner, type }, index) => {
    if (!standsBesideCname(type) && aliases.has(owner)) {
      return { path: pathOf(index), message: `${owner} has a CNAME, so it can't have ${type}` }
    }
    const atApex = type === 'CNAME' && owner === '@'
    return atApex ? { path: pathOf(index), message: "the apex has an SOA, so it can't have a CNAME" } : []
  })
}

/** RRsets that stand where a service of their zone does. */
export async function serviceProblems(
  tx: Tx,
  apex: string,
  all: readonly Rrset[],
  pathOf: (index: number) => string,
): Promise<Problem[]> {
  const suspects = [...all.entries()].filter(([, { type }]) => takenByService.includes(type))
  if (suspects.length === 0) return []
  const inZone = eq(services.zone, apex)
  // One RRset asks for its name; a whole zone asks for all services, of which there are fewer than names.
  const [first] = suspects
  const only = suspects.length === 1 ? eq(services.name, absoluteName(first![1].owner, apex)) : undefined
  const rows = await tx.select({ name: services.name }).from(services).where(and(inZone, only))
  const owners = new Set(rows.map(({ name }) => relativeOwner(name, apex)))
  return suspects
    .filter(([, { owner }]) => owners.has(owner))
    .map(([index, { owner, type }]) => ({
      path: pathOf(index),
      message: `${absoluteName(owner, apex)} is a service, so it can't have ${type}`,
    }))
}

/** The view of `serviceProblems` from services that are to lie in a zone: which RRsets are in their way. */
export async function rrsetProblems(
  tx: Tx,
  apex: string,
  serviceNames: readonly string[],
): Promise<Problem[]> {
  if (serviceNames.length === 0) return []
  const owners = serviceNames.map((name) => relativeOwner(name, apex))
  const rows = await tx
    .select({ owner: rrsets.owner, type: rrsets.type })
    .from(rrsets)
    .where(and(eq(rrsets.zone, apex), inArray(rrsets.owner, owners), inArray(rrsets.type, takenByService)))
    .orderBy(rrsets.owner, rrsets.type)
  return rows.map(({ owner, type }) => {
    const name = absoluteName(owner, apex)
    return { path: pathOfService(name), message: `zone ${apex} has ${type} at ${name}, where the service is` }
  })
}
