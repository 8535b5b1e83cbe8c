/** Documents that are applied in steps. */
import Type from 'typebox'
import type { ApplyOptions, Plan } from '../../apply/apply.ts'
import { planGradual, startGradual } from '../../apply/gradual.ts'
import { parseCourse } from '../../document/gradual.ts'
import { gradualEvent } from '../../gradual/advance.ts'
import { disturbance } from '../../gradual/parts.ts'
import { ControlError, type Problem } from '../../model/errors.ts'
import { type GradualCourse, type GradualPart, isActive, partName, percentOf } from '../../model/gradual.ts'
import type { Author } from '../../store/database.ts'
import type { Ground, Operations } from '../context.ts'
import { type GradualCourseReply, presentCourse } from '../operations/gradual-view.ts'
import { invalid } from './resource.ts'

type Context = Ground & Operations

/** The query parameters of it. */
export const gradualQuery = {
  gradual: Type.Optional(
    Type.String({
      maxLength: 32,
      description:
        'such as `30m`: moves weights in steps, and all of it takes so long. The document may change nothing but weights of services ' +
        'that steer by `weighted` and of members of pools that select by it; the reply comes when the first step is taken',
    }),
  ),
  steps: Type.Optional(
    Type.String({
      maxLength: 256,
      description: 'percents of the way, rising to 100; `1,5,25,50,100` when left out',
    }),
  ),
  haltWhen: Type.Optional(
    Type.String({
      maxLength: 64,
      description:
        'what of those that gain traffic takes it back: `degraded` (when left out), `down`, `member-down`, or several with commas between',
    }),
  ),
}

export interface GradualQuery {
  readonly gradual?: string
  readonly steps?: string
  readonly haltWhen?: string
}

/** Null for a change at once. @throws HttpError 400 */
export function courseOf({ gradual, steps, haltWhen }: GradualQuery): GradualCourse | null {
  const problems: Problem[] = []
  if (gradual === undefined) {
    for (const [path, value] of Object.entries({ steps, haltWhen })) {
      if (value !== undefined)
        problems.push({ path, message: 'is only for a gradual change: give gradual, too' })
    }
    if (problems.length > 0) throw invalid('the query', problems)
    return null
  }
  const paths = { duration: 'gradual', steps: 'steps', haltWhen: 'haltWhen' }
  const course = parseCourse({ duration: gradual, steps, haltWhen }, paths, problems)
  if (course === null) throw invalid('the query', problems)
  return course
}

export interface GradualOutcome {
  readonly plan: Plan
  readonly revision: number
  /** Left out when there was nothing to move. */
  readonly shown: { readonly gradual?: GradualCourseReply }
}

export async function planInSteps(
  context: Context,
  options: ApplyOptions,
  course: GradualCourse,
): Promise<GradualOutcome> {
  const { plan, moves } = await planGradual(context.database, options, course)
  throwIfFailing(context, course, moves.parts)
  return { plan, revision: plan.revision, shown: shownOf(course, moves.parts, null) }
}

export async function applyInSteps(
  context: Context,
  by: Author,
  options: ApplyOptions,
  course: GradualCourse,
): Promise<GradualOutcome> {
  const { revision, plan, change } = await startGradual(context.database, by, options, course, (parts) =>
    throwIfFailing(context, course, parts),
  )
  if (change !== null) context.tell(gradualEvent(change, 'started', change.actor))
  return { plan, revision, shown: shownOf(course, plan.target.gradual!.parts, change?.id ?? null) }
}

export const HaltsSchema = Type.Optional(
  Type.Array(Type.Object({ id: Type.Integer(), moves: Type.String() }), {
    description: 'of a dry run: gradual changes that it would halt, and what of theirs it changes',
  }),
)

/** Gradual changes that a plan would halt, as it changes what they move. */
export function haltedBy(
  { gradual }: Context,
  { target }: Plan,
): { readonly halts?: readonly { readonly id: number; readonly moves: string }[] } {
  const services = new Map(target.services.map((change) => [change.name, change.after?.value ?? null]))
  const pools = new Map(target.pools.map((change) => [change.name, change.after?.value ?? null]))
  const halts = gradual.current().flatMap((change) =>
    change.parts.flatMap((part) => {
      const { kind, name } = part
      const all = kind === 'service' ? services : pools
      if (!isActive(change) || !all.has(name)) return []
      const present =
        kind === 'service' ? { service: services.get(name) ?? null } : { pool: pools.get(name) ?? null }
      const trouble = disturbance(part, percentOf(change), present)
      return trouble === null ? [] : [{ id: change.id, moves: partName(part) }]
    }),
  )
  return halts.length === 0 ? {} : { halts }
}

/** It would go back as soon as it has begun. */
function throwIfFailing({ gradual }: Context, course: GradualCourse, parts: readonly GradualPart[]): void {
  const failure = gradual.failureOf({ ...course, parts })
  if (failure === null) return
  const message = `the change would go back at once: ${failure}; mend that first, or say by haltWhen what else takes it back`
  throw new ControlError('conflict', message)
}

function shownOf(course: GradualCourse, parts: readonly GradualPart[], id: number | null) {
  return parts.length === 0 ? {} : { gradual: presentCourse(course, parts, id) }
}
