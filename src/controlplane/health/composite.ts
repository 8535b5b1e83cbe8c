/**
 * Composite monitors: what several monitors say of one member, made into one state.
 *
 * `needed` of the parts must be up: all of them, one, or a number. What is not known yet may turn out either way, and the
 * state is only said when it is the same whichever way that is (three-valued logic):
 *
 *   up       at least `needed` parts are up
 *   down     fewer would be up even if every unknown one were
 *   unknown  otherwise
 *
 * `invert` swaps up and down at the end; unknown stays unknown.
 */
import type { CompositeMonitor } from '../model/monitor.ts'
import { cutReason, longestReason } from '../model/reason.ts'
import type { Opinion } from './check.ts'

/** One of the monitors, and what it says. */
export interface CompositePart extends Opinion {
  readonly name: string
}

/** More would be a list and not a reason. */
const mostNamed = 3

const inverted = { up: 'down', down: 'up', unknown: 'unknown' } as const

/** @returns what the whole says, such as `db: status 503; 1 of 2 up, 2 needed` */
export function combine(
  { require, invert }: Pick<CompositeMonitor, 'require' | 'invert'>,
  parts: readonly CompositePart[],
): Opinion {
  const needed = require === 'all' ? parts.length : require === 'any' ? 1 : require
  const up = parts.filter(({ state }) => state === 'up').length
  const unknown = parts.filter(({ state }) => state === 'unknown').length
  const state = up >= needed ? 'up' : up + unknown < needed ? 'down' : 'unknown'
  const count = `${up} of ${parts.length} up, ${needed} needed${invert ? '; inverted' : ''}`
  const decided = parts.filter((part) => part.state === state)
  return { state: invert ? inverted[state] : state, reason: reasonOf(decided, count) }
}

/** The parts that decided, as many as there is room for, and then the count, always whole. */
function reasonOf(decided: readonly CompositePart[], count: string): string {
  if (decided.length === 0) return count
  const named = decided.slice(0, mostNamed).map(({ name, reason }) => `${name}: ${reason}`)
  const more = decided.length > mostNamed ? `, and ${decided.length - mostNamed} more` : ''
  const tail = `${more}; ${count}`
  const room = longestReason - tail.length
  const text = named.join(', ')
  return cutReason(text, room) + tail
}
