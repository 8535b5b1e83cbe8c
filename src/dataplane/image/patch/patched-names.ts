/**
 * The names of a zone image that an edit touches, with what each owns and where it stands afterwards: those that it names, those that come or
 * go with them because nothing else needs them (empty non-terminals), those that a cut or a DNAME hides now and did not before, or the other
 * way round, and the names above wildcards that come or go. All others keep what they have. Bounded by `mostTouched`.
 */
import { types } from '../../wire/constants.ts'
import { labelCount, parentName } from '../../wire/name.ts'
import { NameScan } from '../../wire/name-scan.ts'
import type { ZoneImage } from '../image.ts'
import { isBelow, nameOf } from '../image-contents.ts'
import { isWildcard, type WireRrset } from '../rrset-encoder.ts'
import { Splices } from './splices.ts'

/** What an edit makes of a zone. */
export interface ZonePatch {
  readonly image: ZoneImage
  /** Lower-cased wire form. */
  readonly apex: Uint8Array
  /** Names that keep nothing, in lower-cased wire form. */
  readonly owners: readonly Uint8Array[]
  /** Other RRsets that go, with their nodes; NSEC3s have none. */
  readonly left: ReadonlyMap<number, number>
  /** What comes, NSEC3s that deny left out; the SOA is there. */
  readonly added: readonly WireRrset[]
  /** All services: their slots by `keyOf` their names. */
  readonly services: ReadonlyMap<string, { readonly owner: Uint8Array; readonly slot: number }>
}

/** An RRset of a touched name: one of the image before, by its index, or one that comes. */
export type PatchedRrset = number | WireRrset

export interface PatchedName {
  /** Lower-cased wire form. */
  readonly name: Uint8Array
  readonly labels: number
  /** Of the image before; below 0 for a name that comes. */
  readonly node: number
  rrsets: PatchedRrset[]
  /** Slot + 1, or 0. */
  service: number
  /** Whether a name below it is there. */
  isAbove: boolean
  /** Its node afterwards; below 0 for one that is no more. */
  place: number
  /** As an image has them. */
  cut: number
  dname: number
}

/** The edit touches so much that it is simpler to lay out the zone anew. */
export class TooManyTouched extends Error {}

export class PatchedNames {
  /** By `keyOf` their names. */
  readonly touched = new Map<string, PatchedName>()
  /** Of the image's nodes. */
  readonly nodes = new Splices()
  readonly nodeCount: number
  readonly #image: ZoneImage
  readonly #most: number
  readonly #scan = new NameScan()
  readonly #byNode = new Map<number, PatchedName>()

  /** @throws TooManyTouched */
  constructor(patch: ZonePatch) {
    const { image } = patch
    this.#image = image
    this.#most = 64 + (image.nodeCount >>> 4)
    this.#addRrsets(patch)
    this.#addServices(patch)
    this.#addHidden()
    this.#addAbove()
    this.nodeCount = this.#setPlaces()
    this.#setCuts()
  }

  [Symbol.iterator](): Iterator<PatchedName> {
    return this.touched.values()
  }

  /** The touched name of a node of the image before. */
  ofNode(node: number): PatchedName | undefined {
    return this.#byNode.get(node)
  }

  /** Where a name is afterwards, or below 0. */
  placeOf(name: Uint8Array): number {
    const touched = this.touched.get(keyOf(name))
    if (touched !== undefined) return touched.place
    const node = this.#nodeOf(name)
    return node < 0 ? -1 : this.nodes.map(node)
  }

  /** Whether a name owns an RRset of a type now. */
  holds({ rrsets }: PatchedName, type: number): boolean {
    return rrsets.some((rrset) => this.typeOf(rrset) === type)
  }

  typeOf(rrset: PatchedRrset): number {
    return typeof rrset === 'number' ? this.#image.type(rrset) : rrset.type
  }

  /** Whether a name owns an RRset of a type afterwards; one that is not there owns nothing. */
  holdsNow(name: Uint8Array, type: number): boolean {
    const touched = this.touched.get(keyOf(name))
    if (touched !== undefined) return this.holds(touched, type)
    const node = this.#nodeOf(name)
    return node >= 0 && this.#image.rrset(node, type) >= 0
  }

  #addRrsets({ apex, owners, left, added }: ZonePatch): void {
    const image = this.#image
    for (const name of owners) this.#touch(name).rrsets = []
    for (const [rrset, node] of left) {
      if (rrset < this.#firstUnowned) this.#leave(this.#touch(nameOf(image, node)), rrset)
    }
    const top = this.#touch(apex)
    this.#leave(top, image.rrset(0, types.soa))
    for (const rrset of added) this.#touch(rrset.owner).rrsets.push(rrset)
    for (const each of this) each.rrsets.sort((a, b) => this.typeOf(a) - this.typeOf(b))
  }

  /** The first RRset that belongs to no node. */
  get #firstUnowned(): number {
    const image = this.#image
    return image.isHashed ? image.firstHashed : image.negativeSoa
  }

  #leave(name: PatchedName, rrset: number): void {
    name.rrsets = name.rrsets.filter((each) => each !== rrset)
  }

  #addServices({ services }: ZonePatch): void {
    const image = this.#image
    for (const { owner, slot } of services.values()) {
      const node = this.#nodeOf(owner)
      if (node < 0 || image.service(node) !== slot) this.#touch(owner).service = slot + 1
    }
    for (let node = 0; node < image.nodeCount; node++) {
      if (image.service(node) < 0) continue
      const name = nameOf(image, node)
      if (!services.has(keyOf(name))) this.#touch(name).service = 0
    }
  }

  /** Those below a name that hides them now and did not before, or the other way round. */
  #addHidden(): void {
    const image = this.#image
    const changed = [...this].filter((each) => {
      const { node } = each
      const had = (type: number) => node >= 0 && image.rrset(node, type) >= 0
      return [types.ns, types.dname].some((type) => had(type) !== this.holds(each, type))
    })
    for (const node of this.#nodesBelow(changed.filter(({ node }) => node >= 0))) this.#touchNode(node)
  }

  /** Empty non-terminals that come, those that may go with the last name below them, and what is above a wildcard. */
  #addAbove(): void {
    const image = this.#image
    const isEmpty = (node: number) => image.rrsetCount(node) === 0 && image.service(node) < 0
    for (const each of [...this]) {
      for (const name of this.#above(each)) {
        const node = this.#nodeOf(name)
        if (isOwner(each) ? node < 0 : each.node >= 0 && isEmpty(node)) this.#touch(name)
      }
    }
    for (const { name } of [...this]) if (isWildcard(name, 0)) this.#touch(parentName(name))
    for (const each of this) {
      if (!isOwner(each)) continue
      for (const name of this.#above(each)) {
        const above = this.touched.get(keyOf(name))
        if (above !== undefined) above.isAbove = true
      }
    }
    // Others, which nothing has touched.
    const isOther = (node: number) => !this.#byNode.has(node) && !isEmpty(node)
    for (const each of this) {
      if (each.node >= 0 && !isThere(each)) each.isAbove = !this.#nodesBelow([each], isOther).next().done
    }
  }

  /** Names above one, below the apex. */
  *#above({ name }: PatchedName): Generator<Uint8Array> {
    for (let above = parentName(name); above.length > this.#image.apexLength; above = parentName(above))
      yield above
  }

  #setPlaces(): number {
    const { nodeCount } = this.#image
    for (const each of this) if (each.node >= 0 && !isThere(each)) this.nodes.add(each.node, 1, 0)
    this.nodes.seal()
    let place = nodeCount + this.nodes.growth
    for (const each of this.#byLabels()) {
      if (!isThere(each)) continue
      each.place = each.node < 0 ? place++ : this.nodes.map(each.node)
    }
    return place
  }

  #byLabels(): PatchedName[] {
    return [...this].sort((a, b) => a.labels - b.labels)
  }

  /** As the image writer does: whichever of a cut and a DNAME is higher hides what is below it, the other one too. */
  #setCuts(): void {
    const image = this.#image
    for (const each of this.#byLabels()) {
      const { place } = each
      if (place < 0) continue
      const aliased = this.holds(each, types.dname)
      if (place === 0) {
        each.dname = aliased ? 1 : 0
        continue
      }
      const above = parentName(each.name)
      const known = this.touched.get(keyOf(above))
      const node = known === undefined ? this.#nodeOf(above) : -1
      const moved = (before: number) => (before < 0 ? 0 : this.nodes.map(before) + 1)
      const cut = known === undefined ? moved(image.cut(node)) : known.cut
      const dname = known === undefined ? moved(image.dname(node)) : known.dname
      const delegated = this.holds(each, types.ns)
      each.dname = dname === 0 && aliased && cut === 0 && !delegated ? place + 1 : dname
      each.cut = cut === 0 && delegated && dname === 0 ? place + 1 : cut
    }
  }

  #touch(name: Uint8Array): PatchedName {
    return this.touched.get(keyOf(name)) ?? this.#add(name, this.#nodeOf(name))
  }

  #touchNode(node: number): void {
    if (!this.#byNode.has(node)) this.#add(nameOf(this.#image, node), node)
  }

  #add(name: Uint8Array, node: number): PatchedName {
    const image = this.#image
    if (this.touched.size >= this.#most) throw new TooManyTouched()
    const first = node < 0 ? 0 : image.firstRrset(node)
    const count = node < 0 ? 0 : image.rrsetCount(node)
    const added: PatchedName = {
      name,
      labels: labelCount(name),
      node,
      rrsets: Array.from({ length: count }, (_, index) => first + index),
      service: node < 0 ? 0 : image.service(node) + 1,
      isAbove: false,
      place: -1,
      cut: 0,
      dname: 0,
    }
    this.touched.set(keyOf(name), added)
    if (node >= 0) this.#byNode.set(node, added)
    return added
  }

  /** Nodes of the image below some names. */
  *#nodesBelow(
    names: readonly PatchedName[],
    wanted: (node: number) => boolean = () => true,
  ): Generator<number> {
    if (names.length === 0) return
    const image = this.#image
    for (let node = 0; node < image.nodeCount; node++)
      if (wanted(node) && names.some((above) => isBelow(image, node, above.name, above.labels))) yield node
  }

  #nodeOf(name: Uint8Array): number {
    // A wildcard below the longest of names would be longer than a name can be.
    return this.#scan.load(name, 0, name.length) < 0 ? -1 : this.#image.find(this.#scan, 0)
  }
}

const isOwner = ({ rrsets, service, node }: PatchedName) => rrsets.length > 0 || service > 0 || node === 0

/** Whether a name is in the zone afterwards. */
export const isThere = (name: PatchedName) => isOwner(name) || name.isAbove

/** The name of the wildcard right below one. */
export const wildcardOf = (name: Uint8Array) => Uint8Array.of(1, 0x2a, ...name)

export const keyOf = (name: Uint8Array) => Buffer.from(name).toString('latin1')
