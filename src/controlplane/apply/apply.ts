/**
 * Makes the configuration what a document says, or tells what that would be. All of it in one transaction and one revision, or
 * nothing.
 *
 * What is there is read, and what is to become of it worked out, before the revision lock is asked for, so that other
 * writers wait only while rows are written. Whoever has written meanwhile makes that worthless: then it is done again, with the
 * lock in hand.
 */
import type { Document } from '../document/document.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Reach } from '../model/reach.ts'
import {
  mostDocumentRrsets,
  readConfiguration,
  readRrsets,
  type StoredConfiguration,
  type StoredRrsets,
  writeConfiguration,
} from '../store/configuration.ts'
import type { Author, Database, Tx, Write } from '../store/database.ts'
import { rowsOfFeeds } from '../store/feeds.ts'
import { changedSince } from '../store/history.ts'
import { currentRevision } from '../store/revision.ts'
import { type GoingRrsets, rrsetsGoing } from '../store/rrsets.ts'
import { claimZone, lockZones, ZoneTaken } from '../store/zone-lock.ts'
import { type Judged, judgeTarget } from './judge.ts'
import { throwIfBeyond } from './reach.ts'
import { type Target, targetOf } from './target.ts'

export interface ApplyOptions {
  readonly document: Document
  /** Whether what the document does not name goes; see `target.ts`. */
  readonly prune: boolean
  /** The revision that whoever asks knows: when the configuration has changed since, nothing is done. Null for any. */
  readonly since: number | null
  /** What whoever asks may see and change, when that is not everything: what lies beyond is as if it were not there. */
  readonly reach?: Reach | null
}

/** What is to change, and by which revision it was worked out. */
export interface Plan {
  readonly revision: number
  readonly target: Target
  readonly before: StoredConfiguration
  /** The RRsets of the zones that go; of the first thousand of them. */
  readonly going: ReadonlyMap<string, GoingRrsets>
  /** About how many rows the feeds have that go. */
  readonly goingRows: ReadonlyMap<string, number>
}

interface Planned extends Plan {
  readonly judged: Judged
}

/** What comes to a target: a document, or an earlier revision. */
export interface Aim {
  readonly since: number | null
  readonly reach: Reach | null
  /** The RRsets that matter to it, of the zones that it changes and that there are; null when they are too many. */
  readRrsets(tx: Tx, before: StoredConfiguration): Promise<StoredRrsets | null>
  /** @param rrsets these */
  target(before: StoredConfiguration, rrsets: StoredRrsets): Target
  /** What is written with it, behind it. */
  finish?(write: Write, target: Target): Promise<void>
}

export function aimOf({ document, prune, since, reach = null }: ApplyOptions): Aim {
  return {
    since,
    reach,
    readRrsets: (tx, { zones }) => {
      const apexes = document.configuration.zones.flatMap(({ apex }) => {
        return zones.has(apex) && 'rrsets' in document.bodies.zones.get(apex)! ? [apex] : []
      })
      return readRrsets(tx, apexes)
    },
    target: (before, rrsets) => targetOf(before, rrsets, { document, prune, reach }),
  }
}

/** Tells what a document would change. Throws `invalid` or `conflict` when it can't be applied. */
export function planDocument(database: Database, options: ApplyOptions): Promise<Plan> {
  return planAim(database, async () => aimOf(options))
}

/**
 * Applies a document. Throws `conflict` when it breaks a rule, `stale` when the configuration has changed since what the caller
 * knows.
 *
 * @returns what has changed, and the revision by which it is so
 */
export function applyDocument(database: Database, by: Author, options: ApplyOptions): Promise<Applied> {
  return applyAim(database, by, async () => aimOf(options))
}

export interface Applied {
  readonly revision: number
  readonly plan: Plan
}

export async function planAim(database: Database, aim: (tx: Tx) => Promise<Aim>): Promise<Plan> {
  return database.readMuch(async (tx) => {
    const aimed = await aim(tx)
    await throwIfStale(tx, aimed)
    return plan(tx, aimed)
  })
}

export async function applyAim(
  database: Database,
  by: Author,
  aim: (tx: Tx) => Promise<Aim>,
): Promise<Applied> {
  const { revision, result } = await database.writeStaged(
    by,
    (tx) => stage(tx, aim),
    async (write, { planned, locked }) => {
      const aimed = await aim(write.tx)
      await throwIfStale(write.tx, aimed)
      const current = (await isCurrent(write.tx, planned)) ? planned! : await plan(write.tx, aimed)
      for (const { name } of current.target.zones) if (!locked.has(name)) await claim(write.tx, name)
      const { target, judged } = current
      await writeConfiguration(write, target, (service) => judged.zoneOf(service)!, judged.moved)
      await aimed.finish?.(write, target)
      return current
    },
  )
  return { revision, plan: result }
}

/** Plans, and waits for the zones that are to change; then plans again, for what an import may have made of them. */
async function stage(tx: Tx, aim: (tx: Tx) => Promise<Aim>): Promise<Staged> {
  let planned = await tried(tx, aim)
  const locked = new Set(planned?.target.zones.map(({ name }) => name))
  if (locked.size === 0) return { planned, locked }
  // Two of them are not held at a time: each has all of the configuration.
  planned = null
  await lockZones(tx, [...locked].sort())
  planned = await tried(tx, aim)
  return { planned, locked }
}

interface Staged {
  /** Null when it was refused: that may be since others were writing, so the word that counts is said with the lock in hand. */
  readonly planned: Planned | null
  readonly locked: ReadonlySet<string>
}

async function tried(tx: Tx, aim: (tx: Tx) => Promise<Aim>): Promise<Planned | null> {
  try {
    return await plan(tx, await aim(tx))
  } catch (error) {
    if (error instanceof ControlError && error.code !== 'unavailable') return null
    throw error
  }
}

/** Whether what was planned on is what there is. */
async function isCurrent(tx: Tx, planned: Planned | null): Promise<boolean> {
  return planned !== null && (await changedSince(tx, planned.revision))?.length === 0
}

/** With the revision lock in hand nobody waits for a zone. */
async function claim(tx: Tx, apex: string): Promise<void> {
  try {
    await claimZone(tx, apex)
  } catch (error) {
    if (!(error instanceof ZoneTaken)) throw error
    throw new ControlError('conflict', `zone ${apex} is being imported just now: try again`)
  }
}

async function throwIfStale(tx: Tx, { since }: Aim): Promise<void> {
  if (since === null) return
  const changed = await changedSince(tx, since)
  if (changed === null) {
    throw new ControlError(
      'stale',
      `nobody can say what has changed since revision ${since}, which is none of this history: plan again`,
    )
  }
  if (changed.length === 0) return
  const [{ revision, actor, at }] = changed as [(typeof changed)[0]]
  throw new ControlError(
    'stale',
    `the configuration has changed since revision ${since}: revision ${revision} by ${actor} at ${at.toISOString()}` +
      `${changed.length > 1 ? ', and later ones' : ''}; plan again`,
  )
}

async function plan(tx: Tx, aim: Aim): Promise<Planned> {
  const revision = await currentRevision(tx)
  // What can't be read is replaced when the target has it, and else is left alone.
  const unreadable = new Set<string>()
  const before = await readConfiguration(tx, (_, what) => unreadable.add(partIn(what)))
  const rrsets = await aim.readRrsets(tx, before)
  if (rrsets === null) {
    throw new ControlError(
      'conflict',
      `the zones have more than ${mostDocumentRrsets} RRsets together, too many to be changed at once: import master files, or change RRsets by their routes`,
    )
  }
  const target = sparing(aim.target(before, rrsets), unreadable)
  if (aim.reach !== null) throwIfBeyond(target, aim.reach)
  const judged = await judgeTarget(tx, before, rrsets, target)
  throwIfAny([...target.problems, ...judged.problems])
  const [going, goingRows] = await Promise.all([
    rrsetsGoing(tx, thoseThatGo(target.zones).slice(0, mostGoing)),
    rowsOfFeeds(tx, thoseThatGo(target.feeds)),
  ])
  return { revision, target, before, going, goingRows, judged }
}

/** Zones that go of which the RRsets are counted. */
const mostGoing = 1_000

const thoseThatGo = (changes: readonly { readonly name: string; readonly after: unknown }[]) =>
  changes.flatMap(({ name, after }) => (after === null ? [name] : []))

/** What a message about a row that can't be read speaks of, such as `pool web`. */
function partIn(what: string): string {
  const [, kind, name] = /(feed|monitor|pool|member|service|zone) (\S+)$/.exec(what) ?? []
  return kind === 'member' ? `pool ${name!.split('/')[0]}` : `${kind} ${name}`
}

/** Nothing goes of which nobody can say what it is. */
function sparing(target: Target, unreadable: ReadonlySet<string>): Target {
  if (unreadable.size === 0) return target
  const spared = <T extends { readonly name: string; readonly after: unknown }>(
    kind: string,
    changes: readonly T[],
  ) => changes.filter(({ name, after }) => after !== null || !unreadable.has(`${kind} ${name}`))
  return {
    ...target,
    feeds: spared('feed', target.feeds),
    monitors: spared('monitor', target.monitors),
    pools: spared('pool', target.pools),
    services: spared('service', target.services),
    zones: spared('zone', target.zones),
  }
}

/** Problems in one answer. */
const mostProblems = 1000

function throwIfAny(problems: readonly Problem[]): void {
  const [first] = problems
  if (first === undefined) return
  const more = problems.length === 1 ? '' : `, and ${problems.length - 1} more`
  throw new ControlError('conflict', `the document can't be applied: ${first.path} ${first.message}${more}`, {
    problems: problems.slice(0, mostProblems),
  })
}
