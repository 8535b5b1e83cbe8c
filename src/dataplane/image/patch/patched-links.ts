/**
 * Links from RRsets to the nodes of their targets, after an edit: of the RRsets that come, and of those that stay where an edited name is a
 * target or stands above one. A target that is not there is spoken for by the wildcard right below its closest encloser.
 */
import { u16 } from '../../wire/bytes.ts'
import { isServiceBinding, types } from '../../wire/constants.ts'
import { isSubdomain, lowerName, parentName } from '../../wire/name.ts'
import { nameFields } from '../../wire/rdata.ts'
import type { ZoneImage } from '../image.ts'
import { nameOf, rdataOf } from '../image-contents.ts'
import { isWildcard, targetTypes } from '../rrset-encoder.ts'
import { isThere, keyOf, type PatchedName, type PatchedNames, wildcardOf } from './patched-names.ts'

/** An RRset that has targets. */
export interface TargetRrset {
  readonly owner: Uint8Array
  readonly type: number
  readonly rdata: readonly Uint8Array[]
}

export class PatchedLinks {
  readonly #names: PatchedNames
  readonly #apex: Uint8Array

  constructor(names: PatchedNames, apex: Uint8Array) {
    this.#names = names
    this.#apex = apex
  }

  /** As an image has them: a node + 1 for each RR, or 0; none at all when they are all 0. */
  linksOf({ owner, type, rdata }: TargetRrset): number[] {
    if (!targetTypes.has(type)) return []
    const own = this.#names.placeOf(owner)
    const seen = new Set<string>()
    const links = rdata.map((octets) => {
      const target = targetOf(owner, type, octets)
      const place = target === null ? -1 : this.#shown(target, type, own)
      // Only the first of those that have one target.
      const key = place < 0 ? '' : keyOf(target!)
      if (place < 0 || seen.has(key)) return 0
      seen.add(key)
      return place + 1
    })
    return links.some((link) => link > 0) ? links : []
  }

  /** The node of what goes along with an RR, or -1. */
  #shown(target: Uint8Array, type: number, own: number): number {
    if (!isSubdomain(target, this.#apex)) return -1
    const name = this.#speakerOf(target)
    const place = this.#names.placeOf(name)
    if (place < 0) return -1
    // Another one of SVCB is what a client asks for next (RFC 9460 section 4.2).
    const wanted = isServiceBinding(type) && place !== own ? [...addresses, type] : addresses
    return wanted.some((each) => this.#names.holdsNow(name, each)) ? place : -1
  }

  /** The name itself, or the wildcard that stands in for it. */
  #speakerOf(target: Uint8Array): Uint8Array {
    if (this.#names.placeOf(target) >= 0) return target
    let encloser = parentName(target)
    while (this.#names.placeOf(encloser) < 0) encloser = parentName(encloser)
    return wildcardOf(encloser)
  }

  /** The RRsets of an image that stay and may link to something else, with their nodes. */
  *affected(image: ZoneImage): Generator<readonly [rrset: number, node: number]> {
    const changed = [...this.#names].filter((each) => this.#isChanged(image, each))
    if (changed.length === 0) return
    const roots = changed.map(({ name }) => (isWildcard(name, 0) ? parentName(name) : name))
    for (let node = 0; node < image.nodeCount; node++) {
      const end = image.firstRrset(node) + image.rrsetCount(node)
      for (let rrset = image.firstRrset(node); rrset < end; rrset++) {
        const type = image.type(rrset)
        if (!targetTypes.has(type) || isElsewhere(image, rrset, type)) continue
        const owner = nameOf(image, node)
        const targets = rdataOf(image, node, rrset).map((octets) => targetOf(owner, type, octets))
        if (targets.some((target) => target !== null && roots.some((root) => isSubdomain(target, root))))
          yield [rrset, node]
      }
    }
  }

  /** Whether a name comes or goes, or begins or ends to own what goes along with others. */
  #isChanged(image: ZoneImage, each: PatchedName): boolean {
    const { node } = each
    if (isThere(each) !== node >= 0) return true
    const had = (type: number) => node >= 0 && image.rrset(node, type) >= 0
    return linked.some((type) => had(type) !== this.#names.holds(each, type))
  }
}

const addresses: readonly number[] = [types.a, types.aaaa]
const linked: readonly number[] = [...addresses, types.svcb, types.https]

/** The name that an RR leads to, in lower case; null when it says that there is none. */
function targetOf(owner: Uint8Array, type: number, rdata: Uint8Array): Uint8Array | null {
  const { offset, length } = nameFields(type, rdata).at(-1)!
  // The root stands for the owner, or with priority 0 for no service at all (RFC 9460 section 2.5).
  if (isServiceBinding(type) && length === 1) return u16(rdata, 0) === 0 ? null : owner
  return lowerName(rdata.subarray(offset, offset + length))
}

/** Whether all targets lie outside of the zone: those of NS and MX would end in a pointer, unless the zone is the root. */
function isElsewhere(image: ZoneImage, rrset: number, type: number): boolean {
  const isCompressed = (type === types.ns || type === types.mx) && image.apexLength > 1
  return isCompressed && image.fixupCount(rrset) === 0
}
