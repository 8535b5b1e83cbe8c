/** The query log: queries that were answered, as sampled by every node. */
import { and, eq, gte, lt, type SQL, sql } from '../../../schema/drizzle.ts'
import { queries } from '../../../schema/queries.ts'
import type { AnsweredBy, LoggedQuery, QueryLogBounds } from '../model/logged-query.ts'
import { queriesLock, tryLock } from './lock-rows.ts'
import { type Page, type PageRequest, readPage, statementJson } from './stored.ts'
import type { Tx } from './transaction.ts'

/** One that is stored. */
export interface StoredQuery extends LoggedQuery {
  readonly id: number
  /** Who answered it. */
  readonly node: string
}

/** Adds queries that a node has answered, in their order. */
export async function appendQueries(tx: Tx, node: string, added: readonly LoggedQuery[]): Promise<void> {
  const rows = added.map((query, position) => ({
    ...query,
    answered: query.answered.length === 0 ? null : query.answered,
    position,
  }))
  await tx.execute(sql`
    insert into queries (at, node, client, transport, name, type, rcode, octets, answered)
    select at, ${node}::text, client, transport, name, type, rcode, octets, answered
    from json_to_recordset(${statementJson(rows)}::json)
      as q(position int, at timestamptz, client inet, transport text, name text, type text, rcode text, octets int, answered jsonb)
    order by position`)
}

export interface QueryFilter {
  /** As `LoggedQuery` has it. */
  readonly name?: string | undefined
  /** An address or a network: those that may have come from it. */
  readonly client?: string | undefined
  /** Of those that a member answered for it. */
  readonly service?: string | undefined
  readonly rcode?: string | undefined
  readonly node?: string | undefined
  /** At or after. */
  readonly since?: Date | undefined
  /** Before. */
  readonly until?: Date | undefined
}

/** Newest first. */
export async function listQueries(tx: Tx, request: QueryFilter & PageRequest): Promise<Page<StoredQuery>> {
  const { name, client, service, rcode, node, since, until } = request
  const where = and(
    name === undefined ? undefined : eq(queries.name, name),
    client === undefined ? undefined : sql`${queries.client} && ${client}::inet`,
    service === undefined ? undefined : sql`${queries.answered} @> ${JSON.stringify([{ service }])}::jsonb`,
    rcode === undefined ? undefined : eq(queries.rcode, rcode),
    node === undefined ? undefined : eq(queries.node, node),
    since === undefined ? undefined : gte(queries.at, since),
    until === undefined ? undefined : lt(queries.at, until),
  )
  const all = tx.select().from(queries).$dynamic()
  const read = (rows: (typeof queries.$inferSelect)[]) =>
    rows.map(
      ({ answered, ...row }) => ({ ...row, answered: (answered ?? []) as AnsweredBy[] }) as StoredQuery,
    )
  return readPage(all, { id: queries.id }, request, read, { where, newest: true })
}

/** Rows of one transaction: a tenth of a second's work. */
const prunedAtOnce = 10_000
/** Of one pruning: more than a few nodes bring in the minute between two. */
const mostPruned = 1_000_000

/** What of a database is needed here. */
interface Recording {
  record<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}

/**
 * Deletes what is beyond the bounds, the oldest first, in small transactions; nothing while another node is at it. Cheap when there is nothing to do.
 *
 * @returns how many rows
 */
export async function pruneQueries(
  database: Recording,
  { ageMs, rows }: QueryLogBounds,
  now: Date,
): Promise<number> {
  const before = new Date(now.getTime() - ageMs)
  let deleted = 0
  for (const beyond of [
    sql`at < ${before.toISOString()}::timestamptz order by at`,
    sql`id <= (select max(id) from queries) - ${rows}::bigint order by id`,
  ]) {
    let last = prunedAtOnce
    while (last === prunedAtOnce && deleted < mostPruned) {
      last = await deleteSome(database, beyond)
      deleted += last
    }
  }
  return deleted
}

async function deleteSome(database: Recording, beyond: SQL): Promise<number> {
  return database.record(async (tx) => {
    const { rowCount } = await tx.execute(sql`
      with mine as materialized (select ${tryLock(queriesLock)} as mine)
      delete from queries where (select mine from mine)
        and id in (select id from queries where ${beyond} limit ${prunedAtOnce}::integer)`)
    return rowCount ?? 0
  })
}
