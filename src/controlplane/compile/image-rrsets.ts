/**
 * The RRsets of a zone, read out of its image, for whoever wants to see them while the database is away. They are as the database
 * has them but for two things. A TTL that is the zone's is left out, whether or not it was written. And names in RDATA may
 * have the letters' case of a name before them, as an image has them compressed.
 *
 * The order is that of the image's nodes, so that a page costs what it shows, however large the zone is.
 */

import type { ZoneImage } from '../../dataplane/image/image.ts'
import { nameOf, rdataOf, ttlOf } from '../../dataplane/image/image-contents.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { hostnameToWire, parseName, relativeName } from '../../dataplane/wire/name.ts'
import { NameScan } from '../../dataplane/wire/name-scan.ts'
import { formatRdata, parseType, typeName } from '../../dataplane/wire/rdata.ts'
import type { CatalogZone } from '../catalog/catalog.ts'
import { isGiven } from '../dnssec/sign-zone.ts'
import type { Rrset } from '../model/zone.ts'

/** To be read in one turn: the image may be replaced, and its memory used for another one. */
export class ImageRrsets {
  readonly #image: ZoneImage
  readonly #apex: Uint8Array
  readonly #ttlSeconds: number
  /** Then what signing adds is nothing that the zone was given. */
  readonly #isSigned: boolean

  constructor({ apex, ttlSeconds, dnssec }: CatalogZone, image: ZoneImage) {
    this.#isSigned = dnssec !== null
    this.#image = image
    this.#apex = hostnameToWire(apex)
    this.#ttlSeconds = ttlSeconds
  }

  /** How many there are. */
  get count(): number {
    // Beside the SOA of the apex there is that of negative answers.
    if (!this.#isSigned) return this.#image.rrsetTotal - 2
    let count = 0
    for (const _ of this.from(0)) count++
    return count
  }

  /** One, by its owner relative to the apex; null when there is none. */
  get(owner: string, type: string): Rrset | null {
    const name = parseName(owner, this.#apex)
    const scan = new NameScan()
    scan.load(name, 0, name.length)
    const node = this.#image.find(scan, 0)
    const number = parseType(type)
    const rrset = node < 0 || this.#isHidden(number) ? -1 : this.#image.rrset(node, number)
    return rrset < 0 ? null : this.#read(node, rrset)
  }

  /** All from a node on, with the node that each is of. */
  *from(node: number): Generator<{ readonly node: number; readonly rrset: Rrset }> {
    const image = this.#image
    for (let at = node; at < image.nodeCount; at++) {
      const end = image.firstRrset(at) + image.rrsetCount(at)
      for (let rrset = image.firstRrset(at); rrset < end; rrset++) {
        if (!this.#isHidden(image.type(rrset))) yield { node: at, rrset: this.#read(at, rrset) }
      }
    }
  }

  #isHidden(type: number): boolean {
    return type === soaType || (this.#isSigned && !isGiven(type))
  }

  #read(node: number, rrset: number): Rrset {
    const image = this.#image
    const type = image.type(rrset)
    const ttl = ttlOf(image, rrset)
    return {
      owner: relativeName(nameOf(image, node), this.#apex),
      type: typeName(type),
      ttlSeconds: ttl === this.#ttlSeconds ? null : ttl,
      data: rdataOf(image, node, rrset).map((rdata) => formatRdata(type, rdata)),
    }
  }
}

const soaType = types.soa
