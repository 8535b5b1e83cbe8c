import { and, asc, desc, eq, lt, sql } from 'drizzle-orm'
import { healthEvents, memberHealth } from '../../../schema/health.ts'
import type { HealthEvent, MemberHealth } from '../model.ts'
import { decodeCursor, type Page, type PageRequest, pageOf } from './stored.ts'
import type { Tx } from './transaction.ts'

/** The last measured state of every member that has one. */
export async function loadHealth(tx: Tx): Promise<MemberHealth[]> {
  const rows = await tx.select().from(memberHealth).orderBy(asc(memberHealth.pool), asc(memberHealth.member))
  return rows.map((row) => ({ ...row, state: row.state as MemberHealth['state'] }))
}

/** Stores measured states, one statement for all; those of members that no longer exist are ignored. */
export async function saveHealth(tx: Tx, health: readonly MemberHealth[]): Promise<void> {
  if (health.length === 0) return
  // The last word on a member counts: a statement can't touch a row twice.
  const latest = new Map(health.map((one) => [`${one.pool}/${one.member}`, one]))
  // Locking the members, in one order for everybody, keeps them from going away before the rows that refer to them
  // are in, and two nodes from waiting for each other.
  await tx.execute(sql`
    with measured as (
      select h.*
      from json_to_recordset(${JSON.stringify([...latest.values()])}::json)
        as h(pool text, member text, state text, since timestamptz, reason text)
      join members m on m.pool = h.pool and m.name = h.member
      order by m.pool, m.name
      for key share of m
    )
    insert into member_health (pool, member, state, since, reason)
    select pool, member, state, since, reason from measured
    on conflict (pool, member) do update
    set state = excluded.state, since = excluded.since, reason = excluded.reason`)
}

/** Adds transitions to the record, in their order. */
export async function appendEvents(tx: Tx, events: readonly HealthEvent[]): Promise<void> {
  if (events.length === 0) return
  const numbered = events.map((event, position) => ({ ...event, position }))
  await tx.execute(sql`
    insert into health_events (pool, member, from_state, to_state, reason, at)
    select pool, member, "from", "to", reason, at
    from json_to_recordset(${JSON.stringify(numbered)}::json)
      as e(position int, pool text, member text, "from" text, "to" text, reason text, at timestamptz)
    order by position`)
}

export interface EventFilter extends PageRequest {
  readonly pool?: string | undefined
  readonly member?: string | undefined
}

/** Transitions, newest first, of all members or of a pool's or of one. */
export async function listEvents(tx: Tx, filter: EventFilter): Promise<Page<HealthEvent>> {
  const { limit, cursor, pool, member } = filter
  const after = decodeCursor(cursor, 'number')
  const rows = await tx
    .select()
    .from(healthEvents)
    .where(
      and(
        after === null ? undefined : lt(healthEvents.id, after[0]),
        pool === undefined ? undefined : eq(healthEvents.pool, pool),
        member === undefined ? undefined : eq(healthEvents.member, member),
      ),
    )
    .orderBy(desc(healthEvents.id))
    .limit(limit + 1)
  return pageOf(
    rows,
    limit,
    ({ id: _, ...row }) => row as HealthEvent,
    (row) => [row.id],
  )
}
