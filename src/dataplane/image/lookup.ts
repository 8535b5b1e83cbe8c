import { types } from '../wire/constants.ts'
import type { NameScan } from '../wire/name-scan.ts'
import type { ZoneImage } from './image.ts'

/** How a lookup inside one zone can end (RFC 1034 section 4.3.2, step 3). */
export const outcomes = {
  answer: 0,
  nodata: 1,
  nxdomain: 2,
  referral: 3,
  cname: 4,
  service: 5,
  dname: 6,
} as const
export type Outcome = (typeof outcomes)[keyof typeof outcomes]

/** Finds what a zone says about a name. One object holds the last result, so that a query allocates nothing. */
export class ZoneLookup {
  /** Node that gave the outcome: the name's own, the wildcard, the cut of a referral, or the DNAME's owner. */
  node = -1
  /** RRset to write: the answer, the CNAME or DNAME, or the NS of a cut. */
  rrset = -1
  /** Plan slot of a `service`. */
  service = -1

  /** @param name at or below the zone's apex */
  find(zone: ZoneImage, name: NameScan, qtype: number): Outcome {
    // Labels deeper than the zone's deepest name are skipped, so a long random name costs no more than a short one.
    let label = zone.deepestLabel(name)
    let encloser = zone.find(name, label)
    while (encloser < 0) encloser = zone.find(name, ++label)
    const exact = label === 0
    const cut = zone.cut(encloser)
    // At the cut itself the parent still owns DS; all else there and below is the child's (RFC 4035 section 3.1.4.1).
    if (cut >= 0 && !(exact && cut === encloser && qtype === types.ds)) {
      this.node = cut
      this.rrset = zone.rrset(cut, types.ns)
      return outcomes.referral
    }
    const dname = zone.dname(encloser)
    // A DNAME speaks for the names below it, not for its own (RFC 6672 section 2.3).
    if (dname >= 0 && !(exact && dname === encloser)) {
      this.node = dname
      this.rrset = zone.rrset(dname, types.dname)
      return outcomes.dname
    }
    const node = exact ? encloser : zone.wildcard(encloser)
    this.node = node
    return node < 0 ? outcomes.nxdomain : this.#choose(zone, node, qtype)
  }

  /** The name exists, or a wildcard stands in for it (RFC 4592 section 3.3). */
  #choose(zone: ZoneImage, node: number, qtype: number): Outcome {
    this.service = zone.service(node)
    if (this.service >= 0 && (qtype === types.a || qtype === types.aaaa)) return outcomes.service
    if (qtype === types.any) return this.#chooseAny(zone, node)
    this.rrset = zone.rrset(node, qtype)
    if (this.rrset >= 0) return outcomes.answer
    this.rrset = zone.rrset(node, types.cname)
    return this.rrset >= 0 ? outcomes.cname : outcomes.nodata
  }

  /** One RRset is answer enough for ANY (RFC 8482 section 4.1). */
  #chooseAny(zone: ZoneImage, node: number): Outcome {
    if (zone.rrsetCount(node) > 0) {
      this.rrset = zone.firstRrset(node)
      return outcomes.answer
    }
    return this.service >= 0 ? outcomes.service : outcomes.nodata
  }
}
