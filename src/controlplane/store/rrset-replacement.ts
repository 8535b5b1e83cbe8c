import { isDeepStrictEqual } from 'node:util'
import { sql } from '../../../schema/drizzle.ts'
import { ControlError } from '../model/errors.ts'
import type { Rrset } from '../model/zone.ts'
import type { RrsetKey } from '../rules/zone-data.ts'
import { batches } from './batches.ts'
import { keptRrsets } from './history.ts'
import { streamRrsets } from './rrsets.ts'
import type { Tx, Write } from './transaction.ts'

/** RRsets in one statement: one JSON parameter of some 200 KiB. */
const batchSize = 2_000

/** Names in an audit entry. */
export const auditedNames = 100

/** What a replacement did, as the audit log shows it. */
export interface AuditedReplacement {
  readonly changed: number
  /** Owner and type of the first of them. */
  readonly put: readonly string[]
  readonly deleted: readonly string[]
}

/** An RRset as it was; null for one that was not there. */
export interface FormerRrset extends RrsetKey {
  readonly before: Rrset | null
}

export interface Replacement extends AuditedReplacement {
  /** Those that changed, as they were; `written` when that is in the history already, null when there are too many, and none of a zone that is new. */
  readonly former: readonly FormerRrset[] | 'written' | null
  /** The first of them, as they were and as they are, where both are at hand. */
  readonly few: readonly ChangedRrset[]
}

/** Null where there was, or is to be, none. */
export interface ChangedRrset {
  readonly before: Rrset | null
  readonly after: Rrset | null
}

/**
 * Makes `wanted` the RRsets of a zone, writing only those that differ. Memory: the zone that is put, once more; what
 * is stored streams by. Throws `invalid` when an owner has a type twice.
 *
 * @param isNew whether the zone is, so that nothing is stored
 * @param isSame whether what is stored may stay
 */
export async function replaceRrsets(
  write: Write,
  apex: string,
  wanted: readonly Rrset[],
  isNew: boolean,
  isSame: (stored: Rrset, next: Rrset) => boolean = isDeepStrictEqual,
): Promise<Replacement> {
  const { tx } = write
  const pending = byKey(wanted)
  const gone: Rrset[] = []
  const former = new Map<string, Rrset>()
  for await (const batch of isNew ? [] : streamRrsets(tx, apex, batchSize)) {
    for (const stored of batch) {
      const key = keyOf(stored)
      const next = pending.get(key)
      if (next === undefined) gone.push(stored)
      else if (isSame(stored, next)) pending.delete(key)
      else if (former.size <= keptRrsets) former.set(key, stored)
    }
  }
  const changed = [...pending.values()]
  for (const batch of batches(gone, batchSize)) write.send(deleteRows(tx, apex, batch))
  for (const batch of batches(changed, batchSize)) write.send(saveRows(tx, apex, batch, write.revision))
  const all = [
    ...gone.map((rrset) => ({ before: rrset, after: null })),
    ...(isNew ? [] : changed).map((rrset) => ({ before: former.get(keyOf(rrset)) ?? null, after: rrset })),
  ]
  return {
    former: formerOf(all),
    // Of more than these it is not known how they were.
    few: all.length > keptRrsets ? [] : all.slice(0, auditedNames),
    changed: changed.length + gone.length,
    put: changed.slice(0, auditedNames).map(keyOf),
    deleted: gone.slice(0, auditedNames).map(keyOf),
  }
}

/**
 * Makes RRsets of a zone what they are to be, and leaves the others alone.
 *
 * @param changes as they were and as they are to be; null for none
 * @param isNew whether the zone is
 */
export function replaceSome(
  write: Write,
  apex: string,
  changes: readonly ChangedRrset[],
  isNew: boolean,
): Replacement {
  const gone = changes.flatMap(({ before, after }) => (after === null && before !== null ? [before] : []))
  const put = changes.flatMap(({ after }) => after ?? [])
  for (const batch of batches(gone, batchSize)) write.send(deleteRows(write.tx, apex, batch))
  for (const batch of batches(put, batchSize)) write.send(saveRows(write.tx, apex, batch, write.revision))
  return {
    former: isNew ? [] : formerOf(changes),
    few: changes.slice(0, auditedNames),
    changed: changes.length,
    put: put.slice(0, auditedNames).map(keyOf),
    deleted: gone.slice(0, auditedNames).map(keyOf),
  }
}

/** Inserts or replaces RRsets of a zone by owner and type, one statement. */
function saveRows(tx: Tx, apex: string, rows: readonly Rrset[], revision: number): PromiseLike<unknown> {
  return tx.execute(sql`
    insert into rrsets (zone, owner, type, ttl_seconds, data, revision)
    select ${apex}::text, owner, type, "ttlSeconds", data, ${revision}::bigint
    from json_to_recordset(${JSON.stringify(rows)}::json) as r(owner text, type text, "ttlSeconds" int, data text[])
    on conflict (zone, owner, type) do update
    set ttl_seconds = excluded.ttl_seconds, data = excluded.data, written = null, revision = excluded.revision`)
}

function deleteRows(tx: Tx, apex: string, rows: readonly Rrset[]): PromiseLike<unknown> {
  const keys = JSON.stringify(rows.map(({ owner, type }) => ({ owner, type })))
  return tx.execute(sql`
    delete from rrsets using json_to_recordset(${keys}::json) as gone(owner text, type text)
    where rrsets.zone = ${apex} and rrsets.owner = gone.owner and rrsets.type = gone.type`)
}

function formerOf(changes: readonly ChangedRrset[]): readonly FormerRrset[] | null {
  if (changes.length > keptRrsets) return null
  return changes.map(({ before, after }) => ({ ...keyPart((before ?? after)!), before }))
}

const keyPart = ({ owner, type }: RrsetKey): RrsetKey => ({ owner, type })

const keyOf = ({ owner, type }: Rrset) => `${owner} ${type}`

function byKey(rrsets: readonly Rrset[]): Map<string, Rrset> {
  const found = new Map<string, Rrset>()
  for (const [index, rrset] of rrsets.entries()) {
    const key = keyOf(rrset)
    if (found.has(key)) {
      throw new ControlError('invalid', `${key} is there twice`, {
        problems: [{ path: `rrsets[${index}]`, message: 'is there twice' }],
      })
    }
    found.set(key, rrset)
  }
  return found
}
