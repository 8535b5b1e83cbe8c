import { isDeepStrictEqual } from 'node:util'
import { asc, eq, inArray } from '../../../schema/drizzle.ts'
import { members, pools } from '../../../schema/pools.ts'
import {
  formatPool,
  formatPoolSettings,
  type PoolSettings,
  parsePool,
  parsePoolSettings,
} from '../document/pool.ts'
import type { Problem } from '../model/errors.ts'
import type { Member, Pool } from '../model/pool.ts'
import { addressBreaches } from '../rules/addresses.ts'
import { distanceBreaches, fallbackOfPoolBreaches, monitorOfPoolBreaches } from '../rules/references.ts'
import { endOverrides, readMembers, removeMembers, saveMembers } from './members.ts'
import { aliasBreachesAfter, loadNeighbourhood, viewAfter } from './neighbourhood.ts'
import { checkPoolSize } from './plan-sizes.ts'
import { insideOf, throwIfBroken, throwIfUsed } from './refusals.ts'
import {
  checkCondition,
  checkExists,
  type OnBad,
  type Page,
  type PageRequest,
  type Put,
  readPage,
  readSettings,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** Throws `invalid` for a row that can't be read; with `onBad`, that is told, and its settings are the defaults. */
export async function getPool(tx: Tx, name: string, onBad?: OnBad): Promise<Stored<Pool> | null> {
  const [row] = await tx.select().from(pools).where(eq(pools.name, name))
  if (row === undefined) return null
  return (await withMembers(tx, [row], onBad))[0]!
}

/** One page in the order of names, members and all. */
export async function listPools(tx: Tx, request: PageRequest): Promise<Page<Stored<Pool>>> {
  const query = tx.select().from(pools).$dynamic()
  return readPage(query, { name: pools.name }, request, (rows) => withMembers(tx, rows))
}

/** Every pool with its members, for the publisher; `onBad` as with `getPool`. */
export async function listAllPools(tx: Tx, onBad?: OnBad): Promise<Stored<Pool>[]> {
  return withMembers(tx, await tx.select().from(pools).orderBy(asc(pools.name)), onBad, true)
}

/**
 * Creates or replaces a pool and its members. A member that is there before and after, by name, keeps its override,
 * and its measured health too unless what is probed changed. Throws `invalid` when the monitor or the fallback does not exist,
 * `conflict` when two members have one address or host, it or a service of it comes to more than plans hold, a CNAME in the pool's place can't stand where a service of it is, or
 * a service chooses the nearest and knows of no place any more.
 *
 * @param coming pools that this write is still to put, so that pools may be each other's fallback
 */
export async function putPool(
  write: Write,
  pool: Pool,
  condition: WriteCondition,
  coming: ReadonlySet<string> = new Set(),
): Promise<Put> {
  const { tx, revision } = write
  // Whatever can't be read is replaced.
  let readable = true
  const current = await getPool(tx, pool.name, () => {
    readable = false
  })
  checkCondition(condition, current, `pool ${pool.name}`)
  if (current !== null && readable && isDeepStrictEqual(current.value, pool)) {
    return { created: false, changed: false, revision: current.revision }
  }
  await checkPool(tx, pool, readable ? (current?.value ?? null) : null, coming)
  const { name, monitor, select, answers, minUp, hosts, fallback, members: wanted } = pool
  const settings = formatPoolSettings(pool)
  const share = typeof minUp === 'number' ? minUp : 0
  const row = { name, monitor, select, answers, minUp: share, hosts, fallback, settings, revision }
  // What could not be read again must not be written.
  settingsOf(row)
  await tx.insert(pools).values(row).onConflictDoUpdate({ target: pools.name, set: row })
  const names = new Set(wanted.map((member) => member.name))
  const stored = readable ? (current?.value.members ?? []) : await memberRows(tx, name)
  const gone = stored.filter((member) => !names.has(member.name))
  await removeMembers(write, pool.name, gone)
  await saveMembers(write, pool.name, wanted, current === null)
  await checkPoolSize(tx, `pool ${name}`, name, hosts === 'cname' || fallback !== null)
  write.change('pool', pool.name)
  write.audit('pool.put', pool.name, current?.value, pool)
  return { created: current === null, changed: true, revision }
}

/** The names of all rows, of those too that can't be read. */
async function memberRows(tx: Tx, pool: string): Promise<Pick<Member, 'name'>[]> {
  return tx.select({ name: members.name }).from(members).where(eq(members.pool, pool))
}

/**
 * Throws when a rule is broken by the pool.
 *
 * @param before null when it is not there, or was not to be read
 */
async function checkPool(
  tx: Tx,
  pool: Pool,
  before: Pool | null,
  coming: ReadonlySet<string>,
): Promise<void> {
  const { name, monitor, hosts, fallback, location } = pool
  // Of services that it answers, nothing else of a pool can break a rule; there may be many.
  const matters =
    (hosts === 'cname' && before?.hosts !== 'cname') ||
    (fallback !== null && before?.fallback !== fallback) ||
    (location === null && before?.location !== null)
  const around = await loadNeighbourhood(tx, {
    ...(matters ? { answeredBy: name } : {}),
    pools: fallback === null ? [] : [fallback],
    monitors: monitor === null ? [] : [monitor],
  })
  const view = viewAfter(around, { pool })
  const breaches = [
    ...addressBreaches(name, pool.members),
    ...monitorOfPoolBreaches(view, pool),
    ...(fallback !== null && coming.has(fallback) ? [] : fallbackOfPoolBreaches(view, pool)),
    ...[...view.services.values()].flatMap((service) =>
      service.choices.some((choice) => choice.kind === 'pool' && choice.name === name)
        ? distanceBreaches(view, service)
        : [],
    ),
  ]
  throwIfBroken(`pool ${name}`, breaches, insideOf('pools', name))
  throwIfBroken(`pool ${name}`, await aliasBreachesAfter(tx, view), insideOf('pools', name))
}

/** Throws `conflict` with one problem for each service that uses it, and for each pool whose fallback it is. */
export async function deletePool(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const current = await getPool(tx, name, () => {})
  checkExists(condition, current, `pool ${name}`)
  await throwIfUsed(tx, 'pool', name)
  await removeMembers(write, name, await memberRows(tx, name))
  await endOverrides(write, name)
  await tx.delete(pools).where(eq(pools.name, name))
  write.change('pool', name)
  write.audit('pool.delete', name, current.value, null)
}

type PoolRow = typeof pools.$inferSelect

/** @param all whether the rows are those of all pools */
async function withMembers(
  tx: Tx,
  rows: readonly PoolRow[],
  onBad?: OnBad,
  all = false,
): Promise<Stored<Pool>[]> {
  if (rows.length === 0) return []
  const names = rows.map(({ name }) => name)
  const found = await tx
    .select()
    .from(members)
    .where(all ? undefined : inArray(members.pool, names))
    .orderBy(asc(members.pool), asc(members.position), asc(members.name))
  const byPool = Map.groupBy(found, ({ pool }) => pool)
  return rows.map((row) => {
    const { revision, settings: _, born: __, ...fields } = row
    const settings = settingsOf(row, onBad)
    const minUp = typeof settings.minUp === 'number' ? row.minUp : settings.minUp
    // Settings that could not be read no longer say what the fallback is for.
    const fallback = settings.whenAllDown === 'fallback' ? row.fallback : null
    const head = readHead({ ...fields, ...settings, minUp, fallback, members: [] } as Pool, onBad)
    return { value: { ...head, members: readMembers(byPool.get(row.name) ?? [], onBad) }, revision }
  })
}

/** What can't be read of a pool is as if it were left out: its members are what is to be answered, whatever becomes of the rest. */
function readHead(pool: Pool, onBad?: OnBad): Pool {
  const { name } = pool
  const parse = (problems: Problem[]) => parsePool(name, formatPool(pool), '', problems)
  return readSettings(`pool ${name}`, parse, onBad) ?? { ...parsePool('x', {}, '', [])!, name }
}

function settingsOf({ name, settings }: Pick<PoolRow, 'name' | 'settings'>, onBad?: OnBad): PoolSettings {
  const parse = (problems: Problem[]) => parsePoolSettings(settings, '', problems)
  return readSettings(`pool ${name}`, parse, onBad) ?? parsePoolSettings({}, '', [])!
}
