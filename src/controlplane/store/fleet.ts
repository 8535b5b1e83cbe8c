/** What nodes tell each other through the database: that they are there, what they have measured, and reports on members. */
import { asc, eq, inArray, sql } from '../../../schema/drizzle.ts'
import { nodes, reports } from '../../../schema/fleet.ts'
import { Percent, Words } from '../document/fields.ts'
import { map } from '../document/forms.ts'
import { ControlError } from '../model/errors.ts'
import { formatMemberKey } from '../model/member-key.ts'
import type { MemberReport, NodeRecord, NodeVerdicts, SigningNode } from '../model/observation.ts'
import { type OnBad, readRows, statementJson } from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** A node that has been silent for so long is shown no more, and reports that ended so long ago are deleted. */
const shownFor = '1 day'
/** A node that has been silent for so long counts as gone: rollovers of keys wait for it no more. */
const keptFor = '7 days'
/**
 * Reports are read again from so long before the last look: a transaction that began earlier may have committed later.
 * Longer than any statement here may take.
 */
const overlap = '10 seconds'

/** What a node says of itself. */
export interface Heartbeat extends Omit<NodeRecord, 'seenAt' | 'live'> {
  /** Null: the same as in the last one. */
  readonly verdicts: { readonly version: number; readonly byPool: NodeVerdicts } | null
  /** Of the revision; null when it is not known. */
  readonly stamp?: string | null
  /** See `schema/fleet.ts`. */
  readonly unsigned?: readonly string[]
  /** The same. */
  readonly leases?: Readonly<Record<string, number>>
}

/** Says that a node is there. */
export async function beat(tx: Tx, heartbeat: Heartbeat): Promise<void> {
  const { verdicts, ...node } = heartbeat
  const said = verdicts === null ? {} : { verdicts: verdicts.byPool, verdictsVersion: verdicts.version }
  await tx
    .insert(nodes)
    .values({ verdicts: {}, verdictsVersion: 0, ...node, ...said, seenAt: sql`clock_timestamp()` })
    .onConflictDoUpdate({ target: nodes.id, set: { ...node, ...said, seenAt: sql`clock_timestamp()` } })
}

/** A node that stops says so: it has no vote from then on. */
export async function leave(tx: Tx, id: string): Promise<void> {
  await tx.delete(nodes).where(eq(nodes.id, id))
}

/** Every node that has been seen within a day, in the order of ids. */
export async function listNodes(tx: Tx, liveForMs: number): Promise<NodeRecord[]> {
  return (await seenNodes(tx, liveForMs)).map(({ verdictsVersion: _, ...node }) => node)
}

/** A node that says no stamp is of a version that knew none. */
const isOfHistory = sql<boolean>`${nodes.stamp} is null or exists (
  select from changes c where c.revision = ${nodes.revision} and c.stamp = ${nodes.stamp})`

/** The live nodes, and the revision that each serves of the history that the database has: -1 for one of another history. */
export async function listServing(
  tx: Tx,
  liveForMs: number,
): Promise<{ readonly id: string; readonly revision: number }[]> {
  const rows = await tx
    .select({ id: nodes.id, revision: nodes.revision, isOfHistory: sql<boolean>`${isOfHistory}` })
    .from(nodes)
    .where(seenWithin(`${liveForMs} milliseconds`))
  return rows.map(({ id, revision, isOfHistory }) => ({ id, revision: isOfHistory ? revision : -1 }))
}

/** Another node that is there. */
export interface Peer {
  readonly id: string
  /** It doubts its own network, so its verdicts do not count. */
  readonly suspect: boolean
  /** Of the configuration that it measures by, or one before that. */
  readonly revision: number
  readonly version: number
}

/** Every node as `listNodes` has them, and of those the live ones but `self` as peers. */
export async function lookAround(
  tx: Tx,
  self: string,
  liveForMs: number,
): Promise<{ readonly nodes: NodeRecord[]; readonly peers: Peer[] }> {
  const rows = await seenNodes(tx, liveForMs)
  return {
    nodes: rows.map(({ verdictsVersion: _, ...node }) => node),
    peers: rows
      .filter(({ id, live }) => live && id !== self)
      .map(({ id, suspect, verdictsVersion: version, revision }) => ({ id, suspect, version, revision })),
  }
}

/**
 * Forgets a node at an operator's word. Throws `conflict` for one that is live, and `not-found` where there is none of that id.
 */
export async function forgetNode(write: Write, id: string, liveForMs: number): Promise<void> {
  const [found] = await write.tx
    .select({ name: nodes.name, seenAt: nodes.seenAt, live: seenWithin(`${liveForMs} milliseconds`) })
    .from(nodes)
    .where(eq(nodes.id, id))
  if (found === undefined) throw new ControlError('not-found', `there is no node ${id}`)
  if (found.live)
    throw new ControlError(
      'conflict',
      `node ${id} is live: it was heard a moment ago. Stop it, and it says good-bye itself`,
    )
  write.send(write.tx.delete(nodes).where(eq(nodes.id, id)))
  write.audit('node.forget', id, { name: found.name, seenAt: found.seenAt.toISOString() }, null)
}

/** Every node that has been seen within a week and has not said good-bye, nor was forgotten. */
export async function listSigningNodes(tx: Tx): Promise<SigningNode[]> {
  const silentMs = sql<number>`(extract(epoch from clock_timestamp() - ${nodes.seenAt}) * 1000)::double precision`
  const { id, name, revision, unsigned, seenAt, leases } = nodes
  const rows = await tx
    .select({ id, name, revision, unsigned, seenAt, leases, silentMs, isOfHistory })
    .from(nodes)
    .where(seenWithin(keptFor))
    .orderBy(asc(nodes.id))
  return rows.map(({ isOfHistory, revision, ...row }) => ({ ...row, revision: isOfHistory ? revision : -1 }))
}

function seenNodes(tx: Tx, liveForMs: number) {
  const live = seenWithin(`${liveForMs} milliseconds`)
  const { id, name, version, startedAt, seenAt, revision, suspect, verdictsVersion } = nodes
  return tx
    .select({ id, name, version, startedAt, seenAt, revision, suspect, live, verdictsVersion })
    .from(nodes)
    .where(seenWithin(shownFor))
    .orderBy(asc(nodes.id))
}

/** Nor in times to come, as somebody may say by SQL: it would live for ever, and rollovers of keys be left to it. */
const seenWithin = (interval: string) =>
  sql<boolean>`(${nodes.seenAt} > clock_timestamp() - ${interval}::interval
    and ${nodes.seenAt} < clock_timestamp() + ${keptFor}::interval)`

/** What nodes have measured. Of what can't be read nothing counts, and it is told. */
export async function readVerdicts(
  tx: Tx,
  ids: readonly string[],
  onBad?: OnBad,
): Promise<{ readonly id: string; readonly version: number; readonly byPool: NodeVerdicts }[]> {
  if (ids.length === 0) return []
  const rows = await tx
    .select({ id: nodes.id, version: nodes.verdictsVersion, byPool: nodes.verdicts })
    .from(nodes)
    .where(inArray(nodes.id, [...ids]))
  return rows.map(({ byPool, ...row }) => {
    const [read] = readRows(
      [byPool],
      () => `what node ${row.id} has measured`,
      (written, problems) => Verdicts.parse(written, '', problems) ?? null,
      onBad,
    )
    return { ...row, byPool: byName((read ?? []).map(([pool, of]) => [pool, byName(of)] as const)) }
  })
}

const Verdicts = map(map(Words(['up', 'down'])))

// Without a prototype: no name of a pool is anything but a name.
function byName<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.assign(Object.create(null), Object.fromEntries(entries))
}

/** Stores reports, one statement for all; an older one never replaces a newer, nor one on a member before the one that has its name. */
export async function saveReports(tx: Tx, latest: readonly MemberReport[]): Promise<void> {
  if (latest.length === 0) return
  // In one order for everybody, so that two nodes do not wait for each other.
  await tx.execute(sql`
    insert into reports (pool, member, state, reason, weight_percent, at, until, born, stored_at)
    select pool, member, state, reason, "weightPercent", at, until, born, clock_timestamp()
    from json_to_recordset(${statementJson(latest)}::json) as r(pool text, member text, state text, reason text,
      "weightPercent" double precision, at timestamptz, until timestamptz, born bigint)
    order by pool, member
    on conflict (pool, member) do update set state = excluded.state, reason = excluded.reason,
      weight_percent = excluded.weight_percent, at = excluded.at, until = excluded.until, born = excluded.born,
      stored_at = excluded.stored_at
    where (coalesce(reports.born, 0), reports.at) <= (coalesce(excluded.born, 0), excluded.at)`)
}

/**
 * Reports that were stored since the last look, some of them again. @param since what the look before gave; null for all
 * reports. The second value is for the next look. A report that can't be read is told, and left out.
 */
export async function readReports(
  tx: Tx,
  since: Date | null,
  onBad?: OnBad,
): Promise<{ readonly reports: MemberReport[]; readonly since: Date }> {
  const [clock] = (await tx.execute<{ now: Date | string }>(sql`select clock_timestamp() as now`)).rows
  const { pool, member, state, reason, weightPercent, at, until, born } = reports
  const rows = await tx
    .select({ pool, member, state, reason, weightPercent, at, until, born })
    .from(reports)
    .where(
      since === null
        ? undefined
        : sql`${reports.storedAt} > ${since.toISOString()}::timestamptz - ${overlap}::interval`,
    )
  return { reports: readable(rows, onBad), since: new Date(clock!.now) }
}

const State = Words(['up', 'down'])

function readable(
  rows: readonly (Omit<MemberReport, 'state' | 'born'> & {
    readonly state: string
    readonly born: number | null
  })[],
  onBad?: OnBad,
): MemberReport[] {
  return readRows(
    rows,
    (row) => `the report on member ${formatMemberKey(row)}`,
    ({ born, ...row }, problems) => {
      const { weightPercent } = row
      if (weightPercent !== null) Percent.parse(weightPercent, 'weight', problems)
      const state = State.parse(row.state, 'state', problems)
      return problems.length > 0 || state === undefined
        ? null
        : { ...row, state, ...(born === null ? {} : { born }) }
    },
    onBad,
  )
}

/** Forgets nodes that are long gone, and reports that ran out long ago or whose member is no more. */
export async function pruneFleet(tx: Tx): Promise<void> {
  await tx.execute(sql`delete from nodes where not ${seenWithin(keptFor)}`)
  await tx.execute(sql`
    delete from reports r where until < clock_timestamp() - ${shownFor}::interval
      or not exists (select from members m where m.pool = r.pool and m.name = r.member)`)
}
