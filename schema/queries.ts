import { instant, key } from './column-types.ts'
import { bigint, index, inet, integer, jsonb, pgTable, text } from './drizzle.ts'

/** Which member answered, of which pool, for which service. */
interface Answered {
  readonly service: string
  readonly pool: string
  readonly member: string
}

/**
 * The query log: queries that were answered, one in so many, without who asked but for the network. Nodes add to it what they have had
 * since they added last, so ids follow the time of day but for a second or two. Bounded by `store/queries.ts`.
 *
 * One table and no partitions: what goes is the lowest ids, found by either index, and in the order in which it was written. An index by
 * name or client was rejected: each query would pay for it, and a million rows are read through in one to three seconds.
 */
export const queries = pgTable(
  'queries',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: instant('at').notNull(),
    node: key('node').notNull(),
    /** Its network, as far as it is kept. */
    client: inet('client').notNull(),
    transport: text('transport').notNull(),
    /** Lower-cased, without its final dot unless it is the root; null where the query had none that can be read. */
    name: key('name'),
    type: text('type'),
    rcode: text('rcode').notNull(),
    /** Of the response. */
    octets: integer('octets').notNull(),
    /** Null where no service was asked for. */
    answered: jsonb('answered').$type<readonly Answered[]>(),
  },
  (t) => [index('queries_at_index').on(t.at)],
)
