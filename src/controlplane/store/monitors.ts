import { isDeepStrictEqual } from 'node:util'
import { asc, eq, sql } from '../../../schema/drizzle.ts'
import { monitorParts, monitors } from '../../../schema/pools.ts'
import type { Body } from '../document/forms.ts'
import { hideOfMonitor } from '../document/hidden.ts'
import { formatMonitor, parseMonitor } from '../document/monitor.ts'
import { spellingFor, spellingOf } from '../document/written.ts'
import type { Problem } from '../model/errors.ts'
import type { Monitor } from '../model/monitor.ts'
import { columnsOfMonitor } from '../rules/feed-uses.ts'
import { columnBreaches } from '../rules/feeds.ts'
import { partsOf } from '../rules/graph.ts'
import { monitorNestingBreaches, partBreaches } from '../rules/references.ts'
import type { Parts } from '../rules/view.ts'
import { loadNeighbourhood, texts, viewAfter } from './neighbourhood.ts'
import { reached } from './reached.ts'
import { findUsers, insideOf, throwIfBroken, throwIfUsed } from './refusals.ts'
import {
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

export type StoredMonitor = Stored<Monitor> & Owned

/** Throws `invalid` for a row that can't be read; with `onBad`, that is told, and there is no such monitor. */
export async function getMonitor(tx: Tx, name: string, onBad?: OnBad): Promise<StoredMonitor | null> {
  const row = await readRow(tx, name)
  return row === null ? null : (readable([row], onBad)[0] ?? null)
}

/** One page in the order of names. Throws `invalid` for a row that can't be read. */
export async function listMonitors(tx: Tx, request: PageRequest): Promise<Page<StoredMonitor>> {
  return readPage(
    tx.select().from(monitors).$dynamic(),
    { name: monitors.name },
    request,
    (rows) => rows.map((row) => toStored(row)),
    { where: reached(request.reach, 'monitor', monitors.name) },
  )
}

/** Every monitor, for the publisher. With `onBad`, those that can't be read are left out; else they are `invalid`. */
export async function listAllMonitors(tx: Tx, onBad?: OnBad): Promise<StoredMonitor[]> {
  return readable(await tx.select().from(monitors).orderBy(asc(monitors.name)), onBad)
}

/**
 * Creates or replaces a monitor, also one that can't be read. Throws `invalid` when it is composite and names a monitor that
 * does not exist, `conflict` when its names lead back to it, or too far.
 */
export async function putMonitor(
  write: Write,
  monitor: Monitor,
  condition: WriteCondition,
  body: unknown = null,
): Promise<Put> {
  const { tx } = write
  const { name } = monitor
  const [row, around] = await Promise.all([readRow(tx, name), loadParts(tx, monitor)])
  checkCondition(condition, row, `monitor ${name}`)
  const current = row === null ? null : parseRow(row, [])
  const written = spellingOf(body, formatMonitor(monitor))
  if (
    row !== null &&
    current !== null &&
    isDeepStrictEqual(current, monitor) &&
    isDeepStrictEqual(spellingIn(row, current), written)
  ) {
    return { created: false, changed: false, revision: row.revision }
  }
  const { revision } = write
  await checkParts(tx, monitor, around)
  await checkColumns(tx, monitor)
  saveMonitors(write, [{ value: monitor, written }])
  write.change('monitor', name)
  const former = row === null ? null : rowBody(row)
  write.keep('monitor', name, former, row?.owner ?? null)
  write.audit(
    'monitor.put',
    name,
    former && hideOfMonitor(former),
    hideOfMonitor(written ?? formatMonitor(monitor)),
  )
  return { created: row === null, changed: true, revision }
}

/** Throws `conflict` with one problem for each pool and each composite monitor that uses it. */
export async function deleteMonitor(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const [row, users] = await Promise.all([readRow(tx, name), findUsers(tx, 'monitor', name)])
  checkExists(condition, row, `monitor ${name}`)
  throwIfUsed('monitor', name, users)
  write.send(tx.delete(monitors).where(eq(monitors.name, name)))
  write.change('monitor', name)
  const former = rowBody(row)
  write.keep('monitor', name, former, row.owner)
  write.audit('monitor.delete', name, hideOfMonitor(former), null)
}

/** What lies around a composite monitor; null for any other one. */
async function loadParts(tx: Tx, monitor: Monitor): Promise<Parts | null> {
  const parts = partsOf(monitor)
  return parts.length === 0 ? null : loadNeighbourhood(tx, { monitors: parts, judgedBy: monitor.name })
}

/** Throws `invalid` for a feed, or a column of one, that is not there. */
async function checkColumns(tx: Tx, monitor: Monitor): Promise<void> {
  const uses = columnsOfMonitor(monitor)
  if (uses.length === 0) return
  const { feeds } = viewAfter(await loadNeighbourhood(tx, { feeds: uses.map(({ feed }) => feed) }), {})
  const { name } = monitor
  throwIfBroken(
    `monitor ${name}`,
    columnBreaches(feeds, { kind: 'monitors', name }, uses),
    insideOf('monitors', name),
  )
}

/** Throws when a rule is broken by what a composite monitor names. */
async function checkParts(tx: Tx, monitor: Monitor, loaded: Parts | null): Promise<void> {
  if (loaded === null) return
  const { name } = monitor
  const parts = partsOf(monitor)
  let around = loaded
  // Those that judge by it count all of their parts.
  if (around.monitors.some((each) => each.monitors?.includes(name))) {
    const names = around.monitors.map((each) => each.name)
    around = await loadNeighbourhood(tx, { monitors: [...parts, ...names] })
  }
  const view = viewAfter(around, { monitor })
  throwIfBroken(
    `monitor ${name}`,
    [...partBreaches(view, name), ...monitorNestingBreaches(view)],
    insideOf('monitors', name),
  )
}

/** Inserts or replaces monitors and what they judge by, which must be there or come along. */
export function saveMonitors(
  write: Write,
  wanted: readonly { readonly value: Monitor; readonly written: Body | null }[],
): void {
  if (wanted.length === 0) return
  const { tx, revision } = write
  const rows = wanted.map(({ value, written }) => {
    const { name, type } = value
    const { type: _, ...settings } = formatMonitor(value)
    // What could not be read again must not be written.
    readable([{ name, type, settings, written, owner: null, revision }])
    return { name, type, settings, written }
  })
  const saved = tx.execute(sql`
    insert into monitors (name, type, settings, written, revision)
    select name, type, settings, written, ${revision}::bigint
    from json_to_recordset(${JSON.stringify(rows)}::json) as r(name text, type text, settings jsonb, written json)
    on conflict (name) do update
    set type = excluded.type, settings = excluded.settings, written = excluded.written, revision = excluded.revision`)
  write.send(saved)
  const names = texts(rows.map(({ name }) => name))
  write.send(tx.delete(monitorParts).where(sql`composite = any(${names})`))
  const parts = wanted.flatMap(({ value }) =>
    partsOf(value).map((part) => ({ composite: value.name, monitor: part })),
  )
  if (parts.length === 0) return
  write.send(
    tx.execute(sql`
      insert into monitor_parts (composite, monitor)
      select composite, monitor from json_to_recordset(${JSON.stringify(parts)}::json) as p(composite text, monitor text)`),
  )
}

type Row = typeof monitors.$inferSelect

async function readRow(tx: Tx, name: string): Promise<Row | null> {
  const [row] = await tx.select().from(monitors).where(eq(monitors.name, name))
  return row ?? null
}

function readable(rows: readonly Row[], onBad?: OnBad): StoredMonitor[] {
  return rows.flatMap((row) => {
    const value = readSettings(`monitor ${row.name}`, (problems) => parseRow(row, problems), onBad)
    return value === null
      ? []
      : [{ value, revision: row.revision, written: spellingIn(row, value), owner: row.owner }]
  })
}

const spellingIn = (row: Pick<Row, 'name' | 'written'>, monitor: Monitor): Body | null =>
  spellingFor(row.written, monitor, (body, problems) => parseMonitor(row.name, body, '', problems))

/** The fragment of a row, whether it can be read or not. */
function rowBody(row: Row): Body {
  const monitor = parseRow(row, [])
  if (monitor === null) return { type: row.type, ...(row.settings as object) }
  return spellingIn(row, monitor) ?? formatMonitor(monitor)
}

const toStored = (row: Row) => readable([row])[0]!

function parseRow(
  { name, type, settings }: Pick<Row, 'name' | 'type' | 'settings'>,
  problems: Problem[],
): Monitor | null {
  return parseMonitor(name, { ...(settings as object), type }, '', problems)
}
