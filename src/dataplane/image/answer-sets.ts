/**
 * Which sets of addresses (or names) a leaf of a plan may answer, each of them. They are what is signed of a service before anybody asks:
 * an RRset is a set, so one signature serves all orders in which its RRs are written (RFC 4034 section 6.3), and what is drawn for a query
 * is one of these sets. `plan-compiler.ts` writes them into a signed plan; whoever signs finds by `answerSets` what that needs.
 *
 * ## What is exact
 * Everything but one case has exactly the shares of an unsigned plan: all of them (one set), windows of a rotation, one by weight or by
 * client, and several by weight while there are no more different sets than may be signed (`mostSets`): each is then drawn with the
 * probability that successive draws without replacement come to it. Beyond that the sets are as many draws, made once: a member's share
 * misses its own by 100 * sqrt((1 - p) / (4096 * p)) % (one standard deviation), p being the part of the answers that have it: 4 % for 4
 * of 32. Several by client are those of 4,096 buckets of clients, so an entry's share misses by as much, with p of its own.
 *
 * All of it depends on the leaf alone, so that every node, after every restart, needs the same signatures.
 */
import { canonicalRdata, sortRdata } from '../wire/canonical.ts'
import { types } from '../wire/constants.ts'
import { type AnswerNode, leavesOf, type PlanTrees, type Weighted } from './plan-tree.ts'
import { Rendezvous, rendezvousTable } from './rendezvous.ts'
import { mix32 } from './stable-key.ts'
import { binomial, subsetShares, subsetsOf } from './subsets.ts'

/** Most sets of one leaf and family that has several members in each. */
export const maxSets = 4096
/** Most members of all those sets together. */
const maxSetMembers = 131_072
/** Most such sets of a plan, but that every leaf may have `leastSets`. */
const maxPlanSets = 65_536
const leastSets = 16
/**
 * Most members of a set: a message has 65,535 octets, and no part of a set has a signature. Some 3,000 octets are left for what stands before
 * it (aliases with their signatures) and for its own signatures.
 */
const mostMembers: Readonly<Record<number, number>> = { [types.a]: 3900, [types.aaaa]: 2200 }
/** What the hash of a client is mixed with to find its bucket, and the number of a bucket to find who stands for it. */
export const bucketSalts = { client: 0x7f4a_7c15, bucket: 0x2545_f491 } as const

/**
 * How one set is drawn for a query.
 *
 * - `one`: there is but one, which begins at a place that goes round;
 * - `turn`: the next;
 * - `weight`: by its weight; it begins at a place that goes round;
 * - `client`: that of the member which the client has by rendezvous hashing; sets have one member each;
 * - `bucket`: that of the bucket which the client is in; members stand in the order of that bucket's clients;
 * - `order`: there is but one, in the order of the client's rendezvous hashing.
 */
export type SetDraw = 'one' | 'turn' | 'weight' | 'client' | 'bucket' | 'order'

/** The sets of a leaf of one family. */
export interface AnswerSets {
  readonly draw: SetDraw
  /** Indexes of candidates of the family: in ascending order, but for `turn` and `bucket`, where the order is that of the answer. */
  readonly sets: readonly (readonly number[])[]
  /** Given for `weight`: by set, any positive numbers. */
  readonly weights?: readonly number[]
  /** Given for `bucket`: the set of each bucket; as many as a power of two. */
  readonly buckets?: readonly number[]
}

/** The candidates of a leaf that are RRs of one type. */
export interface LeafFamily {
  readonly type: number
  readonly candidates: readonly Weighted[]
  /** RDATA of each candidate, in canonical form. */
  readonly rdata: readonly Uint8Array[]
}

/** An RRset that is to be signed: a service's name is its owner. */
export interface AnswerRrset {
  readonly type: number
  /** Canonical RDATA in canonical order, each once. */
  readonly data: readonly Uint8Array[]
}

/** Every RRset that a service may answer by these trees, each once. */
export function answerSets(trees: PlanTrees): AnswerRrset[] {
  const found = new Map<string, AnswerRrset>()
  const limit = setLimit(trees)
  for (const [leaf, wanted] of leafTypes(trees)) {
    for (const family of leafFamilies(leaf)) {
      if (!wanted.has(family.type)) continue
      for (const set of leafSets(leaf, family, limit).sets) {
        const rrset = { type: family.type, data: setData(family, set) }
        found.set(rrsetKey(rrset), rrset)
      }
    }
  }
  return [...found.values()]
}

/** Equal for equal RRsets of one owner. */
export function rrsetKey({ type, data }: AnswerRrset): string {
  return `${type} ${Buffer.concat(data).toString('latin1')}`
}

/** The RDATA of a set as it is signed. */
export function setData({ rdata }: LeafFamily, set: readonly number[]): Uint8Array[] {
  return sortRdata(set.map((index) => rdata[index]!))
}

/** The families of a leaf, A first; of an alias, its names. */
export function leafFamilies(leaf: AnswerNode): LeafFamily[] {
  if (leaf.gives === 'cname') {
    const cnames = leaf.cnames!
    const rdata = cnames.map(({ cname }) => canonicalRdata(types.cname, cname))
    return [{ type: types.cname, candidates: cnames, rdata }]
  }
  return [
    [types.a, 4],
    [types.aaaa, 16],
  ].map(([type, length]) => {
    const candidates = leaf.candidates.filter(({ address }) => address.length === length)
    return { type: type!, candidates, rdata: candidates.map(({ address }) => address) }
  })
}

/** The types that each leaf may be asked for. */
function leafTypes({ ipv4, ipv6 }: PlanTrees): Map<AnswerNode, Set<number>> {
  const found = new Map<AnswerNode, Set<number>>()
  const add = (leaf: AnswerNode, ...wanted: number[]) =>
    found.set(leaf, new Set([...(found.get(leaf) ?? []), types.cname, ...wanted]))
  for (const leaf of leavesOf(ipv4)) {
    // Whoever asks for ANY there gets AAAA where there is no A.
    const hasA = leaf.candidates.some(({ address }) => address.length === 4)
    if (hasA) add(leaf, types.a)
    else add(leaf, types.a, types.aaaa)
  }
  for (const leaf of leavesOf(ipv6)) add(leaf, types.aaaa)
  return found
}

/** How many sets each leaf of a plan may have that answers with several of more: all that it needs, unless there are very many such leaves. */
export function setLimit({ ipv4, ipv6 }: PlanTrees): number {
  const leaves = new Set([...leavesOf(ipv4), ...(ipv6 === ipv4 ? [] : leavesOf(ipv6))])
  let several = 0
  for (const { answers, candidates } of leaves) if (answers > 1 && candidates.length > answers) several++
  return Math.max(leastSets, Math.min(maxSets, Math.floor(maxPlanSets / Math.max(1, several))))
}

/**
 * The sets of one family of a leaf; none when it has no candidate.
 *
 * @param limit what `setLimit` says of the plan
 */
export function leafSets(leaf: AnswerNode, family: LeafFamily, limit: number): AnswerSets {
  const count = family.candidates.length
  const wanted = family.type === types.cname ? 1 : Math.min(leaf.answers, mostMembers[family.type]!)
  if (count === 0 || wanted === 0) return { draw: 'one', sets: [] }
  if (count === 1) return { draw: 'one', sets: [[0]] }
  const found = wanted === 1 ? singles(leaf, family) : several(leaf, family, wanted, limit)
  return wanted === 1 ? found : { ...found, sets: found.sets.map((set) => distinct(family, set)) }
}

function singles({ select }: AnswerNode, { candidates }: LeafFamily): AnswerSets {
  const sets = candidates.map((_, index) => [index])
  if (select === 'rotate') return { draw: 'turn', sets }
  if (select === 'hash') return { draw: 'client', sets }
  return { draw: 'weight', sets, weights: candidates.map(({ weight }) => weight) }
}

function several({ select }: AnswerNode, family: LeafFamily, wanted: number, limit: number): AnswerSets {
  const { candidates } = family
  const count = candidates.length
  if (wanted >= count) {
    const all = candidates.map((_, index) => index)
    return { draw: select === 'hash' ? 'order' : 'one', sets: [all] }
  }
  const most = Math.min(limit, Math.floor(maxSetMembers / wanted))
  if (select === 'rotate') return { draw: 'turn', sets: windows(count, wanted, most) }
  return kept(`${select} ${wanted} ${most} ${candidates.map(({ key, weight }) => `${key} ${weight}`)}`, () =>
    select === 'hash' ? bucketed(candidates, wanted, most) : weighed(candidates, wanted, most),
  )
}

function weighed(candidates: readonly Weighted[], wanted: number, most: number): AnswerSets {
  if (binomial(candidates.length, wanted) > most) return drawn(candidates, wanted, most)
  const sets = subsetsOf(candidates.length, wanted)
  const weights = candidates.map(({ weight }) => weight)
  return { draw: 'weight', sets, weights: subsetShares(weights, sets) }
}

/**
 * What was worked out last, by what it depends on, oldest first: it takes milliseconds, and of the services of one pool, which change
 * together, all need the same. Bounded by `mostKept`, each with up to `maxSetMembers` members.
 */
const lately = new Map<string, AnswerSets>()
const mostKept = 16

function kept(key: string, make: () => AnswerSets): AnswerSets {
  const found = lately.get(key) ?? make()
  lately.delete(key)
  lately.set(key, found)
  if (lately.size > mostKept) lately.delete(lately.keys().next().value!)
  return found
}

/** A member that two candidates stand for is answered once. */
function distinct({ rdata }: LeafFamily, set: readonly number[]): readonly number[] {
  const seen = new Set<string>()
  const kept = set.filter((index) => {
    const text = Buffer.from(rdata[index]!).toString('latin1')
    const isNew = !seen.has(text)
    seen.add(text)
    return isNew
  })
  return kept.length === set.length ? set : kept
}

/** As many windows as may be, evenly spread where not one can begin at each candidate. */
function windows(count: number, wanted: number, most: number): number[][] {
  const starts = Math.min(count, most)
  return Array.from({ length: starts }, (_, window) => {
    const start = Math.floor((window * count) / starts)
    return Array.from({ length: wanted }, (_, i) => (start + i) % count)
  })
}

/** What clients of each bucket get, as if one stood for all of them. */
function bucketed(candidates: readonly Weighted[], wanted: number, most: number): AnswerSets {
  const table = Uint32Array.from(rendezvousTable(candidates))
  const rendezvous = new Rendezvous()
  const order = new Uint16Array(candidates.length)
  const sets = new Sets()
  const count = 2 ** Math.floor(Math.log2(most))
  const buckets = Array.from({ length: count }, (_, bucket) => {
    rendezvous.draw(table, 0, mix32(bucket ^ bucketSalts.bucket), wanted, order)
    return sets.add([...order.subarray(0, wanted)])
  })
  return { draw: 'bucket', sets: sets.list, buckets }
}

/** As many draws as may be; a set that came more often weighs so much more. */
function drawn(candidates: readonly Weighted[], wanted: number, draws: number): AnswerSets {
  const seed = candidates.reduce((hash, { key, weight }) => mix32(mix32(hash ^ key) + weight), wanted)
  const random = new Sequence(seed)
  const draw = wayToDraw(
    candidates.map(({ weight }) => weight),
    wanted,
  )
  const sets = new Sets()
  const weights: number[] = []
  for (let i = 0; i < draws; i++) {
    const number = sets.add(draw(random).sort((a, b) => a - b))
    weights[number] = (weights[number] ?? 0) + 1
  }
  return { draw: 'weight', sets: sets.list, weights }
}

/** Draws again what is drawn already, unless most draws would be such. */
function wayToDraw(weights: readonly number[], wanted: number): (random: Sequence) => number[] {
  const ends: number[] = []
  for (const weight of weights) ends.push((ends.at(-1) ?? 0) + weight)
  const heaviest = weights.toSorted((a, b) => b - a).slice(0, wanted - 1)
  const most = heaviest.reduce((sum, weight) => sum + weight, 0)
  return most < (3 / 4) * ends.at(-1)!
    ? (random) => redrawn(ends, wanted, random)
    : (random) => firstToRing(weights, wanted, random)
}

/** Draws without replacement, as clocks that ring after exponential times whose rates are the weights. */
function firstToRing(weights: readonly number[], wanted: number, random: Sequence): number[] {
  const times = Float64Array.from(weights, (weight) => -Math.log(1 - random.next()) / weight)
  const last = times.toSorted()[wanted - 1]!
  const set: number[] = []
  for (let index = 0; index < times.length; index++) if (times[index]! <= last) set.push(index)
  return set.slice(0, wanted)
}

/** @param ends sums of the weights up to each candidate */
function redrawn(ends: readonly number[], wanted: number, random: Sequence): number[] {
  const set = new Set<number>()
  while (set.size < wanted) set.add(indexAt(ends, random.next() * ends.at(-1)!))
  return [...set]
}

function indexAt(ends: readonly number[], height: number): number {
  let low = 0
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ends[middle]! > height) high = middle
    else low = middle + 1
  }
  return low
}

/** Numbers that look like chance, and are the same everywhere and for ever. */
class Sequence {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** From 0 on, below 1. */
  next(): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0
    return (mix32(this.#state) >>> 0) / 0x1_0000_0000
  }
}

/** Sets by number, equal ones being one. */
class Sets {
  readonly list: number[][] = []
  readonly #numbers = new Map<string, number>()

  add(set: number[]): number {
    const key = set.join()
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#numbers.set(key, this.list.length)
    return this.list.push(set) - 1
  }
}
