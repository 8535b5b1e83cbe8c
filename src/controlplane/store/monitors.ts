import { isDeepStrictEqual } from 'node:util'
import { asc, eq, gt } from 'drizzle-orm'
import { monitors, pools } from '../../../schema/pools.ts'
import { ControlError } from '../errors.ts'
import type { Monitor } from '../model.ts'
import {
  checkCondition,
  checkExists,
  decodeCursor,
  type Page,
  type PageRequest,
  type Put,
  pageOf,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

export async function getMonitor(tx: Tx, name: string): Promise<Stored<Monitor> | null> {
  const [row] = await tx.select().from(monitors).where(eq(monitors.name, name))
  return row === undefined ? null : toStored(row)
}

/** One page in the order of names. */
export async function listMonitors(tx: Tx, { limit, cursor }: PageRequest): Promise<Page<Stored<Monitor>>> {
  const after = decodeCursor(cursor, 'string')
  const rows = await tx
    .select()
    .from(monitors)
    .where(after === null ? undefined : gt(monitors.name, after[0]))
    .orderBy(asc(monitors.name))
    .limit(limit + 1)
  return pageOf(rows, limit, toStored, (row) => [row.name])
}

/** Every monitor, for the publisher. */
export async function listAllMonitors(tx: Tx): Promise<Stored<Monitor>[]> {
  return (await tx.select().from(monitors).orderBy(asc(monitors.name))).map(toStored)
}

/** Creates or replaces a monitor. */
export async function putMonitor(write: Write, monitor: Monitor, condition: WriteCondition): Promise<Put> {
  const { tx, revision } = write
  const current = await getMonitor(tx, monitor.name)
  checkCondition(condition, current, `monitor ${monitor.name}`)
  if (current !== null && isDeepStrictEqual(current.value, monitor)) {
    return { created: false, changed: false, revision: current.revision }
  }
  const row = { ...monitor, revision }
  await tx.insert(monitors).values(row).onConflictDoUpdate({ target: monitors.name, set: row })
  write.change('monitor', monitor.name)
  write.audit('monitor.put', monitor.name, current?.value, monitor)
  return { created: current === null, changed: true, revision }
}

/** Throws `conflict` with one problem for each pool that uses it. */
export async function deleteMonitor(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const current = await getMonitor(tx, name)
  checkExists(condition, current, `monitor ${name}`)
  const users = await tx
    .select({ name: pools.name })
    .from(pools)
    .where(eq(pools.monitor, name))
    .orderBy(asc(pools.name))
  if (users.length > 0) {
    const names = users.map((user) => user.name)
    throw new ControlError(
      'conflict',
      `monitor ${name} is used by ${names.length === 1 ? 'pool' : 'pools'} ${names.join(', ')}`,
      {
        problems: names.map((pool) => ({ path: `pools.${pool}.monitor`, message: `uses monitor ${name}` })),
      },
    )
  }
  await tx.delete(monitors).where(eq(monitors.name, name))
  write.change('monitor', name)
  write.audit('monitor.delete', name, current.value, null)
}

function toStored({ revision, ...row }: typeof monitors.$inferSelect): Stored<Monitor> {
  return { value: row as Monitor, revision }
}
