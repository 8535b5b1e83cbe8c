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

/** Tells what a document would change. Throws `invalid` or `conflict` when it can't be applied. */
export async function planDocument(database: Database, options: ApplyOptions): Promise<Plan> {
  return database.readMuch(async (tx) => {
    await throwIfStale(tx, options)
    return plan(tx, options)
  })
}

/**
 * Applies a document. Throws `invalid` or `conflict` when it breaks a rule, `stale` when the configuration has changed since
 * what the caller knows.
 *
 * @returns what has changed, and the revision by which it is so
 */
export async function applyDocument(
  database: Database,
  by: Author,
  options: ApplyOptions,
): Promise<{ readonly revision: number; readonly plan: Plan }> {
  const { revision, result } = await database.writeStaged(
    by,
    async (tx) => {
      await lockZones(
        tx,
        options.document.configuration.zones.map(({ apex }) => apex),
      )
      return plan(tx, options)
    },
    async (write, staged) => {
      await throwIfStale(write.tx, options)
      const planned = staged.revision === write.revision - 1 ? staged : await plan(write.tx, options)
      const { target, judged } = planned
      await writeConfiguration(write, target, (service) => judged.zoneOf(service)!, judged.moved)
      return planned
    },
  )
  return { revision, plan: result }
}

async function throwIfStale(tx: Tx, { since }: ApplyOptions): Promise<void> {
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

async function plan(tx: Tx, options: ApplyOptions): Promise<Planned> {
  const revision = await currentRevision(tx)
  const before = await readConfiguration(tx)
  const { zones } = options.document.configuration
  const { rrsets, tooLarge } = await readRrsets(
    tx,
    zones.flatMap(({ apex }) => (before.zones.has(apex) ? [apex] : [])),
  )
  throwIfAny(
    tooLarge.map((apex) => ({
      path: `zones[${JSON.stringify(apex)}]`,
      message:
        'has too many RRsets to be changed by a document: import it as a master file, or change RRsets by their routes',
    })),
  )
  const target = targetOf(before, rrsets, options)
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
