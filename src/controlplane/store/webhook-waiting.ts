/** Events that webhooks have not been told yet, as nodes leave them to their next start, or to each other. */
import { sql } from '../../../schema/drizzle.ts'
import { statementJson } from './stored.ts'
import type { Tx } from './transaction.ts'

export interface WaitingEvent {
  /** Of its message. */
  readonly id: string
  readonly webhook: string
  /** The event as JSON. */
  readonly body: string
}

/** What nobody was told for so long is news no more. */
const keptFor = '1 day'
/** A node that has said nothing for so long does not come back to what it left. */
const goneAfter = '5 minutes'
/** Rows of one statement. */
const mostRows = 1_000

/** Keeps events, in their order. Those of webhooks that are no more are left out. */
export async function saveWaiting(tx: Tx, node: string, events: readonly WaitingEvent[]): Promise<void> {
  for (let at = 0; at < events.length; at += mostRows) {
    const rows = events.slice(at, at + mostRows).map((event, position) => ({ ...event, position }))
    await tx.execute(sql`
      insert into webhook_waiting (id, node, webhook, born, event, stored_at)
      select e.id, ${node}::text, w.name, w.born, e.body::json, clock_timestamp()
      from json_to_recordset(${statementJson(rows)}::json) as e(position int, id text, webhook text, body text)
      join webhooks w on w.name = e.webhook
      order by e.position
      on conflict (id) do nothing`)
  }
}

/** Forgets what has been told, of what belongs to this node. */
export async function removeWaiting(tx: Tx, node: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.execute(sql`
    delete from webhook_waiting where node = ${node}
      and id in (select * from json_array_elements_text(${statementJson(ids)}::json))`)
}

/**
 * Makes this node's what was left by nodes that are gone, in order. What stood for longer than a day is deleted.
 *
 * @param names of the webhooks that this node knows
 * @param own also what this node itself left
 */
export async function claimWaiting(
  tx: Tx,
  node: string,
  names: readonly string[],
  own: boolean,
): Promise<WaitingEvent[]> {
  await pruneWaiting(tx)
  const { rows } = await tx.execute<{ id: string; webhook: string; body: string }>(sql`
    with left_over as (
      select o.id from webhook_waiting o
      join webhooks w on w.name = o.webhook and w.born = o.born
      where o.webhook in (select * from json_array_elements_text(${statementJson(names)}::json))
        and case when o.node = ${node} then ${own}::boolean else not exists (
          select from nodes n where n.id = o.node and n.seen_at > clock_timestamp() - ${goneAfter}::interval) end
      order by o.position limit 10000
      for update of o skip locked
    ), claimed as (
      update webhook_waiting o set node = ${node} from left_over where o.id = left_over.id
      returning o.id, o.webhook, o.event::text as body, o.position
    )
    select id, webhook, body from claimed order by position`)
  return rows
}

/** Deletes what is too old, and what no webhook is there for. */
export async function pruneWaiting(tx: Tx): Promise<void> {
  await tx.execute(sql`
    delete from webhook_waiting o where stored_at < clock_timestamp() - ${keptFor}::interval
      or not exists (select from webhooks w where w.name = o.webhook and w.born = o.born)`)
}
