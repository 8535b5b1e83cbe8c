import type { CompositeMonitor, HealthState } from '../model.ts'

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

/** One of the monitors, and what it says. Its reason is short and printable already, like those of probes. */
export interface CompositePart {
  readonly name: string
  readonly state: HealthState
  readonly reason: string
}

export interface Combined {
  readonly state: HealthState
  /** Such as `db: status 503; 1 of 2 up, 2 needed`; at most `longestReason` characters. */
  readonly reason: string
}

/** As much as a reason of a probe holds. */
const longestReason = 160
/** More would be a list and not a reason. */
const mostNamed = 3

/** Composites in composites, the outermost counted as 1. */
export const deepestComposite = 16

const inverted = { up: 'down', down: 'up', unknown: 'unknown' } as const

export function combine(
  { require, invert }: Pick<CompositeMonitor, 'require' | 'invert'>,
  parts: readonly CompositePart[],
): Combined {
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
  return (text.length > room ? `${text.slice(0, room - 1)}…` : text) + tail
}

/**
 * Looks for composites that lead back to themselves, without recursion: a document may nest them however deep it likes.
 * @param monitors composites, to the names of their parts; names that are not in it are monitors of other types
 * @returns the names on a cycle in order, the last of which names the first again, or null
 */
export function monitorCycle(monitors: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  return walk(monitors).cycle
}

/**
 * @param monitors as for `monitorCycle`, without a cycle
 * @returns names from a composite to one that is nested too deep below it, one more than are allowed, or null
 */
export function tooDeep(
  monitors: ReadonlyMap<string, readonly string[]>,
  most: number = deepestComposite,
): readonly string[] | null {
  const { nested } = walk(monitors)
  for (const [name, { depth }] of nested) {
    if (depth !== most + 1) continue
    const chain = [name]
    for (let next = nested.get(name)!.deepest; next !== null; next = nested.get(next)!.deepest)
      chain.push(next)
    return chain
  }
  return null
}

/** How many composites there are from this one down, itself included, and by which part one gets there. */
interface Nesting {
  readonly depth: number
  readonly deepest: string | null
}

interface Walk {
  readonly cycle: readonly string[] | null
  /** Without a cycle, every composite, parts before what they are part of. */
  readonly nested: ReadonlyMap<string, Nesting>
}

/** Depth first. Bound: one entry per composite in each of its collections. */
function walk(monitors: ReadonlyMap<string, readonly string[]>): Walk {
  const nested = new Map<string, Nesting>()
  for (const start of monitors.keys()) {
    if (nested.has(start)) continue
    const trail = [{ name: start, next: 0 }]
    const onTrail = new Set([start])
    for (let top = trail.at(-1); top !== undefined; top = trail.at(-1)) {
      const parts = monitors.get(top.name)!
      const part = parts[top.next++]
      if (part === undefined) {
        nested.set(top.name, nestingOf(parts, nested))
        onTrail.delete(top.name)
        trail.pop()
      } else if (onTrail.has(part)) {
        const names = trail.map(({ name }) => name)
        return { cycle: names.slice(names.indexOf(part)), nested }
      } else if (monitors.has(part) && !nested.has(part)) {
        trail.push({ name: part, next: 0 })
        onTrail.add(part)
      }
    }
  }
  return { cycle: null, nested }
}

function nestingOf(parts: readonly string[], nested: ReadonlyMap<string, Nesting>): Nesting {
  let deepest: string | null = null
  let below = 0
  for (const part of parts) {
    const depth = nested.get(part)?.depth ?? 0
    if (depth <= below) continue
    below = depth
    deepest = part
  }
  return { depth: below + 1, deepest }
}
