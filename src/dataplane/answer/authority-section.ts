/** The authority section: what a walk's outcome says about the zone in which it ended, and the proofs that belong to it. */
import { Proofs } from './proofs.ts'
import { type Fit, type ResponseWriter, sections } from './response-writer.ts'
import type { Link, Walk } from './walk.ts'

export class AuthoritySection {
  readonly #writer: ResponseWriter
  readonly #proofs: Proofs

  constructor(writer: ResponseWriter) {
    this.#writer = writer
    this.#proofs = new Proofs(writer)
  }

  write(walk: Walk): Fit {
    const fit = this.#sayOutcome(walk)
    return fit === 'fits' && this.#writer.dnssecOk ? this.#proofs.write(walk) : fit
  }

  #sayOutcome(walk: Walk): Fit {
    switch (walk.outcome) {
      case 'answer':
      case 'yxdomain':
      case 'servfail':
      case 'refused':
        return 'fits'
      case 'nodata':
      case 'nxdomain':
        return soa(walk.last, this.#writer)
      case 'referral':
        return delegation(walk.last, this.#writer)
    }
  }
}

/** NODATA and NXDOMAIN carry the SOA (RFC 2308 sections 2 and 3). */
function soa({ zone, apexAt }: Link, writer: ResponseWriter): Fit {
  const at = writer.rrset(zone, zone.negativeSoa, apexAt, apexAt, sections.authority)
  return at < 0 ? 'truncated' : 'fits'
}

/** A referral carries the NS of the cut. */
function delegation(link: Link, writer: ResponseWriter): Fit {
  const cutAt = writer.suffixAt(link.nameAt, link.name.offsets[link.ownerLabel]!)
  link.rrAt = writer.rrset(link.zone, link.rrset, cutAt, link.apexAt, sections.authority)
  return link.rrAt < 0 ? 'truncated' : 'fits'
}
