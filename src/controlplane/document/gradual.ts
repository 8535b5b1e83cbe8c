/** The course of a gradual change, as texts: how long, in which steps, and what takes it back. */
import type { Problem } from '../model/errors.ts'
import { type GradualCourse, type HaltCondition, haltConditions } from '../model/gradual.ts'
import { formatDuration, parseDuration } from './duration.ts'

export interface CourseTexts {
  /** Such as `30m`: all of it. */
  readonly duration: string
  /** Such as `1,5,25,50,100`; that when left out. */
  readonly steps?: string | undefined
  /** Such as `degraded,member-down`; `degraded` when left out. */
  readonly haltWhen?: string | undefined
}

/** Where the problems of each are told. */
export type CoursePaths = Readonly<Record<keyof CourseTexts, string>>

export const defaultSteps = '1,5,25,50,100'
const defaultHaltWhen: HaltCondition = 'degraded'

const mostSteps = 50
const leastStepMs = 1_000
const longestMs = 30 * 86_400_000

/** Null, and every problem reported, for texts that are none. */
export function parseCourse(
  { duration, steps: stepText = defaultSteps, haltWhen: haltText = defaultHaltWhen }: CourseTexts,
  paths: CoursePaths,
  problems: Problem[],
): GradualCourse | null {
  const before = problems.length
  const steps = stepText
    .split(',')
    .map((step) => (/^[1-9]\d{0,2}$/.test(step.trim()) ? Number(step) : Number.NaN))
  const words = haltText.split(',').map((word) => word.trim())
  const haltWhen = haltConditions.filter((condition) => words.includes(condition))
  const wrongSteps = stepsProblem(steps)
  if (wrongSteps !== null)
    problems.push({ path: paths.steps, message: `${wrongSteps}, not ${JSON.stringify(stepText)}` })
  const unknown = words.find((word) => !haltConditions.some((condition) => condition === word))
  if (unknown !== undefined) {
    const message = `must be ${haltConditions.join(', ')} or several of them, not ${JSON.stringify(unknown)}`
    problems.push({ path: paths.haltWhen, message })
  }
  const durationMs = parseDuration(duration)
  const shortestMs = leastStepMs * steps.length
  if (durationMs === null || durationMs < shortestMs || durationMs > longestMs) {
    const message = `must be a duration such as 30m, from ${formatDuration(shortestMs)} (a second for each step) to ${formatDuration(longestMs)}, not ${JSON.stringify(duration)}`
    problems.push({ path: paths.duration, message })
  }
  if (problems.length > before) return null
  return { steps, stepMs: Math.round(durationMs! / steps.length), haltWhen }
}

function stepsProblem(steps: readonly number[]): string | null {
  if (steps.length > mostSteps) return `must be ${mostSteps} steps at most`
  if (steps.some((step) => !(step <= 100))) return 'must be whole percents from 1 to 100 with commas between'
  if (steps.some((step, index) => index > 0 && step <= steps[index - 1]!))
    return 'must rise from step to step'
  return steps.at(-1) === 100 ? null : 'must end with 100'
}
