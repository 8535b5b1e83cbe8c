import { key } from './column-types.ts'
import { bigint, integer, pgTable, text } from './drizzle.ts'

/**
 * Where a zone is put together from the RRs of its master file. Every import deletes its own rows before it commits, so
 * nobody ever sees rows of somebody else, and the tables look empty to everyone but the import that fills them. UNLOGGED
 * in the migration, as nothing in them outlives its transaction.
 */
export const stagedRrs = pgTable('staged_rrs', {
  /** Counts in the order of the file, from 1. */
  id: bigint('id', { mode: 'number' }).notNull(),
  line: integer('line').notNull(),
  column: integer('column').notNull(),
  owner: key('owner').notNull(),
  type: key('type').notNull(),
  ttlSeconds: integer('ttl_seconds').notNull(),
  data: key('data').notNull(),
  /** The RR that it is, in the text that all its spellings share; null where that is `data`. */
  identity: text('identity'),
  /** How many RDATA has in wire form. */
  octets: integer('octets').notNull(),
})

export const stagedRrsets = pgTable('staged_rrsets', {
  owner: key('owner').notNull(),
  type: key('type').notNull(),
  /** The id of the first of its RRs. */
  firstId: bigint('first_id', { mode: 'number' }).notNull(),
  ttlSeconds: integer('ttl_seconds').notNull(),
  data: text('data').array().notNull(),
  /** How many it has in an answer. */
  octets: bigint('octets', { mode: 'number' }).notNull(),
})
