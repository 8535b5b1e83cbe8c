/**
 * The names that an edit of a zone concerns, with what they own from now on: the edited ones, and those below an edited name that hides
 * what is below it now and did not before, or the other way round; and those that are services now and were none, or the other way round.
 * Bounded by the edit, and by what such names have below them.
 */

import type { ZoneImage } from '../../dataplane/image/image.ts'
import { nameOf, rdataOf, ttlOf } from '../../dataplane/image/image-contents.ts'
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { parentName } from '../../dataplane/wire/name.ts'
import { NameScan } from '../../dataplane/wire/name-scan.ts'
import { doesHide, type SignedOwner, signedOwner } from './nsec-chain.ts'
import type { UnsignedZone } from './sign-zone.ts'

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
  readonly #services: ReadonlyMap<string, Uint8Array>
  readonly #rrsets: ReadonlyMap<string, readonly WireRrset[]>
  readonly #scan = new NameScan()

  /**
   * @param image of the zone before
   * @param owners lower-cased wire form
   * @param rrsets all of the owners, and what else the zone has now in the place of what is in the image
   */
  constructor(
    image: ZoneImage,
    { name: apex, services = [] }: Pick<UnsignedZone, 'name' | 'services'>,
    owners: readonly Uint8Array[],
    rrsets: readonly WireRrset[],
  ) {
    this.#image = image
    this.#apex = apex
    this.#services = new Map(services.map(({ name }) => [keyOf(name), name]))
    this.#rrsets = Map.groupBy(rrsets, ({ owner }) => keyOf(owner))
    for (const name of owners) {
      const key = keyOf(name)
      this.#names.set(key, { name, node: this.#nodeOf(name), rrsets: this.#rrsets.get(key) ?? [] })
    }
    this.#addServices()
    this.#addBelow()
  }

  [Symbol.iterator](): Iterator<EditedName> {
    return this.#names.values()
  }

  /** Of an edited name, what of it the zone speaks for; null when that is nothing. */
  signed({ name, rrsets }: EditedName): SignedOwner | null {
    const isService = this.#services.has(keyOf(name))
    if ((rrsets.length === 0 && !isService) || this.isHidden(name)) return null
    return signedOwner(name, rrsets, { isApex: this.#isApex(name), isService })
  }

  /** Whether a name is one of them. */
  has(name: Uint8Array): boolean {
    return this.#names.has(keyOf(name))
  }

  /** Whether a name of the image owns something, or is a service. */
  owns(name: Uint8Array): boolean {
    const node = this.#nodeOf(name)
    return node >= 0 && (this.#image.rrsetCount(node) > 0 || this.#image.service(node) >= 0)
  }

  #addServices(): void {
    const image = this.#image
    for (const [key, name] of this.#services) {
      const node = this.#nodeOf(name)
      if (node < 0 || image.service(node) < 0) this.#add(key, name, node)
    }
    for (let node = 0; node < image.nodeCount; node++) {
      if (image.service(node) < 0) continue
      const name = nameOf(image, node)
      const key = keyOf(name)
      if (!this.#services.has(key)) this.#add(key, name, node)
    }
  }

  /** Adds a name, unless it is there, with what it owns and goes on owning. */
  #add(key: string, name: Uint8Array, node: number): void {
    if (this.#names.has(key)) return
    // The apex has another SOA.
    const others = this.#rrsets.get(key) ?? []
    const stay = this.#given(name, node).filter((rrset) => !others.some(({ type }) => type === rrset.type))
    this.#names.set(key, { name, node, rrsets: [...stay, ...others] })
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
      if (!this.above(name).some((above) => others.has(keyOf(above)))) continue
      this.#add(keyOf(name), name, node)
    }
  }

  /** What a node of the image owns, without what denies. */
  #given(owner: Uint8Array, node: number): WireRrset[] {
    if (node < 0) return []
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

  /** Whether a cut or a DNAME above hides a name. */
  isHidden(name: Uint8Array): boolean {
    return this.above(name).some((above) => {
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
  above(name: Uint8Array): Uint8Array[] {
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
