import { asc, sql } from '../../../schema/drizzle.ts'
import { memberHealth } from '../../../schema/health.ts'
import { Words } from '../document/fields.ts'
import { formatMemberKey } from '../model/member-key.ts'
import { healthStates, type MemberHealth, withAddressTimes } from '../model/observation.ts'
import { type OnBad, readRows, statementJson } from './stored.ts'
import type { Tx } from './transaction.ts'

/** The last measured state of every member that has one. What can't be read is told, and not known then. */
export async function loadHealth(tx: Tx, onBad?: OnBad): Promise<MemberHealth[]> {
  const rows = await tx.select().from(memberHealth).orderBy(asc(memberHealth.pool), asc(memberHealth.member))
  const state = Words(healthStates)
  return readRows(
    rows,
    (row) => `the health of member ${formatMemberKey(row)}`,
    (row, problems) => {
      const read = state.parse(row.state, 'state', problems)
      return read === undefined ? null : withAddressTimes({ ...(row as MemberHealth), state: read })
    },
    onBad,
  )
}

export interface MeasuredHealth extends MemberHealth {
  /** Which of those that have had the name it was measured of; null or left out: whoever has it. */
  readonly born?: number | null
}

/** Stores measured states, one statement for all; those of members that no longer exist are ignored. */
export async function saveHealth(tx: Tx, health: readonly MeasuredHealth[]): Promise<void> {
  if (health.length === 0) return
  // The last word on a member counts: a statement can't touch a row twice.
  const latest = new Map(health.map((one) => [formatMemberKey(one), one]))
  // Locking the members, in one order for everybody, keeps them from going away before the rows that refer to them
  // are in, and two nodes from waiting for each other.
  await tx.execute(sql`
    with measured as (
      select h.*
      from json_to_recordset(${statementJson([...latest.values()])}::json)
        as h(pool text, member text, state text, since timestamptz, reason text, addresses jsonb, told jsonb, flaps jsonb,
            born bigint)
      join members m on m.pool = h.pool and m.name = h.member and m.born = coalesce(h.born, m.born)
      order by m.pool, m.name
      for key share of m
    )
    insert into member_health (pool, member, state, since, reason, addresses, told, flaps)
    select pool, member, state, since, reason, addresses, told, flaps from measured
    on conflict (pool, member) do update
    set state = excluded.state, since = excluded.since, reason = excluded.reason, addresses = excluded.addresses,
      told = excluded.told, flaps = excluded.flaps`)
}
