/**
 * Which sets of addresses (or names) a leaf of a plan may answer, each of them. They are what is signed of a service before anybody asks:
 * an RRset is a set, so one signature serves all orders in which its RRs are written (RFC 4034 section 6.3), and what is drawn for a query
 * is one of these sets. `plan-compiler.ts` writes them into a signed plan; whoever signs finds by `answerSets` what that needs.
 *
 * ## What is exact
 * Everything but one case has exactly the shares of an unsigned plan: all of them (one set), windows of a rotation, one by weight or by
 * client, and several by weight while there are no more different sets than may be signed (`mostSets`): each is then drawn with the
 * probability that successive draws without replacement come to it. Beyond that the sets are as many draws, made once (`drawn-sets.ts`): a
 * member's share misses its own by 100 * sqrt((1 - p) / (4096 * p)) % (one standard deviation), p being the part of the answers that have it: 4 % for 4
 * of 32. Several by client are those of 4,096 buckets of clients, so an entry's share misses by as much, with p of its own.
 *
 * All of it depends on the leaf alone, so that every node, after every restart, needs the same signatures.
 */
import { canonicalRdata } from '../wire/canonical.ts'
import { types } from '../wire/constants.ts'
import { type DrawnSets, drawnSets } from './drawn-sets.ts'
import { type AnswerNode, leavesOf, type PlanTrees, type Weighted } from './plan-tree.ts'
import { Rendezvous, rendezvousTable } from './rendezvous.ts'
import { SetKeys } from './set-key.ts'
import { Sets } from './sets.ts'
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
/** How many sets of a leaf are signed before all others: some 2 ms. */
export const few = 64
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
  /** Given where the sets are as many draws. */
  readonly drawn?: DrawnSets
}

/** The candidates of a leaf that are RRs of one type. */
export interface LeafFamily {
  readonly type: number
  readonly candidates: readonly Weighted[]
  /** RDATA of each candidate, in canonical form. */
  readonly rdata: readonly Uint8Array[]
  readonly keys: SetKeys
}

/** Every RRset that a service may answer by these trees, each once, as `set-key.ts` has them. */
export function answerSets(trees: PlanTrees): string[] {
  return [...new Set(setsOfLeaves(trees).flat())]
}

/** The same, of each leaf and type by itself. */
export function setsOfLeaves(trees: PlanTrees, limit = setLimit(trees)): (readonly string[])[] {
  return [...leafTypes(trees)].flatMap(([leaf, wanted]) =>
    leafFamilies(leaf).flatMap((family) =>
      wanted.has(family.type) ? [keysOf(family, leafSets(leaf, family, limit))] : [],
    ),
  )
}

/**
 * RRsets without which a plan by these trees answers some of its questions with SERVFAIL: of each leaf and type of which none has been
 * signed, `few`. They are evenly spread, so that with them alone members have about their shares.
 *
 * @param isKnown whether one has been signed, or can't be
 * @param most how many sets of a leaf are looked at; the first of those that are drawn by weight or by client
 */
export function firstRrsets(trees: PlanTrees, isKnown: (key: string) => boolean, most = maxSets): string[] {
  const unknown = setsOfLeaves(trees, Math.min(most, setLimit(trees))).filter((all) => !all.some(isKnown))
  return unknown.flatMap((all) => {
    const count = Math.min(few, all.length)
    return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!)
  })
}

/** What each set is looked for by. @param found of `leafSets` for this family */
export function keysOf({ keys }: LeafFamily, found: AnswerSets): readonly string[] {
  const known = keysMade.get(found)
  if (known !== undefined) return known
  const made = found.sets.map((set) => keys.of(set))
  keysMade.set(found, made)
  return made
}

const keysMade = new WeakMap<AnswerSets, readonly string[]>()

/** The families of a leaf, A first; of an alias, its names. */
export function leafFamilies(leaf: AnswerNode): LeafFamily[] {
  if (leaf.gives === 'cname') {
    const cnames = leaf.cnames!
    const rdata = cnames.map(({ cname }) => canonicalRdata(types.cname, cname))
    return [withKeys({ type: types.cname, candidates: cnames, rdata })]
  }
  return [
    [types.a, 4],
    [types.aaaa, 16],
  ].map(([type, length]) => {
    const candidates = leaf.candidates.filter(({ address }) => address.length === length)
    const rdata = candidates.map(({ address }) => address)
    return withKeys({ type: type!, candidates, rdata })
  })
}

/** They are not made where the sets are there already (`lately`). */
function withKeys(family: Omit<LeafFamily, 'keys'>): LeafFamily {
  let keys: SetKeys | undefined
  return {
    ...family,
    get keys() {
      keys ??= new SetKeys(family.type, family.rdata)
      return keys
    },
  }
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
export function setLimit(trees: PlanTrees): number {
  const several = leavesOfTrees(trees).filter(
    ({ answers, candidates }) => answers > 1 && candidates.length > answers,
  )
  return Math.max(leastSets, Math.min(maxSets, Math.floor(maxPlanSets / Math.max(1, several.length))))
}

/** Whether several leaves of a plan may have sets of one type, which may then be the same. */
export function sharesSets(trees: PlanTrees): boolean {
  const all = leavesOfTrees(trees)
  const lengths = [4, 16].map(
    (length) => (leaf: AnswerNode) => leaf.candidates.some(({ address }) => address.length === length),
  )
  return [({ gives }: AnswerNode) => gives === 'cname', ...lengths].some((has) => all.filter(has).length > 1)
}

function leavesOfTrees({ ipv4, ipv6 }: PlanTrees): AnswerNode[] {
  return [...new Set([...leavesOf(ipv4), ...(ipv6 === ipv4 ? [] : leavesOf(ipv6))])]
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
  return kept(leaf.select, family, wanted, limit, () => {
    if (wanted === 1) return singles(leaf, family)
    const found = several(leaf, family, wanted, limit)
    if (family.keys.areDistinct) return found
    return { ...found, sets: found.sets.map((set) => distinct(family, set)) }
  })
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
  return select === 'hash' ? bucketed(candidates, wanted, most) : weighed(family, wanted, most)
}

function weighed(family: LeafFamily, wanted: number, most: number): AnswerSets {
  const { candidates } = family
  const count = candidates.length
  if (binomial(count, wanted) > most) return drawn(family, wanted, most)
  const sets = subsetsOf(count, wanted)
  const weights = candidates.map(({ weight }) => weight)
  return { draw: 'weight', sets, weights: subsetShares(weights, sets) }
}

/** As many draws as may be. Those that are what they were in what was drawn lately are taken from there, with what they are looked for by. */
function drawn(family: LeafFamily, wanted: number, most: number): AnswerSets {
  const before = drawnBefore(family, wanted, most)
  const { kept, ...drawn } = drawnSets(family.candidates, wanted, most, before)
  const found: AnswerSets = { draw: 'weight', sets: drawn.sets, weights: drawn.weights, drawn }
  const keys = before?.keys
  if (keys !== undefined) {
    const all = drawn.sets.map((set, number) => keys[kept![number]!] ?? family.keys.of(set))
    keysMade.set(found, all)
  }
  return found
}

function drawnBefore(family: LeafFamily, wanted: number, most: number) {
  for (const { family: then, found } of lately) {
    const { drawn } = found
    if (drawn?.ofDraw.length !== most || drawn.sets[0]!.length !== wanted) continue
    const places = placesNow(then, family)
    if (places !== null) return { drawn, places, keys: keysOf(then, found) }
  }
  return undefined
}

/** Where candidates of then are now; null where more than a few are not, or two have one key, or one address. */
function placesNow(then: LeafFamily, now: LeafFamily): Int32Array | null {
  const { length } = now.candidates
  const mostChanges = length / 4
  if (then.type !== now.type || Math.abs(then.candidates.length - length) > mostChanges) return null
  const byKey = new Map(now.candidates.map(({ key }, index) => [key, index]))
  if (byKey.size < length || !now.keys.areDistinct) return null
  let stay = 0
  const places = Int32Array.from(then.candidates, ({ key, weight }, index) => {
    const place = byKey.get(key)
    if (place === undefined || now.candidates[place]!.weight !== weight) return -1
    if (!isEqual(now.rdata[place]!, then.rdata[index]!)) return -1
    stay++
    return place
  })
  const isKeyedOnce = new Set(then.candidates.map(({ key }) => key)).size === places.length
  return isKeyedOnce && length - stay <= mostChanges && places.length - stay <= mostChanges ? places : null
}

/** What sets were worked out of, and what they are. */
interface Kept {
  readonly select: AnswerNode['select']
  readonly wanted: number
  readonly limit: number
  readonly family: LeafFamily
  readonly found: AnswerSets
}

/**
 * What was worked out last, the latest first: it takes milliseconds, and of the services of one pool, which change together, all need the
 * same. Bounded by `mostKept`, each with up to `maxSetMembers` members.
 */
const lately: Kept[] = []
const mostKept = 16

function kept(
  select: AnswerNode['select'],
  family: LeafFamily,
  wanted: number,
  limit: number,
  make: () => AnswerSets,
): AnswerSets {
  const at = lately.findIndex((one) => {
    return one.select === select && one.wanted === wanted && one.limit === limit && isSame(one.family, family)
  })
  const [one = { select, wanted, limit, family, found: make() }] = at < 0 ? [] : lately.splice(at, 1)
  lately.unshift(one)
  if (lately.length > mostKept) lately.pop()
  return one.found
}

/** Whether all that sets depend on is the same. The services of one pool have even the objects of their addresses in common, but of hosts. */
function isSame(a: LeafFamily, b: LeafFamily): boolean {
  const { length } = a.candidates
  if (a.type !== b.type || length !== b.candidates.length) return false
  for (let i = 0; i < length; i++) {
    if (!isEqual(a.rdata[i]!, b.rdata[i]!)) return false
    const [one, other] = [a.candidates[i]!, b.candidates[i]!]
    if (one.weight !== other.weight || one.key !== other.key) return false
  }
  return true
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((octet, i) => octet === b[i]))
}

/** A member that two candidates stand for is answered once. */
function distinct({ keys: { ranks } }: LeafFamily, set: readonly number[]): readonly number[] {
  const seen = new Set<number>()
  return set.filter((index) => seen.size < seen.add(ranks[index]!).size)
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
  const count = 2 ** Math.floor(Math.log2(most))
  const sets = new Sets(count)
  const buckets = Array.from({ length: count }, (_, bucket) => {
    rendezvous.draw(table, 0, mix32(bucket ^ bucketSalts.bucket), wanted, order)
    return sets.add(order, wanted)
  })
  return { draw: 'bucket', sets: sets.list, buckets }
}
