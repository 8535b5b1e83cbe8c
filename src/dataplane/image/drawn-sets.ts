/**
 * Sets of several candidates, drawn by weight, as many as are wanted: a sample where there are too many different sets to have each of them.
 *
 * In the draw i each candidate is a clock that rings after an exponential time whose rate is its weight, and the first to ring are the set:
 * that is what successive draws without replacement come to. How long a clock takes is a hash of i and of the candidate's own key over its
 * weight, as in rendezvous hashing (`rendezvous.ts`), and of nothing else. So
 *
 * - whoever goes changes only the draws that it stood in, each by one candidate, the next to ring; and gets them back when it returns;
 * - another weight changes only draws that its candidate enters or leaves;
 * - fewer draws are the first of more; of k + 1 candidates a set has the same k and one more;
 * - every node, after every restart, has the same sets, and finds their signatures again.
 *
 * That is what signatures are for: with n candidates, one less needs k of n draws signed anew, and all others can be answered with
 * meanwhile, by shares that are right already. Rejected: draws from one sequence of numbers, seeded by all candidates, of which nothing is
 * left when one goes; and the two levels of `rendezvous.ts`, which move others along.
 *
 * It costs a hash for each draw and candidate, some 4 ns, and hardly ever a logarithm: -ln(u) is at least 1 - u, and when that alone is too
 * late, the clock is not among the first.
 */
import type { Weighted } from './plan-tree.ts'
import { mix32 } from './stable-key.ts'

/** What numbers of draws, and keys of candidates, are mixed with: fixed for ever, as sets are. */
const salts = { draw: 0x6b43_a9b5, candidate: 0x1f83_d9ab, next: 0x9e37_79b9 | 0 } as const

/** Sets by number, and how many draws came to each. */
export interface DrawnSets {
  /** Indexes of candidates in ascending order. */
  readonly sets: readonly (readonly number[])[]
  readonly weights: readonly number[]
}

/**
 * @param wanted candidates of a set, fewer than there are
 * @param draws 1 or more
 */
export function drawnSets(candidates: readonly Weighted[], wanted: number, draws: number): DrawnSets {
  const clocks = new Clocks(candidates, wanted)
  const found = new Sets()
  const weights: number[] = []
  for (let draw = 0; draw < draws; draw++) {
    const number = found.add(clocks.first(draw))
    weights[number] = (weights[number] ?? 0) + 1
  }
  return { sets: found.list, weights }
}

/** Sets by number, equal ones being one. */
export class Sets {
  readonly list: number[][] = []
  readonly #numbers = new Map<string, number>()

  add(set: number[]): number {
    const key = String.fromCharCode.apply(null, set)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#numbers.set(key, this.list.length)
    return this.list.push(set) - 1
  }
}

class Clocks {
  readonly #keys: Int32Array
  readonly #weights: Float64Array
  /** The first to ring that have been seen, and when: by time. */
  readonly #first: Uint16Array
  readonly #times: Float64Array

  constructor(candidates: readonly Weighted[], wanted: number) {
    this.#keys = distinctKeys(candidates)
    this.#weights = Float64Array.from(candidates, ({ weight }) => weight)
    this.#first = new Uint16Array(wanted)
    this.#times = new Float64Array(wanted)
  }

  /** In ascending order. */
  first(draw: number): number[] {
    const times = this.#times.fill(Number.POSITIVE_INFINITY)
    const keys = this.#keys
    const weights = this.#weights
    const seed = mix32(draw ^ salts.draw)
    const last = times.length - 1
    let latest = times[last]!
    for (let index = 0; index < keys.length; index++) {
      const chance = ((mix32(seed ^ keys[index]!) >>> 0) + 0.5) / 0x1_0000_0000
      const weight = weights[index]!
      if (1 - chance >= latest * weight) continue
      const time = -Math.log(chance) / weight
      if (time >= latest) continue
      this.#note(index, time)
      latest = times[last]!
    }
    return ascending(this.#first)
  }

  #note(index: number, time: number): void {
    const times = this.#times
    let at = times.length - 1
    for (; at > 0 && times[at - 1]! > time; at--) {
      times[at] = times[at - 1]!
      this.#first[at] = this.#first[at - 1]!
    }
    times[at] = time
    this.#first[at] = index
  }
}

/** For few numbers faster than `sort`. */
function ascending(numbers: Uint16Array): number[] {
  if (numbers.length > 16) return Array.from(numbers.toSorted())
  const sorted: number[] = []
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i]!
    let at = i
    for (; at > 0 && sorted[at - 1]! > number; at--) sorted[at] = sorted[at - 1]!
    sorted[at] = number
  }
  return sorted
}

/** The addresses of one member may have one key: of two such clocks none should go with the other. */
function distinctKeys(candidates: readonly Weighted[]): Int32Array {
  const taken = new Set<number>()
  return Int32Array.from(candidates, ({ key }) => {
    let mixed = mix32(key ^ salts.candidate)
    while (taken.has(mixed)) mixed = mix32(mixed + salts.next)
    taken.add(mixed)
    return mixed
  })
}
