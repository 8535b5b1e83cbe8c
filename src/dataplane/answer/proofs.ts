/**
 * The stage that proves what signatures alone do not (RFC 4035 section 3.1.3): that a name or a type is not there, that nothing stands
 * closer to a name than the wildcard that answers for it, and whether a delegation is signed. Each link of a walk is proved by its
 * own zone, as far as that is signed; no NSEC is written twice.
 *
 * What is not there is proved by one or two NSECs: the one that speaks for the name, and unless the name itself is there, the one
 * that speaks for the wildcard that could have stood in for it. Where they are one, one is written. So the same two show NXDOMAIN (both
 * cover), NODATA (the name's own, or for an empty non-terminal the one that covers it) and NODATA by a wildcard (one covers, the other is
 * the wildcard's own).
 */
import type { ZoneImage } from '../image/image.ts'
import { commonLabels, nsecNode } from '../image/nsec-search.ts'
import { types } from '../wire/constants.ts'
import { type Fit, type ResponseWriter, sections } from './response-writer.ts'
import { type Link, maxChain, type Walk, type WalkOutcome } from './walk.ts'

export class Proofs {
  readonly #writer: ResponseWriter
  /** NSECs of the response: the link that needed each, and its node. One for each link, and one more for the last. */
  readonly #links = new Uint8Array(maxChain + 1)
  readonly #nodes = new Int32Array(maxChain + 1)
  #count = 0

  constructor(writer: ResponseWriter) {
    this.#writer = writer
  }

  write(walk: Walk): Fit {
    // Nobody believes it anyway.
    if (walk.outcome === 'servfail') return 'fits'
    this.#count = 0
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
        return this.#nsec(walk, index, nsecNode(link.zone, link.name, 0, false))
    }
  }

  #absence(walk: Walk, index: number, { zone, name, node, encloser }: Link): Fit {
    const label = name.count - zone.labels(encloser)
    const own = label === 0 && zone.rrset(node, types.nsec) >= 0
    const fit = this.#nsec(walk, index, own ? node : nsecNode(zone, name, 0, false))
    if (fit === 'truncated' || label === 0) return fit
    const wildcard = node === encloser ? zone.wildcardNsec(node) : nsecNode(zone, name, label, true)
    return this.#nsec(walk, index, wildcard)
  }

  /** The DS of a cut, or the NSEC that says that it has none (RFC 4035 section 3.1.4). */
  #delegation(walk: Walk, index: number, link: Link): Fit {
    const { zone, node } = link
    const ds = zone.rrset(node, types.ds)
    if (ds < 0) return this.#nsec(walk, index, node)
    const cutAt = this.#writer.suffixAt(link.nameAt, link.name.offsets[link.ownerLabel]!)
    return this.#writer.rrset(zone, ds, cutAt, link.apexAt, sections.authority) < 0 ? 'truncated' : 'fits'
  }

  /** Writes the NSEC of a node, unless it stands there already. */
  #nsec(walk: Walk, index: number, node: number): Fit {
    const { zone, name, nameAt } = walk.links[index]!
    if (this.#isWritten(walk, zone, node)) return 'fits'
    this.#links[this.#count] = index
    this.#nodes[this.#count++] = node
    const offset = name.offsets[name.count - commonLabels(zone, node, name)]!
    const prefix = zone.nameLength(node) - (name.length - offset)
    const nsec = zone.rrset(node, types.nsec) + variantAt(walk, zone, node)
    return this.#writer.nsec(zone, node, nsec, prefix, this.#writer.suffixAt(nameAt, offset))
  }

  #isWritten(walk: Walk, zone: ZoneImage, node: number): boolean {
    for (let i = 0; i < this.#count; i++)
      if (this.#nodes[i] === node && walk.links[this.#links[i]!]!.zone === zone) return true
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
