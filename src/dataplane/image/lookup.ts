import { types } from '../wire/constants.ts'
import type { NameScan } from '../wire/name-scan.ts'
import type { ZoneImage } from './image.ts'

/** How a lookup inside one zone can end (RFC 1034 section 4.3.2, step 3). */
export type Finding =
  | 'answer'
  | 'signatures'
  | 'nodata'
  | 'nxdomain'
  | 'referral'
  | 'cname'
  | 'service'
  | 'dname'

/** What a lookup fills in, in an object of the caller's, so that a query allocates nothing. */
export interface Found {
  /**
   * The node that the finding rests on: the name's own, the wildcard that stands in for it, the cut of a referral, the DNAME's
   * owner, or of NXDOMAIN the closest encloser.
   */
  node: number
  /** The name's own node, or its closest encloser; another one than `node` where a wildcard stands in for the name. */
  encloser: number
  /** RRset to write: the answer, the one whose signatures are the answer, the CNAME or DNAME, or the NS of a cut. */
  rrset: number
  /** Plan slot of the service at the node, or -1; set where the name exists or a wildcard stands in for it. */
  service: number
}

/** Finds what a zone says about a name at or below its apex. */
export function lookUp(zone: ZoneImage, name: NameScan, qtype: number, found: Found): Finding {
  // Labels deeper than the zone's deepest name are skipped, so a long random name costs no more than a short one.
  let label = zone.deepestLabel(name)
  let encloser = zone.find(name, label)
  while (encloser < 0) encloser = zone.find(name, ++label)
  const exact = label === 0
  const cut = zone.cut(encloser)
  // At the cut itself the parent still owns DS; all else there and below is the child's (RFC 4035 section 3.1.4.1).
  if (cut >= 0 && !(exact && cut === encloser && qtype === types.ds)) {
    found.node = cut
    found.encloser = cut
    found.rrset = zone.rrset(cut, types.ns)
    return 'referral'
  }
  const dname = zone.dname(encloser)
  // A DNAME speaks for the names below it, not for its own (RFC 6672 section 2.3).
  if (dname >= 0 && !(exact && dname === encloser)) {
    found.node = dname
    found.encloser = dname
    found.rrset = zone.rrset(dname, types.dname)
    return 'dname'
  }
  const node = exact ? encloser : zone.wildcard(encloser)
  found.node = node < 0 ? encloser : node
  found.encloser = encloser
  return node < 0 ? 'nxdomain' : choose(zone, node, qtype, found)
}

/** The name exists, or a wildcard stands in for it (RFC 4592 section 3.3). */
function choose(zone: ZoneImage, node: number, qtype: number, found: Found): Finding {
  found.service = zone.service(node)
  if (found.service >= 0 && (qtype === types.a || qtype === types.aaaa)) return 'service'
  if (qtype === types.any) return chooseAny(zone, node, found)
  found.rrset = zone.rrset(node, qtype)
  if (found.rrset >= 0) return 'answer'
  if (qtype === types.rrsig && zone.isSigned) return chooseSignatures(zone, node, found)
  found.rrset = zone.rrset(node, types.cname)
  return found.rrset >= 0 ? 'cname' : 'nodata'
}

/** One RRset is answer enough for ANY (RFC 8482 section 4.1). An NSEC, which no name has alone but a service, is not what somebody looks for. */
function chooseAny(zone: ZoneImage, node: number, found: Found): Finding {
  const end = zone.firstRrset(node) + zone.rrsetCount(node)
  found.rrset = zone.firstRrset(node)
  while (found.rrset < end && zone.type(found.rrset) === types.nsec) found.rrset++
  if (found.rrset < end) return 'answer'
  return found.service >= 0 ? 'service' : 'nodata'
}

/**
 * Those of one RRset are enough, as for ANY; in a signed zone all that a lookup comes to has some. RRSIG stands beside a CNAME, which is
 * not followed (RFC 4035 section 2.5).
 */
function chooseSignatures(zone: ZoneImage, node: number, found: Found): Finding {
  if (zone.rrsetCount(node) === 0) return 'nodata'
  found.rrset = zone.firstRrset(node)
  return 'signatures'
}
