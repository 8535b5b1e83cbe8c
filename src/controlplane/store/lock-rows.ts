/**
 * Locks for what has no row to lock: rows of a table of their own, which end with the transaction. Advisory locks would need no table,
 * but they are one PostgreSQL server's alone: engines that speak its protocol have none, or take them for nothing.
 */
import { type SQL, sql } from '../../../schema/drizzle.ts'

/** Those of zones; the migrations have made a row for each lock. */
const zoneRows = 1024

/** Whoever appends events. */
export const eventsLock = zoneRows

/** Whoever moves gradual changes. */
export const gradualLock = zoneRows + 1

/** Whoever drops rows of feeds. */
export const feedRetentionLock = zoneRows + 2

/** Whoever cuts back the query log. */
export const queriesLock = zoneRows + 3

/** The lock of a zone. Two zones with the same one merely wait for each other. */
export function zoneLock(apex: string): number {
  // FNV-1a, of 32 bits.
  let hash = 0x811c9dc5
  for (const octet of Buffer.from(apex)) hash = Math.imul(hash ^ octet, 0x01000193)
  return (hash >>> 0) % zoneRows
}

/** Waits for locks, and takes them in the order of their numbers, whoever asks. */
export function takeLocks(locks: Iterable<number>): SQL {
  const ids = JSON.stringify([...new Set(locks)])
  return sql`
    select id from lock_rows where id in (select value::int from json_array_elements_text(${ids}::json))
    order by id for update`
}

/** As `takeLocks`, but only those that nobody else has: their ids. */
export function tryLocks(locks: Iterable<number>): SQL {
  return sql`${takeLocks(locks)} skip locked`
}

/** Takes a lock as part of a statement: false when somebody else has it. */
export function tryLock(lock: number): SQL {
  return sql`exists (select from lock_rows where id = ${lock}::int for update skip locked)`
}
