/** Starts gradual changes: what a document changes, of which the first step is applied, and the change written down for the rest. */
import { joinPath } from '../document/path.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import { type GradualChange, type GradualCourse, type GradualPart, partName } from '../model/gradual.ts'
import type { Author, Database, Tx, Write } from '../store/database.ts'
import { addGradual, listActiveGradual, mostActive } from '../store/gradual.ts'
import { type Aim, type Applied, type ApplyOptions, aimOf, applyAim, type Plan, planAim } from './apply.ts'
import { firstStep } from './gradual-moves.ts'
import type { GradualMoves, Target } from './target.ts'

export interface GradualPlan {
  /** Of all of the change. */
  readonly plan: Plan
  readonly moves: GradualMoves
}

/** Tells what a document would move, and the whole of what it would change. Throws as `startGradual`. */
export async function planGradual(
  database: Database,
  options: ApplyOptions,
  { steps }: GradualCourse,
): Promise<GradualPlan> {
  const first = await planAim(database, async (tx) => {
    const aim = aimOf(options)
    const active = await activeParts(tx)
    return { ...aim, target: (...given) => unmoved(firstStep(aim.target(...given), steps[0]!), active) }
  })
  const plan = await planAim(database, async () => aimOf({ ...options, since: first.revision }))
  return { plan, moves: first.target.gradual! }
}

export interface Started extends Applied {
  /** Null when there was nothing to move. */
  readonly change: GradualChange | null
}

/**
 * Applies the first step of what a document moves. Throws `conflict` for a document that changes more than weights, for parts
 * that another gradual change moves already, and when there are too many changes; else as `applyDocument`.
 *
 * @param mayStart throws when something speaks against it
 */
export async function startGradual(
  database: Database,
  by: Author,
  options: ApplyOptions,
  course: GradualCourse,
  mayStart: (parts: readonly GradualPart[]) => void,
): Promise<Started> {
  let change: GradualChange | null = null
  const applied = await applyAim(database, by, async (tx): Promise<Aim> => {
    const aim = aimOf(options)
    const active = await activeParts(tx)
    return {
      ...aim,
      target: (...given) => unmoved(firstStep(aim.target(...given), course.steps[0]!), active),
      finish: async (write, target) => {
        mayStart(target.gradual!.parts)
        change = await begin(write, target, course)
      },
    }
  })
  return { ...applied, change }
}

async function begin(write: Write, target: Target, course: GradualCourse): Promise<GradualChange | null> {
  const { parts, fragments } = target.gradual!
  if (parts.length === 0) return null
  const active = await listActiveGradual(write.tx)
  if (active.length >= mostActive) {
    const message = `${active.length} gradual changes are under way, as many as there may be: finish one of them, or let it go back`
    throw new ControlError('conflict', message)
  }
  // One that was started since the document was planned may have changed nothing yet.
  const taken = takenBy(parts, partsOf(active))
  if (taken.length > 0)
    throw new ControlError('conflict', `${taken[0]!.path} ${taken[0]!.message}`, { problems: taken })
  const { actor, message } = write.author
  const revision = write.changed ? write.revision : write.revision - 1
  const change = await addGradual(write.tx, { ...course, parts, fragments, actor, message, revision })
  write.announce()
  return change
}

/** What gradual changes move now, and by which of them. */
const activeParts = async (tx: Tx) => partsOf(await listActiveGradual(tx))

function partsOf(active: readonly GradualChange[]): ReadonlyMap<string, number> {
  return new Map(active.flatMap(({ id, parts }) => parts.map((part) => [partName(part), id] as const)))
}

function unmoved(target: Target, active: ReadonlyMap<string, number>): Target {
  return { ...target, problems: [...target.problems, ...takenBy(target.gradual!.parts, active)] }
}

/** Two changes of one thing would each take the other for somebody else. */
function takenBy(parts: readonly GradualPart[], active: ReadonlyMap<string, number>): Problem[] {
  return parts.flatMap((part) => {
    const id = active.get(partName(part))
    const message = `is moved by gradual change ${id}: wait for its end, finish it, or let it go back`
    return id === undefined ? [] : [{ path: joinPath(`${part.kind}s`, part.name), message }]
  })
}
