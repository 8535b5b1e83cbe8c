/**
 * The stage that proves what signatures alone do not (RFC 4035 section 3.1.3): that a name or a type is not there, that nothing stands
 * closer to a name than the wildcard that answers for it, and whether a delegation is signed. Each link of a walk is proved by its
 * own zone, as far as that is signed; nothing is written twice.
 *
 * What is not there is proved by one or two NSECs: the one that speaks for the name, and unless the name itself is there, the one
 * that speaks for the wildcard that could have stood in for it. Where they are one, one is written. So the same two show NXDOMAIN (both
 * cover), NODATA (the name's own, or for an empty non-terminal the one that covers it) and NODATA by a wildcard (one covers, the other is
 * the wildcard's own).
 *
 * In a zone with NSEC3 a hash says nothing of what is above or below, so the closest encloser is proved first (RFC 5155 section 7.2.1): by
 * the NSEC3 that matches it, and the one that covers the name one label longer. With the one that speaks for the wildcard these are
 * three hashes at the most, and a fourth to know the NSEC3s of a service. A name that is there has its own NSEC3, an empty one too. There
 * is no opt-out.
 */

import type { ZoneImage } from '../image/image.ts'
import { commonLabels, nsecNode } from '../image/nsec-search.ts'
import { hashedIndex } from '../image/nsec3-search.ts'
import { types } from '../wire/constants.ts'
import { type Fit, type ResponseWriter, sections } from './response-writer.ts'
import { type Link, maxChain, type Walk, type WalkOutcome } from './walk.ts'

export class Proofs {
  readonly #writer: ResponseWriter
  /**
   * NSECs and NSEC3s of the response: the link that needed each, and its node, or its place in the chain. One for each link, and two more
   * for the last.
   */
  readonly #links = new Uint8Array(maxChain + 2)
  readonly #nodes = new Int32Array(maxChain + 2)
  #count = 0
  /** Place in the chain of the first NSEC3 of the service whose absence of something is proved; or -1. */
  #servicePlace = -1

  constructor(writer: ResponseWriter) {
    this.#writer = writer
  }

  write(walk: Walk): Fit {
    // Nobody believes it anyway.
    if (walk.outcome === 'servfail') return 'fits'
    this.#count = 0
    this.#servicePlace = walk.nsecVariant > 0 && walk.last.zone.isHashed ? hashedNode(walk.last) : -1
    for (let i = 0; i < walk.count; i++) {
      if (!walk.links[i]!.zone.isSigned) continue
      const outcome = i === walk.count - 1 ? walk.outcome : 'answer'
      if (this.#prove(walk, i, outcome) === 'truncated') return 'truncated'
    }
    return 'fits'
  }

  #prove(walk: Walk, index: number, outcome: WalkOutcome): Fit {
    const link = walk.links[index]!
    switch (outcome) {
      case 'nodata':
      case 'nxdomain':
        return this.#absence(walk, index, link)
      case 'referral':
        return this.#delegation(walk, index, link)
      default:
        // A link that shows nothing stands for what is there already.
        if (link.kind === 'none' || !link.isExpanded) return 'fits'
        if (link.zone.isHashed) return this.#nsec3(walk, index, nextCloser(link), false)
        return this.#nsec(walk, index, nsecNode(link.zone, link.name, 0, false))
    }
  }

  #absence(walk: Walk, index: number, link: Link): Fit {
    const { zone, name, node, encloser } = link
    if (zone.isHashed) return this.#hashedAbsence(walk, index, link)
    const label = name.count - zone.labels(encloser)
    const own = label === 0 && zone.rrset(node, types.nsec) >= 0
    const fit = this.#nsec(walk, index, own ? node : nsecNode(zone, name, 0, false))
    if (fit === 'truncated' || label === 0) return fit
    const wildcard = node === encloser ? zone.wildcardNsec(node) : nsecNode(zone, name, label, true)
    return this.#nsec(walk, index, wildcard)
  }

  #hashedAbsence(walk: Walk, index: number, link: Link): Fit {
    const encloser = nextCloser(link) + 1
    if (this.#nsec3(walk, index, encloser, false) === 'truncated') return 'truncated'
    if (encloser === 0) return 'fits'
    if (this.#nsec3(walk, index, encloser - 1, false) === 'truncated') return 'truncated'
    return this.#nsec3(walk, index, encloser, true)
  }

  /** The DS of a cut, or the NSEC that says that it has none (RFC 4035 section 3.1.4). */
  #delegation(walk: Walk, index: number, link: Link): Fit {
    const { zone, node } = link
    const ds = zone.rrset(node, types.ds)
    if (ds < 0)
      return zone.isHashed ? this.#nsec3(walk, index, link.ownerLabel, false) : this.#nsec(walk, index, node)
    const cutAt = this.#writer.suffixAt(link.nameAt, link.name.offsets[link.ownerLabel]!)
    return this.#writer.rrset(zone, ds, cutAt, link.apexAt, sections.authority) < 0 ? 'truncated' : 'fits'
  }

  /** Writes the NSEC of a node, unless it stands there already. */
  #nsec(walk: Walk, index: number, node: number): Fit {
    const { zone, name, nameAt } = walk.links[index]!
    if (this.#isWritten(walk, index, node)) return 'fits'
    const offset = name.offsets[name.count - commonLabels(zone, node, name)]!
    const prefix = zone.nameLength(node) - (name.length - offset)
    const nsec = zone.rrset(node, types.nsec) + variantAt(walk, zone, node)
    return this.#writer.nsec(zone, node, nsec, prefix, this.#writer.suffixAt(nameAt, offset))
  }

  /** Writes the NSEC3 that speaks for the suffix of a link's name that begins at a label, or for the wildcard below it. */
  #nsec3(walk: Walk, index: number, label: number, wildcard: boolean): Fit {
    const { zone, name, apexAt } = walk.links[index]!
    const place = hashedIndex(zone, name, label, wildcard)
    if (this.#isWritten(walk, index, place)) return 'fits'
    // As `variantAt` says.
    const isService = place === this.#servicePlace && zone === walk.last.zone
    return this.#writer.nsec3(zone, place + (isService ? walk.nsecVariant : 0), apexAt)
  }

  /** Whether a node's NSEC, or an NSEC3, is there for a link before or this one. From now on it is. */
  #isWritten(walk: Walk, index: number, node: number): boolean {
    const { zone } = walk.links[index]!
    for (let i = 0; i < this.#count; i++)
      if (this.#nodes[i] === node && walk.links[this.#links[i]!]!.zone === zone) return true
    this.#links[this.#count] = index
    this.#nodes[this.#count++] = node
    return false
  }
}

/**
 * Of a service's NSECs the one that proves what the walk ended with. It also stands where that NSEC covers another name: they say the same
 * of what comes next, and two different ones of one name would be one RRset that nobody has signed.
 */
function variantAt({ outcome, last, nsecVariant }: Walk, zone: ZoneImage, node: number): number {
  return outcome === 'nodata' && last.node === node && last.zone === zone ? nsecVariant : 0
}

/** Place in the chain of the first NSEC3 of the node that a link found: its name's own, or of the wildcard that stands in for it. */
function hashedNode(link: Link): number {
  return hashedIndex(link.zone, link.name, nextCloser(link) + 1, link.isExpanded)
}

/** The label at which the name begins that is one label longer than the closest encloser of a link's name; -1 where that is the name itself. */
function nextCloser({ zone, name, encloser }: Link): number {
  return name.count - zone.labels(encloser) - 1
}
