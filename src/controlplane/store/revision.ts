import type pg from 'pg'
import { configRevision } from '../../../schema/journal.ts'
import { ControlError } from '../model/errors.ts'
import { type Expected, type Identity, isForeign } from './identity.ts'
import type { Tx, Write } from './transaction.ts'

/** The revision of the configuration that this transaction sees; 0 before the first write. */
export async function currentRevision(tx: Tx): Promise<number> {
  const [row] = await tx.select({ revision: configRevision.revision }).from(configRevision)
  return row?.revision ?? 0
}

/** Serialises writers, and those who migrate, whatever columns there are. */
export const lockRevision =
  'select revision, to_json(config_revision) as line from config_revision for update'

/** The same for a write, which learns besides whether any zone has keys: without, there is nothing that signals could follow from. */
export const lockForWrite = `${lockRevision}; select exists (select from dnssec_keys) as "hasKeys"`

interface LockedRow {
  readonly revision: string
  readonly line: { readonly database_id?: string; readonly replaces?: readonly string[] }
}

export interface Locked {
  readonly revision: number
  readonly identity: Identity
  readonly hasKeys: boolean
}

/** What `lockForWrite` told, before the last of several statements in one message: an array, which pg's types don't know. */
export function lockedRevision(results: unknown): Locked {
  const told = results as pg.QueryResult[]
  const { revision, line } = (told.at(-3) as pg.QueryResult<LockedRow>).rows[0]!
  const { hasKeys } = (told.at(-2) as pg.QueryResult<Pick<Locked, 'hasKeys'>>).rows[0]!
  const identity = { id: line.database_id ?? null, replaces: line.replaces ?? [] }
  return { revision: Number(revision), identity, hasKeys }
}

/** Throws `conflict` for the first revision of a database that is known to have had others, and for any of another database. */
export function throwIfEmptied(revision: number, identity: Identity, expected: Expected): void {
  if (expected.revision === 0) return
  const isOther = isForeign(identity, expected.database)
  if (revision > 1 && !isOther) return
  const way = 'restore it, or say that it is meant by POST /v1/database/accept-empty'
  const what = isOther && revision > 1 ? 'another one' : 'empty'
  throw new ControlError(
    'conflict',
    `the database is ${what}, though revision ${expected.revision} of the one before is served: ${way}`,
  )
}

/**
 * Makes a first revision of a database that was emptied, by which every node knows that it is meant, or has one that takes another's
 * place take it. Throws `conflict` when it is neither.
 */
export async function acceptDatabase(write: Write, { database }: Expected): Promise<void> {
  await write.held()
  const isOther = isForeign(write.identity, database)
  if (write.revision > 1 && !isOther) throw new ControlError('conflict', 'the database is not empty')
  if (isOther) {
    const replaces = [...write.identity.replaces, database!]
    write.send(write.tx.update(configRevision).set({ replaces }))
  }
  // Nothing lies at the root of an empty database.
  write.change('zone', '.')
  write.audit('database.accept-empty', '', null, {})
}
