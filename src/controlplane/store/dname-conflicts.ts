/**
 * Nothing may be below a DNAME (RFC 6672 section 2.3): no data, and no service. Checked in the transaction that writes,
 * like `name-conflicts.ts`. A whole zone's own data has been checked at the edge (`dataplane/image/check.ts`), so here one
 * RRset is looked at, and what reaches across to services. A write that has no DNAME in it costs a look at the names
 * above; only one that has looks at the whole zone.
 */
import { and, eq, inArray, ne, type SQL, sql } from 'drizzle-orm'
import { services } from '../../../schema/services.ts'
import { rrsets } from '../../../schema/zones.ts'
import { dnameAtCut, namesAbove } from '../../dataplane/image/check.ts'
import type { Problem } from '../model/errors.ts'
import type { Rrset } from '../model/zone.ts'
import { pathOfService } from './name-conflicts.ts'
import { absoluteName, relativeOwner } from './names.ts'
import type { Tx } from './transaction.ts'

/**
 * What a DNAME forbids (RFC 6672 section 2.3), for one RRset that goes into a zone: data below it, and beside it the NS
 * of a cut.
 *
 * @param others the other RRsets of its owner
 */
export async function dnameProblems(
  tx: Tx,
  apex: string,
  rrset: Rrset,
  others: readonly Rrset[],
): Promise<Problem[]> {
  const { owner, type } = rrset
  const messages: string[] = []
  const types = new Set([type, ...others.map((other) => other.type)])
  if (owner !== '@' && types.has('NS') && types.has('DNAME')) messages.push(`${owner}: ${dnameAtCut}`)
  const above = await dnamesAt(tx, apex, namesAbove(owner))
  messages.push(...above.map((name) => `${name} has a DNAME, so nothing can be below it`))
  if (type === 'DNAME') {
    const [below] = await tx
      .select({ owner: rrsets.owner, type: rrsets.type })
      .from(rrsets)
      .where(and(eq(rrsets.zone, apex), liesBelow(owner)))
      .orderBy(rrsets.owner, rrsets.type)
      .limit(1)
    if (below !== undefined) {
      messages.push(`${below.owner} has ${below.type}, and nothing can be below a DNAME`)
    }
  }
  const messagesOfServices = (await occludedServices(tx, apex, [rrset], () => '')).map((p) => p.message)
  return [...messages, ...messagesOfServices].map((message) => ({ path: '', message }))
}

/** Services that lie below a DNAME of these RRsets, which are to be in their zone. */
export async function occludedServices(
  tx: Tx,
  apex: string,
  all: readonly Rrset[],
  pathOf: (index: number) => string,
): Promise<Problem[]> {
  const dnames = [...all.entries()].filter(([, { type }]) => type === 'DNAME')
  if (dnames.length === 0) return []
  const rows = await tx.select({ name: services.name }).from(services).where(eq(services.zone, apex))
  const below = new Map(
    rows.flatMap(({ name }) => namesAbove(relativeOwner(name, apex)).map((at) => [at, name])),
  )
  return dnames.flatMap(([index, { owner }]) => {
    const service = below.get(owner)
    if (service === undefined) return []
    return { path: pathOf(index), message: `${service} is a service, and nothing can be below a DNAME` }
  })
}

/** The same seen from services that are to lie in a zone: those that have a DNAME of it above them. */
export async function servicesBelowDname(
  tx: Tx,
  apex: string,
  serviceNames: readonly string[],
): Promise<Problem[]> {
  const places = serviceNames.map((name) => ({ name, above: namesAbove(relativeOwner(name, apex)) }))
  const dnames = new Set(await dnamesAt(tx, apex, [...new Set(places.flatMap(({ above }) => above))]))
  return places.flatMap(({ name, above }) => {
    const dname = above.find((owner) => dnames.has(owner))
    if (dname === undefined) return []
    const message = `zone ${apex} has a DNAME at ${absoluteName(dname, apex)}, and nothing can be below it`
    return { path: pathOfService(name), message }
  })
}

/** Which of these owners have a DNAME. */
async function dnamesAt(tx: Tx, apex: string, owners: readonly string[]): Promise<string[]> {
  if (owners.length === 0) return []
  const rows = await tx
    .select({ owner: rrsets.owner })
    .from(rrsets)
    .where(and(eq(rrsets.zone, apex), inArray(rrsets.owner, [...owners]), eq(rrsets.type, 'DNAME')))
    .orderBy(rrsets.owner)
  return rows.map((row) => row.owner)
}

/** Rows of owners below `owner`: its text behind a dot at the end, and that dot not an escaped one. */
function liesBelow(owner: string): SQL | undefined {
  if (owner === '@') return ne(rrsets.owner, '@')
  const suffix = `.${owner}`
  const head = sql`left(${rrsets.owner}, -${suffix.length}::int)`
  return and(
    eq(sql`right(${rrsets.owner}, ${suffix.length}::int)`, suffix),
    sql`${head} ~ ${'^([^\\\\]|\\\\.)+$'}`,
  )
}
