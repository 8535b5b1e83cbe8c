/** The additional section, but for the OPT: the addresses of the names that the sections before it lead to. */
import type { ZoneImage } from '../image/image.ts'
import { isServiceBinding, maxPointer, rrHeadLength, types } from '../wire/constants.ts'
import { type Fit, type ResponseWriter, sections } from './response-writer.ts'
import type { Link, Walk } from './walk.ts'

export function writeAdditional(walk: Walk, writer: ResponseWriter): Fit {
  switch (walk.outcome) {
    case 'answer':
      return courtesy(walk.last, writer)
    case 'referral':
      return glue(walk.last, writer)
    case 'nodata':
    case 'nxdomain':
    case 'yxdomain':
    case 'servfail':
    case 'refused':
      return 'fits'
  }
}

/** Goes along with MX, SRV, SVCB, HTTPS and the NS of an apex; what doesn't fit is left out. */
function courtesy(link: Link, writer: ResponseWriter): Fit {
  if (link.kind === 'rrset' && link.zone.hasTargets(link.rrset)) targets(link, writer, 'all')
  return 'fits'
}

/**
 * The glue of a referral. Addresses of servers at or below the cut come first, because without them nobody gets there, and
 * one that doesn't fit makes the response truncated (RFC 9471 section 3.1); those of others may be left out.
 */
function glue(link: Link, writer: ResponseWriter): Fit {
  const others = targets(link, writer, 'below')
  if (others > 0) targets(link, writer, 'elsewhere')
  return others < 0 ? 'truncated' : 'fits'
}

/**
 * Writes the addresses of the targets of the link's RRset: of all, or of those on one side of the link's node, a cut.
 *
 * @returns how many were passed over, or -1 when one did not fit; those before it stay.
 */
function targets(
  { zone, rrset, node: cut, rrAt, apexAt }: Link,
  writer: ResponseWriter,
  which: 'all' | 'below' | 'elsewhere',
): number {
  if (!zone.hasTargets(rrset)) return 0
  const type = zone.type(rrset)
  const binding = isServiceBinding(type)
  const nameOffset = rrHeadLength + targetOffset(type)
  let others = 0
  let rr = rrAt
  for (let i = 0; i < zone.rrCount(rrset); i++) {
    const node = zone.target(rrset, i)
    const target = rr + nameOffset
    // There the root stands for the owner (RFC 9460 section 2.5.2), which the RR points to.
    const spelled = binding && writer.out[target] === 0 ? writer.pointedTo(rr) : target
    rr = writer.nextRr(rr)
    // Only a stream can carry an RRset so large that a pointer doesn't reach its end; courtesy ends there.
    if (target > maxPointer) return others
    if (node < 0) continue
    if (which !== 'all' && (zone.cut(node) === cut) !== (which === 'below')) {
      others++
      continue
    }
    if (!atTarget(zone, node, types.a, spelled, apexAt, writer)) return -1
    if (!atTarget(zone, node, types.aaaa, spelled, apexAt, writer)) return -1
    if (!binding || zone.rrset(node, type) === rrset) continue
    if (!atTarget(zone, node, type, spelled, apexAt, writer)) return -1
  }
  return others
}

/** Where there is no room for both, an RRset goes without its signatures (RFC 4035 section 3.1.1). */
function atTarget(
  zone: ZoneImage,
  node: number,
  type: number,
  owner: number,
  apexAt: number,
  writer: ResponseWriter,
): boolean {
  const rrset = zone.rrset(node, type)
  if (rrset < 0) return true
  if (writer.rrset(zone, rrset, owner, apexAt, sections.additional) >= 0) return true
  return writer.dnssecOk && writer.rrset(zone, rrset, owner, apexAt, sections.additional, false) >= 0
}

/** Octets of RDATA before the target's name. */
function targetOffset(type: number): number {
  return type === types.srv ? 6 : type === types.ns ? 0 : 2
}
