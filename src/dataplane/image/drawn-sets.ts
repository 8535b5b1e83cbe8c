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
 * meanwhile, by shares that are right already where weights are equal, and else off by up to some 2 % (weights of 1 to 32) or 10 % (1 and 100). Rejected: draws from one sequence of numbers, seeded
 * by all candidates, of which nothing is left when one goes; and the two levels of `rendezvous.ts`, which move others along.
 *
 * It costs a hash for each draw and candidate, some 4 ns, and hardly ever a logarithm: -ln(u) is at least 1 - u, and when that alone is too
 * late, the clock is not among the first; and where all weights are one, the greatest hash is the first. After a change of a few candidates only
 * those draws are made again that one of them leaves, or enters: it rings before the last that is in it.
 */
import type { Weighted } from './plan-tree.ts'
import { Sets, sortFirst } from './sets.ts'
import { mix32 } from './stable-key.ts'

/** What numbers of draws, and keys of candidates, are mixed with: fixed for ever, as sets are. */
const salts = { draw: 0x6b43_a9b5, candidate: 0x1f83_d9ab, next: 0x9e37_79b9 | 0 } as const
const hashes = 0x1_0000_0000

/** Sets by number, and how many draws came to each. */
export interface DrawnSets {
  /** Indexes of candidates in ascending order. */
  readonly sets: readonly (readonly number[])[]
  readonly weights: readonly number[]
  /** The set of each draw. */
  readonly ofDraw: Uint16Array
  /** When the last one of each draw rings. */
  readonly lasts: Float64Array
}

/** The same, with what it has of those before. */
export interface RedrawnSets extends DrawnSets {
  /** By number: that of the set then, below 0 for one that was not there; null without any before. */
  readonly kept: Int32Array | null
}

/** What was drawn of candidates that are nearly the same. */
export interface DrawnBefore {
  readonly drawn: DrawnSets
  /**
   * By the candidates of then: the index that one has now; below 0 for one that is not there any more, or has another weight or key. No two
   * have one key, then or now.
   */
  readonly places: ArrayLike<number>
}

/**
 * @param wanted candidates of a set, fewer than there are
 * @param draws 1 to 65,536
 * @param before with as many wanted and drawn; what comes out is the same without
 */
export function drawnSets(
  candidates: readonly Weighted[],
  wanted: number,
  draws: number,
  before?: DrawnBefore,
): RedrawnSets {
  const clocks = new Clocks(candidates, wanted)
  const found = new Sets(draws)
  const ofDraw = new Uint16Array(draws)
  const lasts = new Float64Array(draws)
  const kept = before === undefined ? null : new Kept(before, candidates.length, draws, clocks, found)
  for (let draw = 0; draw < draws; draw++) {
    let number = kept === null ? -1 : kept.find(draw)
    if (number >= 0) lasts[draw] = before!.drawn.lasts[draw]!
    else {
      clocks.draw(draw)
      lasts[draw] = clocks.last(draw)
      number = found.add(clocks.first, wanted)
    }
    ofDraw[draw] = number
  }
  const weights = new Array<number>(found.list.length).fill(0)
  for (let draw = 0; draw < draws; draw++) weights[ofDraw[draw]!]!++
  return { sets: found.list, weights, ofDraw, lasts, kept: kept?.kept ?? null }
}

/** Finds draws that are what they were. */
class Kept {
  readonly #before: DrawnBefore
  readonly #clocks: Clocks
  readonly #found: Sets
  /** Candidates that were not there. */
  readonly #added: readonly number[]
  /** What sets of then are now: the number, or one of `unknown` and `gone`. */
  readonly #numbers: Int32Array
  readonly #members: Uint16Array
  /** By the numbers of now: that of the set then; below 0 for none. */
  readonly kept: Int32Array

  constructor(before: DrawnBefore, count: number, draws: number, clocks: Clocks, found: Sets) {
    this.#before = before
    this.#clocks = clocks
    this.#found = found
    const there = new Set(Array.from(before.places))
    this.#added = Array.from({ length: count }, (_, index) => index).filter((index) => !there.has(index))
    this.#numbers = new Int32Array(before.drawn.sets.length).fill(unknown)
    this.#members = new Uint16Array(clocks.first.length)
    this.kept = new Int32Array(draws).fill(-1)
  }

  /** The number of its set; below 0 for one that is to be drawn. */
  find(draw: number): number {
    const { ofDraw, lasts } = this.#before.drawn
    const set = ofDraw[draw]!
    if (this.#numbers[set] === gone) return gone
    for (const index of this.#added) if (this.#clocks.rings(index, draw, lasts[draw]!)) return gone
    if (this.#numbers[set] === unknown) this.#numbers[set] = this.#number(set)
    return this.#numbers[set]!
  }

  #number(set: number): number {
    const { drawn, places } = this.#before
    const before = drawn.sets[set]!
    const members = this.#members
    for (let i = 0; i < before.length; i++) {
      const place = places[before[i]!]!
      if (place < 0) return gone
      members[i] = place
    }
    sortFirst(members, before.length)
    const number = this.#found.add(members, before.length)
    this.kept[number] = set
    return number
  }
}

const unknown = -1
const gone = -2

/** More of them than that are not kept in order of time: it would take moving half of them for each that comes. */
const mostOrdered = 16

class Clocks {
  readonly #keys: Int32Array
  readonly #weights: Float64Array
  /** The weight of all; 0 where they differ. */
  readonly #weight: number
  /** The members of the draw that was made last, in ascending order. */
  readonly first: Uint16Array
  /** Of those, by time; of all that are not kept in order. */
  readonly #order: Uint16Array
  /** When those ring, or what stands for it. */
  readonly #times: Float64Array
  #last = 0

  constructor(candidates: readonly Weighted[], wanted: number) {
    this.#keys = distinctKeys(candidates)
    this.#weights = Float64Array.from(candidates, ({ weight }) => weight)
    this.#weight = this.#weights.every((weight) => weight === this.#weights[0]) ? this.#weights[0]! : 0
    const size = wanted > mostOrdered ? candidates.length : wanted
    this.first = new Uint16Array(wanted)
    this.#order = new Uint16Array(size)
    this.#times = new Float64Array(size)
  }

  /** The first to ring are in `first` then. */
  draw(draw: number): void {
    const seed = mix32(draw ^ salts.draw)
    const wanted = this.first.length
    if (wanted > mostOrdered) this.#selectFirst(seed)
    else if (this.#weight === 0) this.#byTime(seed)
    else this.#byHash(seed)
    for (let i = 0; i < wanted; i++) this.first[i] = this.#order[i]!
    this.#last = this.#order[wanted - 1]!
    sortFirst(this.first, wanted)
  }

  /** When the last of the draw rings that was made last. */
  last(draw: number): number {
    const index = this.#last
    const hash = mix32(mix32(draw ^ salts.draw) ^ this.#keys[index]!) >>> 0
    return -Math.log((hash + 0.5) / hashes) / this.#weights[index]!
  }

  /** Whether a candidate rings before a time in a draw. */
  rings(index: number, draw: number, time: number): boolean {
    const hash = mix32(mix32(draw ^ salts.draw) ^ this.#keys[index]!) >>> 0
    const chance = (hash + 0.5) / hashes
    const weight = this.#weights[index]!
    return 1 - chance < time * weight && -Math.log(chance) / weight < time
  }

  #byTime(seed: number): void {
    const times = this.#times.fill(Number.POSITIVE_INFINITY)
    const keys = this.#keys
    const weights = this.#weights
    const last = times.length - 1
    let latest = times[last]!
    for (let index = 0; index < keys.length; index++) {
      const chance = ((mix32(seed ^ keys[index]!) >>> 0) + 0.5) / hashes
      const weight = weights[index]!
      if (1 - chance >= latest * weight) continue
      const time = -Math.log(chance) / weight
      if (time >= latest) continue
      this.#note(index, time)
      latest = times[last]!
    }
  }

  #byHash(seed: number): void {
    const times = this.#times.fill(Number.POSITIVE_INFINITY)
    const keys = this.#keys
    const last = times.length - 1
    let latest = times[last]!
    for (let index = 0; index < keys.length; index++) {
      const time = -(mix32(seed ^ keys[index]!) >>> 0)
      if (time >= latest) continue
      this.#note(index, time)
      latest = times[last]!
    }
  }

  #note(index: number, time: number): void {
    const times = this.#times
    const order = this.#order
    let at = times.length - 1
    for (; at > 0 && times[at - 1]! > time; at--) {
      times[at] = times[at - 1]!
      order[at] = order[at - 1]!
    }
    times[at] = time
    order[at] = index
  }

  #selectFirst(seed: number): void {
    const keys = this.#keys
    const isSame = this.#weight !== 0
    for (let index = 0; index < keys.length; index++) {
      const hash = mix32(seed ^ keys[index]!) >>> 0
      this.#order[index] = index
      this.#times[index] = isSame ? -hash : -Math.log((hash + 0.5) / hashes) / this.#weights[index]!
    }
    select(this.#times, this.#order, this.first.length)
  }
}

/** Brings the `count` least times to the front, the greatest of them last of them, and with each its number (Hoare's quickselect). */
function select(times: Float64Array, numbers: Uint16Array, count: number): void {
  const wanted = count - 1
  let low = 0
  let high = times.length - 1
  while (low < high) {
    const pivot = times[(low + high) >>> 1]!
    let left = low
    let right = high
    while (left <= right) {
      while (times[left]! < pivot) left++
      while (times[right]! > pivot) right--
      if (left > right) break
      const time = times[left]!
      times[left] = times[right]!
      times[right] = time
      const number = numbers[left]!
      numbers[left++] = numbers[right]!
      numbers[right--] = number
    }
    if (wanted <= right) high = right
    else if (wanted >= left) low = left
    else return
  }
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
