/**
 * The names that an edit of a zone concerns, with what they own from now on: the edited ones, and those below an edited name that hides
 * what is below it now and did not before, or the other way round. Bounded by the edit, and by what such names have below them.
 */
import { nameOf, rdataOf, ttlOf } from '../../dataplane/image/edit.ts'
import type { ZoneImage } from '../../dataplane/image/image.ts'
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { parentName } from '../../dataplane/wire/name.ts'
import { NameScan } from '../../dataplane/wire/name-scan.ts'
import { doesHide, type SignedOwner, signedOwner } from './nsec-chain.ts'

/** An RRset of an image by its node. */
export type NodeRrsets = Map<number, number>

export interface EditedName {
  /** Lower-cased wire form. */
  readonly name: Uint8Array
  /** Of the image; below 0 for a name that it doesn't have. */
  readonly node: number
  /** All that it owns. */
  readonly rrsets: readonly WireRrset[]
}

export class EditedNames {
  readonly #image: ZoneImage
  readonly #apex: Uint8Array
  readonly #names = new Map<string, EditedName>()
  readonly #scan = new NameScan()

  /**
   * @param apex lower-cased wire form, as the owners are
   * @param rrsets of other names too
   */
  constructor(
    image: ZoneImage,
    apex: Uint8Array,
    owners: readonly Uint8Array[],
    rrsets: readonly WireRrset[],
  ) {
    this.#image = image
    this.#apex = apex
    const byOwner = Map.groupBy(rrsets, ({ owner }) => keyOf(owner))
    for (const name of owners) {
      const key = keyOf(name)
      this.#names.set(key, { name, node: this.#nodeOf(name), rrsets: byOwner.get(key) ?? [] })
    }
    this.#addBelow()
  }

  [Symbol.iterator](): Iterator<EditedName> {
    return this.#names.values()
  }

  /** Of an edited name, what of it the zone speaks for; null when that is nothing. */
  signed({ name, rrsets }: EditedName): SignedOwner | null {
    if (rrsets.length === 0 || this.#isHidden(name)) return null
    return signedOwner(name, rrsets, this.#isApex(name))
  }

  #addBelow(): void {
    const others = new Set<string>()
    for (const [key, { name, node, rrsets }] of this.#names) {
      const isApex = this.#isApex(name)
      if (node >= 0 && this.#didHide(node, isApex) !== doesHide(rrsets, isApex)) others.add(key)
    }
    if (others.size === 0) return
    const image = this.#image
    for (let node = 0; node < image.nodeCount; node++) {
      const name = nameOf(image, node)
      if (!this.#above(name).some((above) => others.has(keyOf(above)))) continue
      const key = keyOf(name)
      if (!this.#names.has(key)) this.#names.set(key, { name, node, rrsets: this.#given(name, node) })
    }
  }

  /** What a node of the image owns, without what denies. */
  #given(owner: Uint8Array, node: number): WireRrset[] {
    const image = this.#image
    const end = image.firstRrset(node) + image.rrsetCount(node)
    const given: WireRrset[] = []
    for (let rrset = image.firstRrset(node); rrset < end; rrset++) {
      const type = image.type(rrset)
      if (type === types.nsec) continue
      given.push({ owner, type, ttlSeconds: ttlOf(image, rrset), rdata: rdataOf(image, node, rrset) })
    }
    return given
  }

  #isHidden(name: Uint8Array): boolean {
    return this.#above(name).some((above) => {
      const isApex = this.#isApex(above)
      const edited = this.#names.get(keyOf(above))
      if (edited !== undefined) return doesHide(edited.rrsets, isApex)
      const node = this.#nodeOf(above)
      return node >= 0 && this.#didHide(node, isApex)
    })
  }

  #didHide(node: number, isApex: boolean): boolean {
    const image = this.#image
    return image.rrset(node, types.dname) >= 0 || (!isApex && image.rrset(node, types.ns) >= 0)
  }

  /** The names above one up to the apex. */
  #above(name: Uint8Array): Uint8Array[] {
    const above: Uint8Array[] = []
    for (let at = name; !this.#isApex(at); ) {
      at = parentName(at)
      above.push(at)
    }
    return above
  }

  #isApex(name: Uint8Array): boolean {
    return name.length === this.#apex.length
  }

  #nodeOf(name: Uint8Array): number {
    this.#scan.load(name, 0, name.length)
    return this.#image.find(this.#scan, 0)
  }
}

const keyOf = (name: Uint8Array) => Buffer.from(name).toString('latin1')
