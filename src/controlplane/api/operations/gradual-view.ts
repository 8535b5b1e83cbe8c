/** Gradual changes as JSON: how far they are, and what share of its answers each part gives to whom. */
import Type, { type Static } from 'typebox'
import { formatDuration } from '../../document/duration.ts'
import { sharesAt } from '../../gradual/weights.ts'
import {
  type GradualChange,
  type GradualCourse,
  type GradualPart,
  gradualPhases,
  haltConditions,
  isActive,
  percentOf,
} from '../../model/gradual.ts'
import type { Reach } from '../../model/reach.ts'
import { Instant, InstantOrNull, TextOrNull } from '../schemas.ts'

const Share = Type.Number({ minimum: 0, maximum: 1 })

const Of = Type.Enum(['pool', 'service', 'member'])
const part = { kind: Type.Enum(['service', 'pool']), name: Type.String() }

export const GradualView = Type.Object(
  {
    id: Type.Integer(),
    phase: Type.Enum([...gradualPhases], {
      description:
        '`running`, `paused`, or how it ended: `done`, `returned` (the weights are what they were before), `halted` (somebody else ' +
        'has changed them, and nothing is moved any more)',
    }),
    step: Type.Integer({ description: 'steps that were taken' }),
    steps: Type.Array(Type.Integer(), { description: 'in percent of the way' }),
    percent: Type.Integer({ description: 'how far the weights have come' }),
    duration: Type.String(),
    haltWhen: Type.Array(Type.Enum([...haltConditions])),
    startedAt: Instant,
    nextAt: Type.Unsafe<string | null>({
      ...InstantOrNull,
      description: 'when it goes on, by the clock of the database; null unless it runs',
    }),
    endedAt: InstantOrNull,
    actor: Type.String(),
    message: TextOrNull('why, as its author said'),
    reason: TextOrNull('why it is what it is, where that does not go without saying'),
    revision: Type.Integer({ description: 'since which the weights are what they are' }),
    parts: Type.Array(
      Type.Object({
        ...part,
        shares: Type.Array(
          Type.Object({ of: Of, name: Type.String(), before: Share, now: Share, after: Share }),
          { description: 'of the answers, while all is up' },
        ),
      }),
    ),
  },
  { title: 'GradualChange' },
)
export type GradualReply = Static<typeof GradualView>

/** What a change that is not begun, or just was, comes to. */
export const GradualCourseView = Type.Object(
  {
    id: Type.Optional(Type.Integer({ description: 'of the change that was started; left out of a dry run' })),
    duration: Type.String(),
    haltWhen: Type.Array(Type.Enum([...haltConditions])),
    steps: Type.Array(
      Type.Object({
        percent: Type.Integer(),
        afterSeconds: Type.Number({ description: 'since the start' }),
        parts: Type.Array(
          Type.Object({
            ...part,
            shares: Type.Array(Type.Object({ of: Of, name: Type.String(), share: Share })),
          }),
        ),
      }),
    ),
  },
  { title: 'GradualCourse' },
)
export type GradualCourseReply = Static<typeof GradualCourseView>

export function presentGradual(change: GradualChange): GradualReply {
  const { id, phase, step, steps, startedAt, dueAt, endedAt, actor, message, reason, revision } = change
  const percent = percentOf(change)
  return {
    id,
    phase,
    step,
    steps: [...steps],
    percent,
    duration: durationOf(change),
    haltWhen: [...change.haltWhen],
    startedAt: startedAt.toISOString(),
    nextAt: dueAt?.toISOString() ?? null,
    endedAt: endedAt?.toISOString() ?? null,
    actor,
    message,
    reason,
    revision,
    parts: change.parts.map((each) => {
      const sides = [0, percent, 100].map((at) => sharesAt(each, at))
      const [before, now, after] = sides as [(typeof sides)[0], (typeof sides)[0], (typeof sides)[0]]
      const shares = each.weights.map(({ key }) => ({
        ...named(each, key),
        before: rounded(before.get(key)!),
        now: rounded(now.get(key)!),
        after: rounded(after.get(key)!),
      }))
      return { kind: each.kind, name: each.name, shares }
    }),
  }
}

export function presentCourse(
  course: GradualCourse,
  parts: readonly GradualPart[],
  id: number | null,
): GradualCourseReply {
  return {
    ...(id === null ? {} : { id }),
    duration: durationOf(course),
    haltWhen: [...course.haltWhen],
    steps: course.steps.map((percent, index) => ({
      percent,
      afterSeconds: (index * course.stepMs) / 1000,
      parts: parts.map((each) => ({
        kind: each.kind,
        name: each.name,
        shares: Array.from(sharesAt(each, percent), ([key, share]) => ({
          ...named(each, key),
          share: rounded(share),
        })),
      })),
    })),
  }
}

/** Those that move something of what is named, as this node knows them. */
export function activeOn(
  current: readonly GradualChange[],
  names: Readonly<Record<GradualPart['kind'], ReadonlySet<string>>>,
): GradualChange[] {
  return current.filter(
    (change) => isActive(change) && change.parts.some(({ kind, name }) => names[kind].has(name)),
  )
}

/** Those of which every part is reached: the shares of the others are nobody else's business. */
export function reachedChanges(
  current: readonly GradualChange[],
  reach: Reach | null,
): readonly GradualChange[] {
  if (reach === null) return current
  return current.filter(({ parts }) => parts.every(({ kind, name }) => reach.includes({ kind, name })))
}

/** As it was asked for: steps are of whole milliseconds, so all of them together may be some less or more than that. */
function durationOf({ stepMs, steps }: GradualCourse): string {
  const [wholeMs, secondMs] = [stepMs * steps.length, 1_000]
  const nearestMs = Math.round(wholeMs / secondMs) * secondMs
  return formatDuration(Math.abs(wholeMs - nearestMs) <= steps.length / 2 ? nearestMs : wholeMs)
}

/** Whose share a key stands for. */
function named(
  { kind }: GradualPart,
  key: string,
): { readonly of: 'pool' | 'service' | 'member'; readonly name: string } {
  if (kind === 'pool') return { of: 'member', name: key }
  const at = key.indexOf(' ')
  return { of: key.slice(0, at) as 'pool' | 'service', name: key.slice(at + 1) }
}

const rounded = (share: number) => Math.round(share * 10_000) / 10_000
