/**
 * What an edit makes of the chain of NSEC3 of a zone image, as `chain-edit.ts` does for NSEC. Here a name that owns nothing is in the chain as
 * long as a name below it is: so beside the edited names those above them are looked at.
 */

import type { ZoneImage } from '../../dataplane/image/image.ts'
import { isBelow, nameOf, rdataOf } from '../../dataplane/image/image-contents.ts'
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { labelCount } from '../../dataplane/wire/name.ts'
import { compareHashes, hashWords } from '../../dataplane/wire/owner-hash.ts'
import type { ChangedChain } from './chain-edit.ts'
import type { EditedNames, NodeRrsets } from './edited-names.ts'
import { bitmapIn, emptyOwner, hashedName, hashOf, hashText, nsec3Of, nsec3sOf } from './hashed-chain.ts'
import type { SignedOwner } from './nsec-chain.ts'

/** NSEC3s belong to no node. */
const noNode = 0

/**
 * @param apex lower-cased wire form
 * @param ttlSeconds of NSEC3s, which is that of those in the image
 */
export function changeHashedChain(
  image: ZoneImage,
  apex: Uint8Array,
  names: EditedNames,
  ttlSeconds: number,
): ChangedChain {
  const chain = new Runs(image)
  const owned = new Map<number, SignedOwner>()
  const gone = new Set<number>()
  const came: { readonly hash: string; readonly owner: SignedOwner }[] = []
  for (const { name, owner } of wantedOf(image, names, chain)) {
    const hash = hashOf(name)
    const place = chain.find(hash)
    if (place < 0 && owner !== null) came.push({ hash, owner })
    else if (place >= 0 && owner === null) gone.add(place)
    else if (place >= 0) owned.set(place, owner!)
  }
  came.sort((a, b) => (a.hash < b.hash ? -1 : 1))
  const left: NodeRrsets = new Map()
  const added: WireRrset[] = []
  const leave = (place: number) => {
    for (const rrset of chain.rrsetsAt(place)) left.set(rrset, noNode)
  }
  for (const place of gone) leave(place)
  const { entries, nextBefore } = chain.merge(
    came.map(({ hash }) => hash),
    gone,
  )
  const hashAt = (entry: number) => (entry < 0 ? came[-entry - 1]!.hash : chain.hashAt(entry))
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!
    const next = entries[(i + 1) % entries.length]!
    const owner = entry < 0 ? came[-entry - 1]!.owner : owned.get(entry)
    if (owner === undefined && next === nextBefore[i]) continue
    if (entry >= 0) leave(entry)
    if (owner !== undefined) {
      added.push(...nsec3sOf(apex, owner, hashAt(entry), hashAt(next), ttlSeconds))
      continue
    }
    const name = hashedName(hashAt(entry), apex)
    for (const rrset of chain.rrsetsAt(entry)) {
      const bitmap = bitmapIn(rdataOf(image, noNode, rrset)[0]!)
      added.push(nsec3Of(name, hashAt(next), bitmap, ttlSeconds))
    }
  }
  return { left, added }
}

/** The RRsets of all NSEC3s that have the hash of one of a chain. */
export function nsec3sAt(image: ZoneImage, place: number): number[] {
  const chain = new Runs(image)
  return chain.rrsetsAt(chain.find(chain.hashAt(place)))
}

/** The name that owns an NSEC3 of a chain, by its RRset. */
export function nsec3Owner(image: ZoneImage, rrset: number): Uint8Array {
  const hash = new Runs(image).hashAt(rrset - image.firstHashed)
  return hashedName(hash, nameOf(image, noNode))
}

/** The edited names and those above them whose place in the chain may be another one: what each owns now; null for none in the chain. */
function wantedOf(image: ZoneImage, names: EditedNames, chain: Runs) {
  const wanted = new Map<string, { readonly name: Uint8Array; owner: SignedOwner | null }>()
  /** Names that own nothing, of which it is not known yet whether a name below is in the chain. */
  const doubtful = new Set<string>()
  const filled = new Set<string>()
  for (const each of names) {
    const { name } = each
    const owner = names.signed(each)
    const isHidden = owner === null && names.isHidden(name)
    wanted.set(keyOf(name), { name, owner })
    if (owner === null && !isHidden) doubtful.add(keyOf(name))
    for (const above of names.above(name)) {
      if (owner !== null) filled.add(keyOf(above))
      if (isHidden || names.has(above) || names.owns(above)) continue
      doubtful.add(keyOf(above))
      wanted.set(keyOf(above), { name: above, owner: null })
    }
  }
  const lost = new Map<string, Uint8Array>()
  for (const key of doubtful) {
    const each = wanted.get(key)!
    if (filled.has(key)) each.owner = emptyOwner(each.name)
    else if (chain.find(hashOf(each.name)) >= 0) lost.set(key, each.name)
  }
  for (const key of stillFilled(image, names, lost))
    wanted.get(key)!.owner = emptyOwner(wanted.get(key)!.name)
  return wanted.values()
}

/** Of names of a zone that own nothing, those that have others than edited names below them. */
function stillFilled(
  image: ZoneImage,
  names: EditedNames,
  doubtful: ReadonlyMap<string, Uint8Array>,
): ReadonlySet<string> {
  const found = new Set<string>()
  const left = Array.from(doubtful, ([key, name]) => ({ key, name, labels: labelCount(name) }))
  for (let node = 0; node < image.nodeCount && found.size < left.length; node++) {
    if (!left.some(({ name, labels }) => isBelow(image, node, name, labels))) continue
    const isOwner = image.rrsetCount(node) > 0 || image.service(node) >= 0
    const isHidden = !isOwn(image.cut(node), node) || !isOwn(image.dname(node), node)
    if (!isOwner || isHidden) continue
    if (names.has(nameOf(image, node))) continue
    for (const { key, name, labels } of left) if (isBelow(image, node, name, labels)) found.add(key)
  }
  return found
}

const isOwn = (above: number, node: number) => above < 0 || above === node

const keyOf = (name: Uint8Array) => Buffer.from(name).toString('latin1')

/** The chain of an image by the hashes in it, each at the place of the first of its NSEC3s. */
class Runs {
  readonly #image: ZoneImage

  constructor(image: ZoneImage) {
    this.#image = image
  }

  hashAt(place: number): string {
    return hashText(this.#image.words, this.#at(place))
  }

  /** Place of a hash, or below 0. */
  find(hash: string): number {
    const place = this.#placeOf(hash)
    return place < this.#image.chainLength && this.hashAt(place) === hash ? place : -1
  }

  rrsetsAt(place: number): number[] {
    const rrsets: number[] = []
    for (let at = place; at < this.#image.chainLength && this.#isAlike(place, at); at++)
      rrsets.push(this.#image.firstHashed + at)
    return rrsets
  }

  /** The chain as it will be, of places and, below 0, of hashes that came: -1 for the first. @param came sorted */
  merge(came: readonly string[], gone: ReadonlySet<number>) {
    const { chainLength } = this.#image
    const entries = new Int32Array(chainLength + came.length)
    /** The place that followed one before. */
    const nextBefore = new Int32Array(entries.length)
    const places = came.map((hash) => this.#placeOf(hash))
    let length = 0
    let arrived = 0
    let end = 0
    for (let place = 0; place <= chainLength; place = end) {
      while (places[arrived] === place) entries[length++] = -++arrived
      if (place === chainLength) break
      end = place + 1
      while (end < chainLength && this.#isAlike(place, end)) end++
      if (gone.has(place)) continue
      nextBefore[length] = end % chainLength
      entries[length++] = place
    }
    return { entries: entries.subarray(0, length), nextBefore }
  }

  /** How many NSEC3s are before a hash. */
  #placeOf(hash: string): number {
    let low = 0
    let high = this.#image.chainLength
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.hashAt(middle) < hash) low = middle + 1
      else high = middle
    }
    return low
  }

  #isAlike(a: number, b: number): boolean {
    const { words } = this.#image
    return compareHashes(words, this.#at(a), words, this.#at(b)) === 0
  }

  #at(place: number): number {
    return this.#image.chain + hashWords * place
  }
}
