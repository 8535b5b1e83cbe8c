/**
 * What an operator has to know first, in one sentence and a few lines: what is down, since when, why, and what is answered instead. A
 * pure function of what the server says.
 */
import type { OverviewReply } from '../controlplane/api/operations/overview.ts'
import { clock, count, list, span } from './format.ts'

export type Mood = 'good' | 'doubt' | 'bad'

export interface Headline {
  readonly mood: Mood
  readonly title: string
  readonly lines: readonly HeadlineLine[]
  /** Lines that were left out. */
  readonly more: number
}

export interface HeadlineLine {
  readonly mood: Mood
  readonly text: string
  readonly service?: string
}

const mostLines = 6

type At = (instant: string | null) => string

/** @param nowMs the server's time */
export function headlineOf(overview: OverviewReply, nowMs: number): Headline {
  const since: At = (instant) =>
    instant === null
      ? 'since before this server looked'
      : `since ${clock(instant, nowMs)} (${span(nowMs - Date.parse(instant))})`
  const services = serviceLines(overview, since)
  const lines = [
    ...nodeLines(overview),
    ...services,
    ...memberLines(overview, since),
    ...overview.missing.map((text) => ({ mood: 'bad' as const, text: `Not ready: ${text}` })),
    ...overview.warnings.map((text) => ({ mood: 'doubt' as const, text })),
  ]
  const mood: Mood = lines.some((line) => line.mood === 'bad') ? 'bad' : lines.length > 0 ? 'doubt' : 'good'
  return {
    mood,
    title: titleOf(overview, mood),
    lines: lines.slice(0, mostLines),
    more: Math.max(0, lines.length - mostLines),
  }
}

function titleOf({ counts, services, overrides }: OverviewReply, mood: Mood): string {
  const { down = 0, degraded = 0, up = 0, unknown = 0 } = counts.services
  const all = down + degraded + up + unknown
  const named = (state: string) => services.filter((each) => each.state === state).map(({ name }) => name)
  if (down > 0) {
    const names = down === 1 ? named('down')[0] : count(down, 'service')
    return `${names} ${down === 1 ? 'is' : 'are'} down`
  }
  const membersDown = counts.members.down ?? 0
  if (degraded > 0) {
    const names = degraded === 1 ? named('degraded')[0] : count(degraded, 'service')
    return `${names} ${degraded === 1 ? 'is' : 'are'} degraded, and answered`
  }
  if (membersDown > 0) return `${count(membersDown, 'member')} down; every service is answered`
  if (mood !== 'good') return 'Services are up; something else is not as it should be'
  if (all === 0) return 'There are no services yet'
  const held = overrides.length === 0 ? '' : `; ${count(overrides.length, 'override')} in force`
  return all === 1 ? `The service is up${held}` : `All ${count(all, 'service')} are up${held}`
}

function serviceLines({ services }: OverviewReply, since: At): HeadlineLine[] {
  return services
    .filter(({ state }) => state === 'down' || state === 'degraded')
    .map(({ name, state, since: at, reason, pools }) => ({
      mood: state === 'down' ? ('bad' as const) : ('doubt' as const),
      text: `is ${state} ${since(at)}: ${reason}. ${insteadOf(pools)}`,
      service: name,
    }))
}

function insteadOf(pools: readonly string[]): string {
  return pools.length === 0 ? 'No pool answers for it.' : `Answered from ${list(pools)}.`
}

function memberLines({ members }: OverviewReply, since: At): HeadlineLine[] {
  return members
    .filter(({ status }) => status.state === 'down' && status.override?.state !== 'drain')
    .map(({ pool, member, status, waitsForFailBack }) => {
      const answered = status.answered === true ? 'It is answered all the same.' : 'It is not answered.'
      const waits = waitsForFailBack ? ' It answers its probes again, and waits to be let back.' : ''
      return {
        mood: 'doubt' as const,
        text: `${pool}/${member} is down ${since(status.since)}: ${status.reason}. ${answered}${waits}`,
      }
    })
}

function nodeLines({ nodes, suspicion, revision }: OverviewReply): HeadlineLine[] {
  const doubts = suspicion === null ? [] : [`This node doubts its own network: ${suspicion}`]
  const others = nodes.flatMap(({ id, name, live, suspect, self, revision: theirs }) => {
    const who = `Node ${name ?? id}`
    if (!live) return [`${who} has not been heard of lately`]
    if (suspect && !self) return [`${who} doubts its own network`]
    return !self && theirs < revision - 1 ? [`${who} serves revision ${theirs}, behind ${revision}`] : []
  })
  return [...doubts, ...others].map((text) => ({ mood: 'doubt' as const, text }))
}
