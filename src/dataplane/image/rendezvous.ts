/**
 * Weighted rendezvous hashing ("Weighted Distributed Hash Tables", Schindelhauer and Schomaker, 2005): a client and an entry have a
 * score together, and the entry with the best score has the client. An entry's score depends on no other entry, so whoever goes
 * takes no client along but its own, and gets exactly those back when it returns; a changed weight moves no more than the
 * difference. The score is -ln(u) / weight, the least one wins, u being a uniform number that a hash of both gives: shares are
 * then exactly those of the weights, and the k best are k draws without replacement. Among equal weights the largest hash is
 * that of the least score, so no logarithm is taken.
 *
 * ## Two levels
 * Every entry costs a hash. Above `flatEntries` there are two levels therefore: `groupCount` groups, to which a hash of the key
 * assigns the entries for good, and in each group its entries; 4,096 of them cost about 64 + 64 scores. A group's weight is the
 * sum of those of its entries, and its score stands for the best of theirs without being it. Shares stay exact, and an entry
 * that comes back gets its own clients; but the loss of an entry makes its whole group lighter, and the group loses up to
 * as many clients of other entries as it keeps of the lost one: what moves is up to twice the share that was lost. A table that
 * grows or shrinks past `flatEntries` is another one, and moves most clients. Rejected: groups by the number of
 * entries (another number of groups moves everybody, at many sizes rather than one), and a ring or Maglev's table
 * (shares only nearly right, and weights take memory).
 *
 * ## Several draws
 * The k best of two levels are drawn by what scores stand for: an entry is a clock that rings after an exponential time whose
 * rate is its weight, and a group rings when the first of its clocks does. After a ring the group goes on with the weight that
 * it has left; the time to its next ring does not depend on the times before.
 *
 * ## Layout
 * The table in words: count, number of groups (0: flat), whether weights differ; per group the mixed key, weight and first entry;
 * per entry the mixed key, weight and number. Keys are mixed once more, because they may be small numbers, and again while an entry before has
 * the same one, as the addresses of one member may: which of these gets which clients then depends on their order.
 */
import { mix32 } from './stable-key.ts'

/** The largest table of which every entry is compared. */
export const flatEntries = 64
/** Groups of a table with more entries. */
const groupCount = 64
/** Most entries of a table. */
export const maxEntries = 4096

const headWords = 3
const entryWords = 3
/** Words of a group and of an entry. */
const entryAt = { key: 0, weight: 1, number: 2 } as const
/** What the keys of groups and of entries are mixed with, so that equal numbers score apart. */
const salts = { entry: 0x3c6e_f372, group: 0x1bf5_e3c9 | 0, next: 0x9e37_79b9 | 0 } as const

export interface Entry {
  /** 1 or more. */
  readonly weight: number
  /** 32 bits. */
  readonly key: number
}

/** Words of the table of these entries, whose numbers are their indexes. */
export function rendezvousTable(entries: readonly Entry[]): number[] {
  const taken = new Set<number>()
  const numbered = entries.map(({ weight, key }, number) => {
    let mixed = mix32(key ^ salts.entry) >>> 0
    // Of two with the same hash the first would have all clients.
    while (taken.has(mixed)) mixed = mix32(mixed + salts.next) >>> 0
    taken.add(mixed)
    return { weight, key: mixed, number }
  })
  const differ = entries.some(({ weight }) => weight !== entries[0]!.weight)
  const groups: (typeof numbered)[] = []
  if (entries.length > flatEntries) {
    const byGroup = Map.groupBy(numbered, ({ key }) => key % groupCount)
    for (let group = 0; group < groupCount; group++) groups.push(byGroup.get(group) ?? [])
  }
  const words = [entries.length, 0, differ ? 1 : 0]
  let first = 0
  for (const [group, members] of groups.entries()) {
    if (members.length === 0) continue
    const weight = members.reduce((sum, member) => sum + member.weight, 0)
    words.push(mix32(group ^ salts.group) >>> 0, weight, first)
    first += members.length
    words[1]!++
  }
  const ordered = groups.length === 0 ? numbered : groups.flat()
  for (const { key, weight, number } of ordered) words.push(key, weight, number)
  return words
}

/**
 * Reads tables. One object has the scratch memory for all of them. Scores go there and are never returned: a function that V8 does
 * not inline would allocate every one of them.
 */
export class Rendezvous {
  /** Scores of entries by place, infinite once they are drawn. */
  readonly #scores = new Float64Array(maxEntries)
  /** When groups ring next, what weight they have left, how often they have rung. */
  readonly #rings = new Float64Array(groupCount)
  readonly #left = new Float64Array(groupCount)
  readonly #rung = new Uint16Array(groupCount)

  /** The number of the best entry of the table at `at`, for a client. */
  best(words: Uint32Array, at: number, client: number): number {
    const groups = words[at + 1]!
    const entries = at + headWords + groups * entryWords
    let first = 0
    let end = words[at]!
    if (groups > 0) {
      const group = bestOf(words, at + headWords, 0, groups, client, true)
      first = firstOf(words, at, group)
      end = firstOf(words, at, group + 1)
    }
    return numberOf(words, entries, bestOf(words, entries, first, end, client, words[at + 2]! !== 0))
  }

  /**
   * The numbers of the `count` best entries of the table at `at`, best first.
   *
   * @param count at most the entries of the table
   * @param out receives them
   */
  draw(words: Uint32Array, at: number, client: number, count: number, out: Uint16Array): void {
    const groups = words[at + 1]!
    const entries = at + headWords + groups * entryWords
    if (groups > 0) {
      this.#drawByGroup(words, at, client, count, out)
      return
    }
    this.#score(words, entries, 0, words[at]!, client, words[at + 2]! !== 0)
    for (let i = 0; i < count; i++) out[i] = numberOf(words, entries, this.#take(0, words[at]!))
  }

  #drawByGroup(words: Uint32Array, at: number, client: number, count: number, out: Uint16Array): void {
    const groups = words[at + 1]!
    const table = at + headWords
    const entries = table + groups * entryWords
    this.#score(words, table, 0, groups, client, true)
    for (let group = 0; group < groups; group++) {
      this.#rings[group] = this.#scores[group]!
      this.#left[group] = words[table + group * entryWords + entryAt.weight]!
      this.#rung[group] = 0
    }
    for (let i = 0; i < count; i++) {
      const group = least(this.#rings, 0, groups)
      const first = firstOf(words, at, group)
      const end = firstOf(words, at, group + 1)
      if (this.#rung[group] === 0) this.#score(words, entries, first, end, client, words[at + 2]! !== 0)
      const place = this.#take(first, end)
      out[i] = numberOf(words, entries, place)
      this.#left[group]! -= words[entries + place * entryWords + entryAt.weight]!
      this.#rung[group]!++
      this.#wait(group, mix32(client ^ words[table + group * entryWords + entryAt.key]!))
    }
  }

  /** Sets when a group rings next. Without weight left it does no more: the time is infinite. */
  #wait(group: number, hash: number): void {
    const next = mix32((hash + Math.imul(this.#rung[group]!, salts.next)) | 0)
    this.#rings[group]! -= Math.log(((next >>> 0) + 0.5) / 0x1_0000_0000) / this.#left[group]!
  }

  /** Scores entries of one table, or its groups, from place `first` on, before `end`. */
  #score(
    words: Uint32Array,
    entries: number,
    first: number,
    end: number,
    client: number,
    differ: boolean,
  ): void {
    const scores = this.#scores
    for (let place = first; place < end; place++) {
      const entry = entries + place * entryWords
      const hash = mix32(client ^ words[entry + entryAt.key]!) >>> 0
      scores[place] = differ
        ? -Math.log((hash + 0.5) / 0x1_0000_0000) / words[entry + entryAt.weight]!
        : -hash
    }
  }

  /** The place of the least score, which it takes out. */
  #take(first: number, end: number): number {
    const place = least(this.#scores, first, end)
    this.#scores[place] = Number.POSITIVE_INFINITY
    return place
  }
}

/**
 * The place with the least score, from `first` on, before `end`. Most scores need no logarithm: -ln(u) is at least 1 - u, and
 * when that alone is too much, the entry is out.
 */
function bestOf(
  words: Uint32Array,
  entries: number,
  first: number,
  end: number,
  client: number,
  differ: boolean,
): number {
  let best = first
  let least = Number.POSITIVE_INFINITY
  for (let place = first; place < end; place++) {
    const entry = entries + place * entryWords
    const hash = mix32(client ^ words[entry + entryAt.key]!) >>> 0
    if (!differ) {
      if (-hash >= least) continue
      least = -hash
    } else {
      const chance = (hash + 0.5) / 0x1_0000_0000
      const weight = words[entry + entryAt.weight]!
      if (1 - chance >= least * weight) continue
      const score = -Math.log(chance) / weight
      if (score >= least) continue
      least = score
    }
    best = place
  }
  return best
}

function least(values: Float64Array, first: number, end: number): number {
  let place = first
  for (let i = first + 1; i < end; i++) if (values[i]! < values[place]!) place = i
  return place
}

/** The first entry of a group, or of the one behind the last: the end. */
function firstOf(words: Uint32Array, at: number, group: number): number {
  return group < words[at + 1]! ? words[at + headWords + group * entryWords + entryAt.number]! : words[at]!
}

function numberOf(words: Uint32Array, entries: number, place: number): number {
  return words[entries + place * entryWords + entryAt.number]!
}
