/** An event as a line: when, what of, what became of it, why. */
import { newsOf, subjectOf, type ToldEvent } from '../controlplane/model/told-event.ts'
import { printable } from '../terminal-text.ts'
import type { Paint } from './frame/terminal.ts'

export interface EventReply extends ToldEvent {
  readonly id: number
}

const bad = new Set([
  'down',
  'suspect',
  'degraded',
  'failing',
  'returned',
  'halted',
  'stale',
  'shedding',
  'full',
])
const good = new Set(['up', 'healthy', 'trusted', 'ok'])

export function eventLine(event: EventReply, paint: Paint): string {
  const { at, kind, to } = event
  const style = bad.has(event.what ?? '')
    ? 'red'
    : to !== undefined && bad.has(to)
      ? 'red'
      : to !== undefined && good.has(to)
        ? 'green'
        : 'reset'
  const reason = event.reason === undefined || event.reason === '' ? '' : `: ${event.reason}`
  const said = printable(`${subjectOf(event)} ${newsOf(event)}`)
  return `${paint('dim', at)}  ${kind.padEnd(11)}  ${paint(style, said)}${printable(reason)}`
}
