import { isDeepStrictEqual } from 'node:util'
import { asc, eq, inArray, type SQL, sql } from '../../../schema/drizzle.ts'
import { members, pools } from '../../../schema/pools.ts'
import type { Body } from '../document/forms.ts'
import {
  formatMember,
  formatPool,
  formatPoolSettings,
  type PoolSettings,
  parsePool,
  parsePoolSettings,
} from '../document/pool.ts'
import { isMap } from '../document/schema-check.ts'
import { spellingFor, spellingOf } from '../document/written.ts'
import type { Problem } from '../model/errors.ts'
import type { Pool } from '../model/pool.ts'
import { addressBreaches } from '../rules/addresses.ts'
import { columnsOfPool } from '../rules/feed-uses.ts'
import { columnBreaches } from '../rules/feeds.ts'
import { distanceBreaches, fallbackOfPoolBreaches, monitorOfPoolBreaches } from '../rules/references.ts'
import type { Parts } from '../rules/view.ts'
import { batches } from './batches.ts'
import { endOverrides, readMembers, replaceMembers, spellingIn, type WantedMember } from './members.ts'
import { aliasBreachesAfter, loadNeighbourhood, texts, viewAfter } from './neighbourhood.ts'
import { checkPoolSize } from './plan-sizes.ts'
import { reached } from './reached.ts'
import { findUsers, insideOf, throwIfBroken, throwIfUsed } from './refusals.ts'
import {
  bodyOf,
  checkCondition,
  checkExists,
  type OnBad,
  type Owned,
  type Page,
  type PageRequest,
  type Put,
  readPage,
  readSettings,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

export type StoredPool = Stored<Pool> & Owned

/** Throws `invalid` for a row that can't be read; with `onBad`, that is told, and its settings are the defaults. */
export async function getPool(tx: Tx, name: string, onBad?: OnBad): Promise<StoredPool | null> {
  return (await findPool(tx, name, onBad)).stored
}

/** @returns the rows of its members too, of those as well that can't be read */
async function findPool(
  tx: Tx,
  name: string,
  onBad?: OnBad,
): Promise<{ stored: StoredPool | null; found: readonly MemberRow[] }> {
  const [[row], found] = await Promise.all([
    tx.select().from(pools).where(eq(pools.name, name)),
    membersOf(tx, eq(members.pool, name)),
  ])
  return { stored: row === undefined ? null : withMembers([row], found, onBad)[0]!, found }
}

/** One page in the order of names, members and all. */
export async function listPools(tx: Tx, request: PageRequest): Promise<Page<StoredPool>> {
  const query = tx.select().from(pools).$dynamic()
  const read = async (rows: (typeof pools.$inferSelect)[]) => {
    if (rows.length === 0) return []
    const names = rows.map(({ name }) => name)
    return withMembers(rows, await membersOf(tx, inArray(members.pool, names)))
  }
  const where = reached(request.reach, 'pool', pools.name)
  return readPage(query, { name: pools.name }, request, read, { where })
}

/** Every pool with its members, for the publisher; `onBad` as with `getPool`. */
export async function listAllPools(tx: Tx, onBad?: OnBad): Promise<StoredPool[]> {
  const [rows, found] = await Promise.all([
    tx.select().from(pools).orderBy(asc(pools.name)),
    membersOf(tx, undefined),
  ])
  return withMembers(rows, found, onBad)
}

/**
 * Creates or replaces a pool and its members. A member that is there before and after, by name, keeps its override,
 * and its measured health too unless what is probed changed. Throws `invalid` when the monitor or the fallback does not exist,
 * `conflict` when two members have one address or host, it or a service of it comes to more than plans hold, a CNAME in the pool's place can't stand where a service of it is, or
 * a service chooses the nearest and knows of no place any more.
 *
 * @param body as somebody wrote it; null for nobody
 */
export async function putPool(
  write: Write,
  pool: Pool,
  condition: WriteCondition,
  body: unknown = null,
): Promise<Put> {
  const { tx } = write
  // Whatever can't be read is replaced.
  let readable = true
  const [{ stored: current, found }, around] = await Promise.all([
    findPool(tx, pool.name, () => {
      readable = false
    }),
    loadNeighbourhood(tx, namedBy(pool)),
  ])
  checkCondition(condition, current, `pool ${pool.name}`)
  const spelling = poolSpelling(pool, body)
  const written = together(pool, spelling)
  const same =
    current !== null && isDeepStrictEqual(current.value, pool) && isDeepStrictEqual(current.written, written)
  if (same && readable) {
    return { created: false, changed: false, revision: current.revision }
  }
  const before = readable ? (current?.value ?? null) : null
  const fresh = current === null
  // Nobody can have named what was not there. Of services that it answers, nothing else of a pool can break a rule; there may
  // be many.
  const matters =
    !fresh &&
    ((pool.hosts === 'cname' && before?.hosts !== 'cname') ||
      (pool.fallback !== null && before?.fallback !== pool.fallback) ||
      (pool.location === null && before?.location !== null))
  await checkPool(tx, pool, matters ? await loadNeighbourhood(tx, answeredBy(pool)) : around)
  const { revision } = write
  const { name, hosts, fallback, capacity } = pool
  const mayReachFurther = hosts === 'cname' || fallback !== null || capacity !== null
  savePoolRows(write, [{ pool, spelling, stored: found }])
  write.beforeCommit(checkPoolSize(tx, `pool ${name}`, name, !fresh && mayReachFurther))
  write.change('pool', pool.name)
  const former = current === null ? null : bodyOf(current, formatPool)
  write.keep('pool', pool.name, former, current?.owner ?? null)
  write.audit('pool.put', pool.name, former, written ?? formatPool(pool))
  return { created: current === null, changed: true, revision }
}

/** A pool as it is to be, how it is spelled, and the rows of the members that it has. */
interface WantedPool {
  readonly pool: Pool
  readonly spelling: PoolSpelling
  readonly stored: readonly MemberRow[]
}

/** Rows of one statement. */
const batchRows = 2_000

/** The rows of the members of pools, by pool. */
export async function poolRowsOf(
  tx: Tx,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly MemberRow[]>> {
  if (names.length === 0) return new Map()
  return Map.groupBy(await membersOf(tx, sql`pool = any(${texts(names)})`), ({ pool }) => pool)
}

/** Inserts or replaces pools and their members; those that fall back to each other at once. @param stored see `poolRowsOf` */
export function savePools(
  write: Write,
  wanted: readonly { readonly value: Pool; readonly written: Body | null }[],
  stored: ReadonlyMap<string, readonly MemberRow[]>,
): void {
  const pools = wanted.map(({ value, written }) => {
    return { pool: value, spelling: poolSpelling(value, written), stored: stored.get(value.name) ?? [] }
  })
  savePoolRows(write, pools)
}

function savePoolRows(write: Write, wanted: readonly WantedPool[]): void {
  for (const some of batches(wanted, batchRows)) {
    const rows = some.map(({ pool, spelling }) => {
      const { name, monitor, select, answers, minUp, hosts, fallback } = pool
      const settings = formatPoolSettings(pool)
      // What could not be read again must not be written.
      settingsOf({ name, settings })
      const share = typeof minUp === 'number' ? minUp : 0
      return {
        name,
        monitor,
        select,
        answers,
        minUp: share,
        hosts,
        fallback,
        settings,
        written: spelling.head,
      }
    })
    const saved = write.tx.execute(sql`
      insert into pools (name, monitor, "select", answers, min_up, hosts, fallback, settings, written, revision)
      select name, monitor, "select", answers, "minUp", hosts, fallback, settings, written, ${write.revision}::bigint
      from json_to_recordset(${JSON.stringify(rows)}::json) as r(name text, monitor text, "select" text, answers int,
        "minUp" double precision, hosts text, fallback text, settings jsonb, written json)
      on conflict (name) do update set monitor = excluded.monitor, "select" = excluded."select", answers = excluded.answers,
        min_up = excluded.min_up, hosts = excluded.hosts, fallback = excluded.fallback, settings = excluded.settings,
        written = excluded.written, revision = excluded.revision`)
    write.send(saved)
  }
  replaceMembers(
    write,
    wanted.map(({ pool, spelling, stored }) => ({ pool: pool.name, wanted: spelling.members, stored })),
  )
}

const namedBy = (pool: Pool) => ({
  pools: pool.fallback === null ? [] : [pool.fallback],
  monitors: pool.monitor === null ? [] : [pool.monitor],
  feeds: columnsOfPool(pool).map(({ feed }) => feed),
})

const answeredBy = (pool: Pool) => ({ ...namedBy(pool), answeredBy: pool.name })

/** Throws when a rule is broken by the pool. */
async function checkPool(tx: Tx, pool: Pool, around: Parts): Promise<void> {
  const { name } = pool
  const view = viewAfter(around, { pool })
  const breaches = [
    ...addressBreaches(name, pool.members),
    ...monitorOfPoolBreaches(view, pool),
    ...columnBreaches(view.feeds, { kind: 'pools', name }, columnsOfPool(pool)),
    ...fallbackOfPoolBreaches(view, pool),
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
  const [{ stored: current, found }, users] = await Promise.all([
    findPool(tx, name, () => {}),
    findUsers(tx, 'pool', name),
  ])
  checkExists(condition, current, `pool ${name}`)
  throwIfUsed('pool', name, users)
  replaceMembers(write, [{ pool: name, wanted: [], stored: found }])
  endOverrides(write, name)
  write.send(tx.delete(pools).where(eq(pools.name, name)))
  write.change('pool', name)
  const former = bodyOf(current, formatPool)
  write.keep('pool', name, former, current.owner)
  write.audit('pool.delete', name, former, null)
}

type PoolRow = typeof pools.$inferSelect
type MemberRow = typeof members.$inferSelect

const membersOf = (tx: Tx, where: SQL | undefined) =>
  tx.select().from(members).where(where).orderBy(asc(members.pool), asc(members.position), asc(members.name))

function withMembers(rows: readonly PoolRow[], found: readonly MemberRow[], onBad?: OnBad): StoredPool[] {
  const byPool = Map.groupBy(found, ({ pool }) => pool)
  return rows.map((row) => {
    const { revision, settings: _, born: __, owner, written: kept, ...fields } = row
    const settings = settingsOf(row, onBad)
    const minUp = typeof settings.minUp === 'number' ? row.minUp : settings.minUp
    // Settings that could not be read no longer say what the fallback is for.
    const fallback = settings.whenAllDown === 'fallback' ? row.fallback : null
    const head = readHead({ ...fields, ...settings, minUp, fallback, members: [] } as Pool, onBad)
    const rowsOf = byPool.get(row.name) ?? []
    const value = { ...head, members: readMembers(rowsOf, onBad) }
    const spelled = new Map(rowsOf.map((each) => [each.name, each]))
    const spelling = {
      head: spellingFor(kept, head, (body, problems) => parsePool(row.name, body, '', problems)),
      members: value.members.map((one) => ({ value: one, written: spellingIn(spelled.get(one.name)!, one) })),
    }
    return { value, revision, written: together(value, spelling), owner }
  })
}

/** How a pool is spelled, for which its row and those of its members have a place each. */
interface PoolSpelling {
  /** Without its members; null where it is as we write it. */
  readonly head: Body | null
  readonly members: readonly WantedMember[]
}

/** @param body as somebody wrote it; null for nobody */
function poolSpelling(pool: Pool, body: unknown): PoolSpelling {
  const fragments = isMap(body) && isMap(body.members) ? body.members : {}
  const members = pool.members.map((value) => {
    return { value, written: spellingOf(fragments[value.name], formatMember(value)) }
  })
  if (!isMap(body)) return { head: null, members }
  const head = 'members' in body ? { ...body, members: {} } : body
  return { head: spellingOf(head, formatPool({ ...pool, members: [] })), members }
}

/** The fragment of a pool as it was written; null where that is as we write it. */
function together(pool: Pool, { head, members }: PoolSpelling): Body | null {
  if (head === null && members.every(({ written }) => written === null)) return null
  const body = head ?? formatPool({ ...pool, members: [] })
  if (members.length === 0) return body
  const fragments = members.map(({ value, written }) => [value.name, written ?? formatMember(value)])
  return { ...body, members: Object.fromEntries(fragments) }
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
