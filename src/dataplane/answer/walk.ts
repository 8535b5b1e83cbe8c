/**
 * The walk of a query through our zones (RFC 1034 section 4.3.2): from the question through aliases to what ends it. `Resolver` fills it
 * before a response has any octet, and the sections of the response are written from it, each by a stage of its own. So
 * whatever is to go along with an RRset (its signatures) or with an outcome (a proof that nothing is there) finds here what
 * it belongs to.
 *
 * A walk has a link for each name that was looked up: the question, then the targets of aliases. It is one object that is
 * filled again for each query, so that a query allocates nothing; its size is bounded by `maxChain`. Between two queries it holds
 * no image: one that has been replaced must go.
 */
import type { ZoneImage } from '../image/image.ts'
import type { Found } from '../image/lookup.ts'
import type { Candidates, PlanLeaf } from '../image/plan.ts'
import { rcodes } from '../wire/constants.ts'
import { NameScan } from '../wire/name-scan.ts'
import { Choices } from './choices.ts'

/**
 * Names looked up for one query: 17 aliases, which is as far as resolvers follow, and where they lead. A longer chain ends where it
 * is. Real ones have one or two links.
 */
export const maxChain = 18

/**
 * How a walk ends: what the response says beside the answer section that the links make.
 *
 * - `answer`: the links say it all. They end with what was asked for, or the chain leads out of our zones, in a circle, or too far.
 * - `yxdomain`: the name that a DNAME comes to is too long (RFC 6672 section 2.2).
 * - `servfail`: a service says so, there is no image of the zone or the service, or the zone is broken.
 * - `refused`: no zone of ours holds the name that was asked for.
 */
export type WalkOutcome = 'answer' | 'nodata' | 'nxdomain' | 'referral' | 'yxdomain' | 'servfail' | 'refused'

/**
 * What a link puts into the answer section.
 *
 * - `none`: nothing. Only the outcome speaks, or what was found stands there already.
 * - `rrset`: the RRset, which is the answer, a CNAME, or a DNAME that makes none.
 * - `signatures`: those of the RRset, without it.
 * - `alias`: the CNAME that a service's leaf makes it.
 * - `dname`: the DNAME, unless it stands there already, and the CNAME that it makes.
 * - `members`: addresses that a service's leaf chooses.
 */
type LinkKind = 'none' | 'rrset' | 'signatures' | 'alias' | 'dname' | 'members'

/** One name of a walk, and what was found there. */
export class Link implements Found {
  /** The name that was looked up. */
  readonly name: NameScan
  kind: LinkKind = 'none'
  /** Label of `name` at which the zone's apex begins. */
  apexLabel = 0
  /** Label of `name` at which the owner of the RRset begins: above 0 for that of a DNAME or of a cut. */
  ownerLabel = 0
  node = -1
  encloser = -1
  /** RRset in the zone, or the number below 0 that stands for what a service is an alias of. */
  rrset = -1
  service = -1
  /** Which of the candidates an `alias` has chosen. */
  candidate = 0
  /** Which set that is, in a signed plan. */
  set = 0
  /** How many a `members` has chosen. This is known once the link is written. */
  written = 0
  /** Whether a `dname` leads to its owner or below. */
  inward = false
  /** The link before that shows the DNAME of a `dname`; null where this one does. */
  shown: Link | null = null

  /** Offset in the message at which `name` is spelled. This and what follows is known once the link is written. */
  nameAt = 0
  /** Offset in the message at which the zone's apex is spelled. */
  apexAt = 0
  /** Offset in the message of the RRs that the link wrote; for a DNAME, of the CNAME that it makes. */
  rrAt = 0
  /** Offset in the message of the DNAME. */
  dnameAt = 0

  #zone: ZoneImage | null = null
  #leaf: PlanLeaf | null = null
  #candidates: Candidates | null = null

  constructor(name: NameScan) {
    this.name = name
  }

  /** The zone that holds the name. */
  get zone(): ZoneImage {
    return this.#zone!
  }

  /** The leaf that was chosen; of `alias` and `members`. */
  get leaf(): PlanLeaf {
    return this.#leaf!
  }

  /** What the leaf chooses among; of `alias` and `members`. */
  get candidates(): Candidates {
    return this.#candidates!
  }

  begin(zone: ZoneImage, apexLabel: number): void {
    this.#zone = zone
    this.apexLabel = apexLabel
    this.ownerLabel = 0
    this.kind = 'none'
  }

  choose(kind: LinkKind, leaf: PlanLeaf, candidates: Candidates): void {
    this.kind = kind
    this.#leaf = leaf
    this.#candidates = candidates
  }

  /** Whether a wildcard stands in for the name, which must be proved not to be there. */
  get isExpanded(): boolean {
    return this.encloser !== this.node
  }

  /** Lets go of the images. */
  release(): void {
    this.#zone = null
    if (this.#leaf === null) return
    this.#leaf = null
    this.#candidates = null
  }

  /** Whether both stand for the same RRs. One RRset stands for many names when its owner is a wildcard. */
  isLike(other: Link): boolean {
    return (
      this.rrset === other.rrset &&
      this.#zone === other.#zone &&
      this.name.hashes[this.ownerLabel] === other.name.hashes[other.ownerLabel]
    )
  }
}

export class Walk {
  /** The first `count` are those of the walk. */
  readonly links: readonly Link[]
  count = 0
  outcome: WalkOutcome = 'answer'
  /** Which way the choices of the services that were met went. */
  readonly choices = new Choices(maxChain)
  /** Bits of the client's address that those choices depended on (RFC 7871 section 7.2.1). */
  scope = 0
  /** Which of the NSECs of a service proves a `nodata` (`nsec-variants.ts`); 0 where no service is. */
  nsecVariant = 0
  /** Whether a `servfail` is that of a zone whose signatures have ended. */
  expired = false

  /** @param question the name that each walk begins with */
  constructor(question: NameScan) {
    this.links = Array.from(
      { length: maxChain },
      (_, index) => new Link(index === 0 ? question : new NameScan()),
    )
  }

  clear(): void {
    this.count = 0
    this.outcome = 'answer'
    this.choices.count = 0
    this.scope = 0
    this.nsecVariant = 0
    this.expired = false
  }

  /** Lets go of the images. What was counted and chosen stays to be looked at. */
  release(): void {
    for (let i = 0; i < this.count; i++) this.links[i]!.release()
  }

  /** Begins the next link, in whose name the caller has put what is looked up. */
  add(zone: ZoneImage, apexLabel: number): Link {
    const link = this.links[this.count++]!
    link.begin(zone, apexLabel)
    return link
  }

  /** The link that the walk ended with; there is one unless the outcome is `refused` or `servfail`. */
  get last(): Link {
    return this.links[this.count - 1]!
  }

  /** Where the next name goes; null when the chain is as long as it may be. */
  get nextName(): NameScan | null {
    return this.count === maxChain ? null : this.links[this.count]!.name
  }

  /** The first link before the last one that stands for the same RRs; null for none. */
  before(link: Link): Link | null {
    for (let i = 0; i < this.count - 1; i++) {
      if (this.links[i]!.isLike(link)) return this.links[i]!
    }
    return null
  }

  /**
   * Whether applying a DNAME, the last link, leads nowhere: to a name that it was applied to before, or ever deeper below
   * itself.
   */
  circles(link: Link): boolean {
    for (let i = 0; i < this.count - 1; i++) {
      const other = this.links[i]!
      if (other.isLike(link) && (other.inward || other.name.hashes[0] === link.name.hashes[0])) return true
    }
    return false
  }

  get rcode(): number {
    const { outcome } = this
    const found = outcome === 'answer' || outcome === 'nodata' || outcome === 'referral'
    return found ? rcodes.noerror : rcodes[outcome]
  }

  /** AA: whether a zone of ours speaks for the name that was asked for. A cut that only an alias led to doesn't change it. */
  get authoritative(): boolean {
    const { outcome } = this
    return outcome !== 'refused' && this.count > (outcome === 'referral' ? 1 : 0)
  }
}
