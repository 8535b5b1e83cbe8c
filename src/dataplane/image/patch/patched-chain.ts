/** The chain of a signed zone after an edit: the names or hashes that come and go, each at its place in the order. */
import { compareNames } from '../../wire/canonical.ts'
import { compareHashes, hashWords, readHashLabel } from '../../wire/owner-hash.ts'
import { checkHashes } from '../chain-writer.ts'
import type { ZoneImage } from '../image.ts'
import { nameOf } from '../image-contents.ts'
import { chainWords, labelKey } from '../nsec-search.ts'
import type { WireRrset } from '../rrset-encoder.ts'
import type { PatchedName, PatchedNames } from './patched-names.ts'
import { type Splice, Splices } from './splices.ts'

/** What comes into a chain of NSEC. */
interface Linked {
  readonly each: PatchedName
  readonly splice: Splice
}

/** Of NSEC. */
export class PatchedNsecs {
  readonly splices = new Splices()
  readonly #linked: Linked[] = []
  /** Nodes of the image that may have spoken for a wildcard that another one speaks for now. */
  readonly #unsure = new Set<number>()

  /** @param isIn whether a name is in the chain now */
  constructor(image: ZoneImage, names: PatchedNames, isIn: (each: PatchedName) => boolean) {
    const { words, chain, chainLength } = image
    const nodeAt = (index: number) => words[chain + chainWords * index + 1]!
    const coming: { readonly each: PatchedName; readonly at: number }[] = []
    for (const each of names) {
      const at = placeOf(chainLength, (index) => compareNames(nameOf(image, nodeAt(index)), each.name) < 0)
      const wasIn = each.node >= 0 && at < chainLength && nodeAt(at) === each.node
      const is = each.place >= 0 && isIn(each)
      if (wasIn && !is) {
        this.splices.add(at, 1, 0)
        this.#unsure.add(each.node)
      }
      if (is && !wasIn) coming.push({ each, at })
    }
    coming.sort((a, b) => compareNames(a.each.name, b.each.name))
    for (const { each, at } of coming) {
      this.#unsure.add(nodeAt(at - 1))
      this.#linked.push({ each, splice: this.splices.add(at, 0, 1) })
    }
    this.splices.seal()
  }

  /** Writes the chain; of those that stay, `place` says where their nodes are. */
  write(image: ZoneImage, words: Int32Array, at: number, place: ((node: number) => number) | null): void {
    const { chain, chainLength, apexLabels } = image
    this.splices.copy(image.words, chain, chainLength, words, at, chainWords)
    const end = at + chainWords * (chainLength + this.splices.growth)
    if (place !== null)
      for (let entry = at; entry < end; entry += chainWords) words[entry + 1] = place(words[entry + 1]!)
    for (const { each, splice } of this.#linked) {
      let below = 0
      for (let label = apexLabels + 1; label < each.labels; label++) below += each.name[below]! + 1
      words[at + chainWords * splice.to] = labelKey(each.name, below)
      words[at + chainWords * splice.to + 1] = each.place
    }
  }

  /** Nodes of the image whose wildcard another NSEC may speak for now. */
  *doubtful(image: ZoneImage): Generator<number> {
    if (this.#unsure.size === 0) return
    for (let node = 0; node < image.nodeCount; node++)
      if (image.wildcard(node) < 0 && this.#unsure.has(image.wildcardNsec(node))) yield node
  }
}

/** Of NSEC3: RRsets that no node has stand in the order of the chain. */
export class PatchedHashes {
  /** Of the chain and, as they are as many, of the RRsets. */
  readonly splices = new Splices()
  /** What comes. */
  readonly added: { readonly rrset: WireRrset; readonly splice: Splice }[] = []
  readonly #words: Int32Array
  readonly #hashes: Int32Array[]

  /** @param left RRsets that go */
  constructor(image: ZoneImage, left: Iterable<number>, added: readonly WireRrset[]) {
    const { words, chain, chainLength, firstHashed } = image
    this.#words = words
    for (const rrset of left) this.splices.add(rrset - firstHashed, 1, 0)
    const coming = added
      .map((rrset) => ({ rrset, hash: hashOf(rrset) }))
      .sort((a, b) => compareHashes(a.hash, 0, b.hash, 0))
    this.#hashes = coming.map(({ hash }) => hash)
    for (const { rrset, hash } of coming) {
      const at = placeOf(chainLength, (index) => compareHashes(words, chain + hashWords * index, hash, 0) < 0)
      this.added.push({ rrset, splice: this.splices.add(at, 0, 1) })
    }
    this.splices.seal()
  }

  /** @throws UnsignedError when two names have one hash */
  write(image: ZoneImage, words: Int32Array, at: number): void {
    const { chain, chainLength } = image
    this.splices.copy(this.#words, chain, chainLength, words, at, hashWords)
    for (const [index, { splice }] of this.added.entries())
      words.set(this.#hashes[index]!, at + hashWords * splice.to)
    checkHashes(words, at, chainLength + this.splices.growth, nameOf(image, 0))
  }
}

function hashOf({ owner }: WireRrset): Int32Array {
  const hash = new Int32Array(hashWords)
  readHashLabel(owner, 0, hash, 0)
  return hash
}

/** How many are before one, by whether each is. */
function placeOf(count: number, isBefore: (index: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(middle)) low = middle + 1
    else high = middle
  }
  return low
}
