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
import {
  readConfiguration,
  readRrsets,
  type StoredConfiguration,
  type StoredRrsets,
  writeConfiguration,
} from '../store/configuration.ts'
import type { Author, Database, Tx } from '../store/database.ts'
import { changedSince } from '../store/history.ts'
import { currentRevision } from '../store/revision.ts'
import { lockZones } from '../store/zone-lock.ts'
import { type Judged, judgeTarget } from './judge.ts'
import { type Target, targetOf } from './target.ts'

export interface ApplyOptions {
  readonly document: Document
  /** Whether what the document does not name goes; see `target.ts`. */
  readonly prune: boolean
  /** The revision that whoever asks knows: when the configuration has changed since, nothing is done. Null for any. */
  readonly since: number | null
}

/** What is to change, and by which revision it was worked out. */
export interface Plan {
  readonly revision: number
  readonly target: Target
  readonly before: StoredConfiguration
}

interface Planned extends Plan {
  readonly judged: Judged
}

/** What comes to a target: a document, or an earlier revision. */
export interface Aim {
  readonly since: number | null
  /** The zones whose RRsets may change, of those that there are. */
  zones(before: StoredConfiguration): readonly string[]
  /** @param rrsets of these */
  target(before: StoredConfiguration, rrsets: StoredRrsets): Target
}

function aimOf({ document, prune, since }: ApplyOptions): Aim {
  return {
    since,
    zones: ({ zones }) => document.configuration.zones.flatMap(({ apex }) => (zones.has(apex) ? [apex] : [])),
    target: (before, rrsets) => targetOf(before, rrsets, { document, prune }),
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
  const zones = options.document.configuration.zones.map(({ apex }) => apex)
  return applyAim(database, by, async () => aimOf(options), zones)
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

/** @param zones to be locked, so that no import changes them meanwhile */
export async function applyAim(
  database: Database,
  by: Author,
  aim: (tx: Tx) => Promise<Aim>,
  zones: readonly string[],
): Promise<Applied> {
  const { revision, result } = await database.writeStaged(
    by,
    async (tx) => {
      await lockZones(tx, zones)
      return plan(tx, await aim(tx))
    },
    async (write, staged) => {
      const isCurrent = staged.revision === write.revision - 1
      const aimed = await aim(write.tx)
      await throwIfStale(write.tx, aimed)
      const planned = isCurrent ? staged : await plan(write.tx, aimed)
      const { target, judged } = planned
      await writeConfiguration(write, target, (service) => judged.zoneOf(service)!, judged.moved)
      return planned
    },
  )
  return { revision, plan: result }
}

async function throwIfStale(tx: Tx, { since }: Aim): Promise<void> {
  if (since === null) return
  const changed = await changedSince(tx, since)
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
  const before = await readConfiguration(tx)
  const { rrsets, tooLarge } = await readRrsets(tx, aim.zones(before))
  throwIfAny(
    tooLarge.map((apex) => ({
      path: `zones[${JSON.stringify(apex)}]`,
      message:
        'has too many RRsets to be changed by a document: import it as a master file, or change RRsets by their routes',
    })),
  )
  const target = aim.target(before, rrsets)
  throwIfAny(target.problems)
  const judged = await judgeTarget(tx, before, rrsets, target)
  throwIfAny(judged.problems)
  return { revision, target, before, judged }
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
