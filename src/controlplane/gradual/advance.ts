/**
 * Moves a gradual change on: whoever asks, and whatever for, it goes through `advance`. All of it is one transaction: where the
 * change is, the weights of its parts, the revision.
 *
 * Any node may move any change. Each looks by itself, so several find at once that a step is due; the lock row lets one of them
 * through and sends the others away, and what it finds with the revision lock in hand decides: a change that is not what its node
 * has seen (`version`) is left alone. So each step is taken once.
 */
import { isDeepStrictEqual } from 'node:util'
import { sql } from '../../../schema/drizzle.ts'
import { ControlError } from '../model/errors.ts'
import type { NewEvent } from '../model/event.ts'
import {
  type GradualChange,
  type GradualFragments,
  type GradualPart,
  type GradualTurn,
  isActive,
  percentOf,
} from '../model/gradual.ts'
import { writeConfiguration } from '../store/configuration.ts'
import type { Author, Database, Tx, Write } from '../store/database.ts'
import { getGradual, gradualFragments, lastChangeOf, saveGradual } from '../store/gradual.ts'
import { gradualLock, tryLock } from '../store/lock-rows.ts'
import { getPool, type StoredPool } from '../store/pools.ts'
import { getService, type StoredService } from '../store/services.ts'
import type { Stored } from '../store/stored.ts'
import { type GradualInput, type Turn, turnOf } from './machine.ts'
import { disturbance, endSpellings, type Reweighted, reweighPool, reweighService } from './parts.ts'
import { weightsAt } from './weights.ts'

export interface Advanced {
  readonly revision: number
  readonly change: GradualChange
  readonly event: NewEvent
}

interface Ask {
  readonly id: number
  readonly input: GradualInput
  /** Why; null where that goes without saying. Of `halt` null says: if somebody else has changed the weights. */
  readonly reason: string | null
  readonly by: Author
}

/** For operators. Throws `not-found`, and `conflict` for what can't be done with the change as it is. */
export async function operate(database: Database, ask: Ask): Promise<Advanced> {
  const { revision, result } = await database.write(ask.by, async (write) => {
    const change = await getGradual(write.tx, ask.id)
    if (change === null) throw new ControlError('not-found', `there is no gradual change ${ask.id}`)
    const turn = turnOf(change, change.steps.length, ask.input)
    if (turn === null) {
      throw new ControlError(
        'conflict',
        `gradual change ${ask.id} is ${change.phase}: it can't ${verbs[ask.input]}`,
      )
    }
    const parts = await partsOf(write.tx, change)
    const trouble = await troubleOf(write.tx, change, parts)
    if (trouble !== null)
      throw new ControlError('conflict', `gradual change ${ask.id} is about to be halted: ${trouble}`)
    return take(write, change, turn, parts, ask)
  })
  return { revision, ...result }
}

const verbs: Readonly<Record<GradualInput, string>> = {
  due: 'go on',
  pause: 'be paused',
  resume: 'be resumed',
  finish: 'be finished',
  'go-back': 'go back',
  fail: 'go back',
  halt: 'be halted',
}

/** Another node is at it. */
class LockTaken extends Error {}

/** For nodes. @returns null when there was nothing to do, or another node does it */
export async function advance(
  database: Database,
  ask: Ask & { readonly version: number },
): Promise<Advanced | null> {
  try {
    const { revision, result } = await database.writeStaged(
      ask.by,
      tryGradualLock,
      (write) => move(write, ask),
      'at-once',
    )
    return result === null ? null : { revision, ...result }
  } catch (error) {
    if (error instanceof LockTaken) return null
    throw error
  }
}

async function tryGradualLock(tx: Tx): Promise<void> {
  const { rows } = await tx.execute<{ free: boolean }>(sql`select ${tryLock(gradualLock)} as free`)
  if (!rows[0]!.free) throw new LockTaken()
}

async function move(write: Write, ask: Ask & { readonly version: number }) {
  const change = await getGradual(write.tx, ask.id)
  if (change === null || change.version !== ask.version || !isActive(change)) return null
  // What can't be read is no reason not to halt.
  const parts = ask.input === 'halt' && ask.reason !== null ? [] : await partsOf(write.tx, change)
  const trouble = await troubleOf(write.tx, change, parts)
  // Whatever was to be done: nothing is, to what is not as it was left.
  const input = trouble === null ? ask.input : 'halt'
  const reason = trouble ?? ask.reason
  if (input === 'halt' && reason === null) return null
  const turn = turnOf(change, change.steps.length, input)
  return turn === null ? null : take(write, change, turn, parts, { ...ask, reason })
}

type StoredPart =
  | { readonly part: GradualPart; readonly service: StoredService | null }
  | { readonly part: GradualPart; readonly pool: StoredPool | null }

async function partsOf(tx: Tx, change: GradualChange): Promise<StoredPart[]> {
  const found: StoredPart[] = []
  for (const part of change.parts) {
    if (part.kind === 'service') found.push({ part, service: await getService(tx, part.name) })
    else found.push({ part, pool: await getPool(tx, part.name) })
  }
  return found
}

/** Why the parts are not what the change left; null when they are. */
async function troubleOf(
  tx: Tx,
  change: GradualChange,
  parts: readonly StoredPart[],
): Promise<string | null> {
  const percent = percentOf(change)
  for (const stored of parts) {
    const present =
      'service' in stored ? { service: stored.service?.value ?? null } : { pool: stored.pool?.value ?? null }
    const trouble = disturbance(stored.part, percent, present)
    if (trouble === null) continue
    const last = await lastChangeOf(tx, stored.part, change.revision)
    return last === null ? trouble : `${trouble}: revision ${last.revision} by ${last.actor}`
  }
  return null
}

async function take(
  write: Write,
  change: GradualChange,
  turn: Turn,
  parts: readonly StoredPart[],
  { reason, by, input }: Ask,
) {
  const percent = percentOf({ ...change, ...turn })
  if (turn.writes) await writeWeights(write, parts, await gradualFragments(write.tx, change.id), percent)
  const { phase, step, wait, what } = turn
  const revision = write.changed ? write.revision : change.revision
  const next = await saveGradual(write.tx, change, { phase, step, wait, reason, revision })
  // Other nodes look at once.
  write.announce()
  if (!write.changed)
    write.audit(`gradual.${input}`, String(change.id), { phase: change.phase }, { phase, reason })
  return { change: next, event: gradualEvent(next, what, by.actor) }
}

/** Gives parts the weights of a place on the way, where they have others. */
async function writeWeights(
  write: Write,
  parts: readonly StoredPart[],
  fragments: readonly GradualFragments[],
  percent: number,
): Promise<void> {
  const services: Parameters<typeof writeConfiguration>[1]['services'][number][] = []
  const pools: Parameters<typeof writeConfiguration>[1]['pools'][number][] = []
  const zones = new Map<string, string>()
  for (const [index, stored] of parts.entries()) {
    const { name } = stored.part
    const weights = weightsAt(stored.part, percent)
    const spellings = fragments[index] === undefined ? [] : endSpellings(fragments[index], percent)
    if ('service' in stored) {
      const before = stored.service!
      zones.set(name, before.zone)
      const after = reweighService(before.value, before.written ?? null, weights, spellings)
      services.push({ name, before, after, owner: before.owner })
    } else {
      const before = stored.pool!
      const after = reweighPool(before.value, before.written ?? null, weights, spellings)
      pools.push({ name, before, after, owner: before.owner })
    }
  }
  await writeConfiguration(
    write,
    {
      feeds: [],
      monitors: [],
      zones: [],
      services: services.filter(isChanged),
      pools: pools.filter(isChanged),
    },
    (service) => zones.get(service)!,
    [],
  )
}

function isChanged<T>({
  before,
  after,
}: {
  readonly before: Pick<Stored<T>, 'value' | 'written'> | null
  readonly after: Reweighted<T> | null
}): boolean {
  return (
    !isDeepStrictEqual(before?.value, after?.value) ||
    !isDeepStrictEqual(before?.written ?? null, after?.written)
  )
}

/** What became of a gradual change, as its nodes tell it. */
export function gradualEvent(change: GradualChange, what: GradualTurn, actor: string): NewEvent {
  const { id, step, steps, parts, reason } = change
  const pools = parts.flatMap((part) =>
    part.kind === 'pool'
      ? [part.name]
      : part.weights.flatMap(({ key, before, after }) => poolIn(key, before !== after)),
  )
  return {
    kind: 'gradual',
    change: id,
    what,
    step,
    steps: steps.length,
    percent: percentOf(change),
    services: parts.flatMap(({ kind, name }) => (kind === 'service' ? [name] : [])).slice(0, mostNamed),
    pools: [...new Set(pools)].slice(0, mostNamed),
    actor,
    reason: reason ?? '',
    at: new Date(),
  }
}

const mostNamed = 32

function poolIn(key: string, moves: boolean): string[] {
  return moves && key.startsWith('pool ') ? [key.slice('pool '.length)] : []
}
