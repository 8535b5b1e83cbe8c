/** Gradual changes as people read them: a line for each, and what each step gives to whom. */
import type { GradualCourseReply, GradualReply } from '../controlplane/api/operations/gradual-view.ts'
import { printable } from '../terminal-text.ts'
import { type Row, type Styled, table } from './frame/terminal.ts'
import { spanText, timeLeft, timeSince } from './frame/times.ts'

const styles: Readonly<Record<GradualReply['phase'], Styled['style']>> = {
  running: 'green',
  paused: 'yellow',
  done: 'green',
  returned: 'red',
  halted: 'red',
}

/** Shares that a line has room for; those that are largest at the end come first. */
const mostShares = 4

export const percentText = (share: number) => `${Math.round(share * 1000) / 10} %`

/** The steps of a change that is planned, a line each. */
export function courseLines({ steps, duration, haltWhen }: GradualCourseReply): string[] {
  const rows = steps.map(({ percent, afterSeconds, parts }) => [
    afterSeconds === 0 ? 'at once' : `after ${spanText(afterSeconds * 1000)}`,
    `${percent} %`,
    parts.map(({ name, shares }) => `${name}: ${sharesText(shares)}`).join('; '),
  ])
  return [
    `in ${steps.length} steps over ${duration}, and back by itself when what gains is ${haltWhen.join(' or ')}:`,
    ...table(rows, 2),
  ]
}

function sharesText(shares: readonly { readonly name: string; readonly share: number }[]): string {
  const shown = shares.slice(0, mostShares).map(({ name, share }) => `${name} ${percentText(share)}`)
  const more = shares.length - shown.length
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/** What a change moves and how far it is, such as `web-eu 99 % -> 0 %, now 95 %`. */
export function gradualRow(change: GradualReply, at: string): Row {
  const { id, phase, step, steps, percent, nextAt, endedAt, parts, actor, message, reason } = change
  return {
    phase: { text: phase, style: styles[phase] },
    change: String(id),
    of: parts.map(({ name }) => name).join(', '),
    step: `${step} of ${steps.length}`,
    moved: `${percent} %`,
    next: nextAt === null ? '' : `in ${timeLeft(nextAt, at)}`,
    ended: endedAt === null ? '' : `${timeSince(endedAt, at)} ago`,
    by: actor,
    why: reason ?? message ?? '',
  }
}

/** One change, with the shares of each part. */
export function gradualLines(change: GradualReply, at: string): string[] {
  const { id, phase, duration, haltWhen, parts, steps } = change
  const rows = parts.flatMap(({ name, shares }) =>
    shares.map(({ of, name: whose, before, now, after }) => ({
      part: name,
      share: `${of} ${whose}`,
      before: percentText(before),
      now: percentText(now),
      after: percentText(after),
    })),
  )
  return [
    printable(`Gradual change ${id}: ${phase}, in steps of ${steps.join(', ')} % over ${duration}`),
    ...table([gradualRow(change, at)], 2),
    '',
    ...table(rows, 2),
    '',
    `Goes back by itself when what gains is ${haltWhen.join(' or ')}`,
  ]
}

/** Such as `running, step 2 of 5, 5 %, the next in 5m 59s`. */
export function gradualLine(change: GradualReply, at: string): string {
  const { phase, step, steps, percent, nextAt, reason } = change
  const last = step === steps.length
  const next = nextAt === null ? '' : `, ${last ? 'done' : 'the next'} in ${timeLeft(nextAt, at)}`
  return printable(
    `${phase}, step ${step} of ${steps.length}, ${percent} %${next}${reason === null ? '' : `: ${reason}`}`,
  )
}
