import { isDeepStrictEqual } from 'node:util'
import { asc, eq, gt, inArray, or } from 'drizzle-orm'
import { members, monitors, pools } from '../../../schema/pools.ts'
import { servicePools, services } from '../../../schema/services.ts'
import { ControlError } from '../errors.ts'
import type { Member, Pool } from '../model.ts'
import { removeMembers, saveMembers, toMember } from './members.ts'
import { aliasProblems, pathOfService, throwIfAny } from './name-conflicts.ts'
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

export async function getPool(tx: Tx, name: string): Promise<Stored<Pool> | null> {
  const [row] = await tx.select().from(pools).where(eq(pools.name, name))
  if (row === undefined) return null
  return (await withMembers(tx, [row]))[0]!
}

/** One page in the order of names, members and all. */
export async function listPools(tx: Tx, { limit, cursor }: PageRequest): Promise<Page<Stored<Pool>>> {
  const after = decodeCursor(cursor, 'string')
  const rows = await tx
    .select()
    .from(pools)
    .where(after === null ? undefined : gt(pools.name, after[0]))
    .orderBy(asc(pools.name))
    .limit(limit + 1)
  const page = pageOf(
    rows,
    limit,
    (row) => row,
    (row) => [row.name],
  )
  return { ...page, items: await withMembers(tx, page.items) }
}

/** Every pool with its members, for the publisher. */
export async function listAllPools(tx: Tx): Promise<Stored<Pool>[]> {
  const rows = await tx.select().from(pools).orderBy(asc(pools.name))
  const all = await tx
    .select()
    .from(members)
    .orderBy(asc(members.pool), asc(members.position), asc(members.name))
  return assemble(rows, all)
}

/**
 * Creates or replaces a pool and its members. A member that is there before and after, by name, keeps its override,
 * and its measured health too unless what is probed changed. Throws `invalid` when the monitor does not exist,
 * `conflict` when two members have one address or host, or a CNAME in the pool's place can't stand where a service of it is.
 */
export async function putPool(write: Write, pool: Pool, condition: WriteCondition): Promise<Put> {
  const { tx, revision } = write
  const current = await getPool(tx, pool.name)
  checkCondition(condition, current, `pool ${pool.name}`)
  if (current !== null && isDeepStrictEqual(current.value, pool)) {
    return { created: false, changed: false, revision: current.revision }
  }
  if (pool.monitor !== null && pool.monitor !== current?.value.monitor) await checkMonitor(tx, pool.monitor)
  const { members: wanted, ...head } = pool
  const row = { ...head, revision }
  await tx.insert(pools).values(row).onConflictDoUpdate({ target: pools.name, set: row })
  const names = new Set(wanted.map((member) => member.name))
  const gone = current?.value.members.filter((member) => !names.has(member.name)) ?? []
  await removeMembers(write, pool.name, gone)
  await saveMembers(write, pool.name, wanted)
  if (pool.hosts === 'cname') {
    throwIfAny(await aliasProblems(tx, { pool: pool.name }), `pool ${pool.name} is refused`)
  }
  write.change('pool', pool.name)
  write.audit('pool.put', pool.name, current?.value, pool)
  return { created: current === null, changed: true, revision }
}

/** Throws `conflict` with one problem for each service that uses it. */
export async function deletePool(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const current = await getPool(tx, name)
  checkExists(condition, current, `pool ${name}`)
  const users = await usersOf(tx, name)
  if (users.length > 0) {
    const list = users.join(', ')
    throw new ControlError(
      'conflict',
      `pool ${name} is used by ${users.length === 1 ? 'service' : 'services'} ${list}`,
      {
        problems: users.map((service) => ({
          path: pathOfService(service),
          message: `uses pool ${name}`,
        })),
      },
    )
  }
  await removeMembers(write, name, current.value.members)
  await tx.delete(pools).where(eq(pools.name, name))
  write.change('pool', name)
  write.audit('pool.delete', name, current.value, null)
}

async function usersOf(tx: Tx, pool: string): Promise<string[]> {
  const rows = await tx
    .selectDistinct({ name: services.name })
    .from(services)
    .leftJoin(servicePools, eq(servicePools.service, services.name))
    .where(or(eq(servicePools.pool, pool), eq(services.fallback, pool)))
    .orderBy(asc(services.name))
  return rows.map((row) => row.name)
}

async function checkMonitor(tx: Tx, name: string): Promise<void> {
  const [row] = await tx.select({ name: monitors.name }).from(monitors).where(eq(monitors.name, name))
  if (row !== undefined) return
  throw new ControlError('invalid', `monitor ${name} does not exist`, {
    problems: [{ path: 'monitor', message: `${name} does not exist` }],
  })
}

type PoolRow = typeof pools.$inferSelect
type MemberRow = typeof members.$inferSelect

async function withMembers(tx: Tx, rows: readonly PoolRow[]): Promise<Stored<Pool>[]> {
  if (rows.length === 0) return []
  const names = rows.map((row) => row.name)
  const found = await tx
    .select()
    .from(members)
    .where(inArray(members.pool, names))
    .orderBy(asc(members.pool), asc(members.position), asc(members.name))
  return assemble(rows, found)
}

function assemble(rows: readonly PoolRow[], memberRows: readonly MemberRow[]): Stored<Pool>[] {
  const byPool = new Map<string, Member[]>(rows.map((row) => [row.name, []]))
  for (const row of memberRows) byPool.get(row.pool)?.push(toMember(row))
  return rows.map(({ name, monitor, select, answers, minUp, hosts, revision }) => ({
    value: {
      name,
      monitor,
      select: select as Pool['select'],
      answers,
      minUp,
      hosts: hosts as Pool['hosts'],
      members: byPool.get(name)!,
    },
    revision,
  }))
}
