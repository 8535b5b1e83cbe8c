/**
 * Gradual changes. Rows are written under the revision lock, so whoever has read one with that in hand knows what it is. Times are
 * the clock's of the database: nodes learn how long it is to the next step, never when it is by a clock of their own.
 */
import { and, count, desc, eq, gt, inArray, isNull, or, sql } from '../../../schema/drizzle.ts'
import { gradualChanges } from '../../../schema/gradual.ts'
import { history, revisions } from '../../../schema/journal.ts'
import { Words } from '../document/fields.ts'
import {
  type GradualChange,
  type GradualCourse,
  type GradualFragments,
  type GradualPart,
  type GradualWait,
  gradualPhases,
  haltConditions,
  type MovedWeight,
} from '../model/gradual.ts'
import { type OnBad, type Page, type PageRequest, readPage, readRows } from './stored.ts'
import type { Tx } from './transaction.ts'

/** Changes that run or are paused at once; each is looked at by every node. */
export const mostActive = 20

const columns = {
  id: gradualChanges.id,
  phase: gradualChanges.phase,
  step: gradualChanges.step,
  steps: gradualChanges.steps,
  stepMs: gradualChanges.stepMs,
  haltWhen: gradualChanges.haltWhen,
  parts: gradualChanges.parts,
  actor: gradualChanges.actor,
  message: gradualChanges.message,
  reason: gradualChanges.reason,
  startedAt: gradualChanges.startedAt,
  dueAt: gradualChanges.dueAt,
  dueInMs: sql<
    number | null
  >`(extract(epoch from ${gradualChanges.dueAt} - clock_timestamp()) * 1000)::double precision`,
  endedAt: gradualChanges.endedAt,
  revision: gradualChanges.revision,
  version: gradualChanges.version,
}

const select = (tx: Tx) => tx.select(columns).from(gradualChanges)

type Row = Awaited<ReturnType<typeof select>>[number]

const Phase = Words(gradualPhases)

/** @param onBad told of those that can't be read, which are left out; without it the first of them is thrown as `invalid` */
function toChanges(rows: readonly Row[], onBad?: OnBad): GradualChange[] {
  return readRows(
    rows,
    ({ id }) => `gradual change ${id}`,
    (row, problems) => {
      const phase = Phase.parse(row.phase, 'phase', problems)
      for (const [path, holds] of Object.entries(shapesOf(row))) {
        if (!holds) problems.push({ path, message: 'is not what a gradual change has there' })
      }
      return phase === undefined || problems.length > 0 ? null : { ...row, phase }
    },
    onBad,
  )
}

/** What somebody may have written by SQL where whoever reads a change counts on more than its type. */
function shapesOf({ step, steps, haltWhen, parts, startedAt, dueAt, endedAt }: Row): Record<string, boolean> {
  const isInstant = (at: Date | null) => at === null || Number.isFinite(at.getTime?.())
  return {
    steps: steps.length > 0 && steps.every((percent) => percent >= 0 && percent <= 100),
    step: step >= 1 && step <= steps.length,
    haltWhen: haltWhen.every((word) => haltConditions.includes(word)),
    parts: Array.isArray(parts) && parts.every(isPart),
    startedAt: startedAt !== null && isInstant(startedAt),
    dueAt: isInstant(dueAt),
    endedAt: isInstant(endedAt),
  }
}

function isPart(part: Partial<GradualPart> | null): boolean {
  const isNamed = (part?.kind === 'service' || part?.kind === 'pool') && typeof part.name === 'string'
  return isNamed && Array.isArray(part.weights) && part.weights.every(isWeight)
}

function isWeight(weight: Partial<MovedWeight> | null): boolean {
  return typeof weight?.key === 'string' && Number.isFinite(weight.before) && Number.isFinite(weight.after)
}

const isOpen = isNull(gradualChanges.endedAt)

export async function getGradual(tx: Tx, id: number): Promise<GradualChange | null> {
  const [row] = await select(tx).where(eq(gradualChanges.id, id))
  return row === undefined ? null : toChanges([row])[0]!
}

/** Newest first. */
export async function listGradual(tx: Tx, request: PageRequest): Promise<Page<GradualChange>> {
  return readPage(select(tx).$dynamic(), { id: gradualChanges.id }, request, (rows) => toChanges(rows), {
    newest: true,
  })
}

/** Those that run or are paused, but for what can't be read. Bounded by `mostActive`. */
export async function listActiveGradual(tx: Tx): Promise<GradualChange[]> {
  return toChanges(await select(tx).where(isOpen), () => {})
}

/** How long one that ended is shown with those that run. */
const shownFor = '1 hour'
/** As many of those. */
const mostShown = 20

/** Ids and versions of those that are open and of those that ended lately, the newest first. */
export async function currentGradual(tx: Tx): Promise<{ readonly id: number; readonly version: number }[]> {
  const { id, version, endedAt } = gradualChanges
  return tx
    .select({ id, version })
    .from(gradualChanges)
    .where(or(isOpen, gt(endedAt, sql`clock_timestamp() - ${shownFor}::interval`)))
    .orderBy(sql`${endedAt} is not null`, desc(id))
    .limit(mostActive + mostShown)
}

export async function readGradual(tx: Tx, ids: readonly number[], onBad?: OnBad): Promise<GradualChange[]> {
  if (ids.length === 0) return []
  return toChanges(await select(tx).where(inArray(gradualChanges.id, [...ids])), onBad)
}

export async function countActiveGradual(tx: Tx): Promise<number> {
  const [row] = await tx.select({ count: count() }).from(gradualChanges).where(isOpen)
  return row!.count
}

/** What its parts were written like. */
export async function gradualFragments(tx: Tx, id: number): Promise<GradualFragments[]> {
  const { fragments } = gradualChanges
  const [row] = await tx.select({ fragments }).from(gradualChanges).where(eq(gradualChanges.id, id))
  return row?.fragments ?? []
}

export interface NewGradual extends GradualCourse {
  readonly parts: readonly GradualPart[]
  readonly fragments: readonly GradualFragments[]
  readonly actor: string
  readonly message: string | null
  readonly revision: number
}

const inMs = (ms: number) => sql`clock_timestamp() + ${ms}::double precision * interval '1 millisecond'`

/** Adds one that has taken its first step. @returns its id */
export async function addGradual(tx: Tx, { stepMs, ...change }: NewGradual): Promise<GradualChange> {
  const [row] = await tx
    .insert(gradualChanges)
    .values({
      ...change,
      steps: [...change.steps],
      haltWhen: [...change.haltWhen],
      parts: [...change.parts],
      fragments: [...change.fragments],
      stepMs,
      phase: 'running',
      step: 1,
      startedAt: sql`clock_timestamp()`,
      dueAt: inMs(stepMs),
      version: 1,
    })
    .returning(columns)
  return toChanges([row!])[0]!
}

export interface GradualNext extends Pick<GradualChange, 'phase' | 'step' | 'reason' | 'revision'> {
  readonly wait: GradualWait
}

/** Writes where a change is from now on. */
export async function saveGradual(
  tx: Tx,
  { id, stepMs }: Pick<GradualChange, 'id' | 'stepMs'>,
  { wait, ...next }: GradualNext,
): Promise<GradualChange> {
  const { dueAt, leftMs, version } = gradualChanges
  const paused = next.phase === 'paused'
  const ended = next.phase !== 'running' && !paused
  const [row] = await tx
    .update(gradualChanges)
    .set({
      ...next,
      dueAt:
        wait === 'none'
          ? null
          : wait === 'whole'
            ? inMs(stepMs)
            : sql`clock_timestamp() + coalesce(${leftMs}, 0) * interval '1 millisecond'`,
      // A clock that was set back has nobody wait for longer than a step.
      leftMs: paused
        ? sql`least(greatest(extract(epoch from ${dueAt} - clock_timestamp()) * 1000, 0), ${stepMs}::bigint)::bigint`
        : null,
      endedAt: ended ? sql`clock_timestamp()` : null,
      version: sql`${version} + 1`,
    })
    .where(eq(gradualChanges.id, id))
    .returning(columns)
  return toChanges([row!])[0]!
}

/** The last revision after another one that changed a part, and whose it is; null when there is none that is known. */
export async function lastChangeOf(
  tx: Tx,
  { kind, name }: Pick<GradualPart, 'kind' | 'name'>,
  after: number,
): Promise<{ readonly revision: number; readonly actor: string } | null> {
  const members = sql`(${history.kind} = 'member' and starts_with(${history.key}, ${`${name}/`}::text))`
  const itself = and(eq(history.kind, kind), eq(history.key, name))
  const [row] = await tx
    .select({ revision: revisions.revision, actor: revisions.actor })
    .from(history)
    .innerJoin(revisions, eq(revisions.revision, history.revision))
    .where(and(gt(history.revision, after), kind === 'pool' ? or(itself, members) : itself))
    .orderBy(desc(history.id))
    .limit(1)
  return row ?? null
}
