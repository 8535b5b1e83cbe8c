/**
 * Fragments of the document as people may write them: with defaults written out or left out, in other units, in capitals, with
 * what the daemon tells beside them. Whatever a rewriting comes to is kept only where it still says the same.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Body, ParseNamed } from '../../../src/controlplane/document/forms.ts'
import { isMap } from '../../../src/controlplane/document/schema-check.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'

/** From 0 to below 1, by a seed (mulberry32). */
export type Random = () => number

export function randomBy(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!
}

/** Rewritings that are tried of a fragment. */
const tries = 12

/** The same fragment in other words. */
export function respelled<T>(name: string, body: Body, parse: ParseNamed<T>, random: Random): Body {
  const meaning = read(name, body, parse)
  let kept = body
  for (let nth = 0; nth < tries; nth++) {
    const candidate = rewritten(kept, random) as Body
    const found = read(name, candidate, parse)
    if (found !== null && isDeepStrictEqual(found, meaning)) kept = candidate
  }
  return kept
}

function read<T>(name: string, body: Body, parse: ParseNamed<T>): T | null {
  const problems: Problem[] = []
  const value = parse(name, body, '', problems)
  return problems.length === 0 ? value : null
}

/** One thing in it, somewhere, written in another way. */
function rewritten(value: unknown, random: Random): unknown {
  if (Array.isArray(value)) {
    if (value.length === 0) return value
    const index = Math.floor(random() * value.length)
    return value.with(index, rewritten(value[index], random))
  }
  if (!isMap(value)) return otherScalar(value, random)
  const entries = Object.entries(value)
  if (entries.length === 0 || random() < 0.1) return { ...value, status: { state: 'up', note: null } }
  const index = Math.floor(random() * entries.length)
  const [key, inside] = entries[index]!
  const chance = random()
  if (chance < 0.2) return Object.fromEntries(entries.toSpliced(index, 1))
  if (chance < 0.3) return Object.fromEntries(entries.with(index, [key.toUpperCase(), inside]))
  if (chance < 0.4) return Object.fromEntries(entries.toReversed())
  return Object.fromEntries(entries.with(index, [key, rewritten(inside, random)]))
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function otherScalar(value: unknown, random: Random): unknown {
  if (typeof value === 'number') return oneOf(random, [String(value), `${value}s`, `${value}-${value}`])
  if (typeof value !== 'string') return oneOf(random, [{}, null, 'all'])
  const [, count, unit] = /^(\d+)(s|m|h|d)$/.exec(value) ?? []
  const ms = count === undefined ? 0 : Number(count) * unitMs[unit!]!
  return oneOf<unknown>(random, [
    value.toUpperCase(),
    value.replace(/\.$/, ''),
    `${value}.`,
    `AS${value}`,
    { pool: value },
    ...(count === undefined ? [] : [`${ms}ms`, `${ms / 1000}s`, ms / 1000, String(ms / 1000), `00${value}`]),
  ])
}
