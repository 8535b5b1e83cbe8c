/**
 * The stage between decoding and writing: follows the question and then the targets of aliases inside our zones until an outcome ends
 * it (RFC 1034 section 4.3.2), and fills the walk. What is random or depends on the client is chosen here, but for the
 * addresses of a service, which are drawn as they are written.
 *
 * Names come from the images and not from the response, which has no octet yet: a CNAME's target from its RRset, a service's from
 * its plan; that of a DNAME is put together in the place that the walk has for its next name.
 */
import { type Finding, lookUp } from '../image/lookup.ts'
import { nsecVariantOf } from '../image/nsec-variants.ts'
import type { Candidates, PlanLeaf } from '../image/plan.ts'
import type { AnswerState } from '../image/state.ts'
import { u16 } from '../wire/bytes.ts'
import { rrHeadLength, types } from '../wire/constants.ts'
import { maxNameLength } from '../wire/name.ts'
import type { NameScan } from '../wire/name-scan.ts'
import type { Query } from '../wire/query.ts'
import type { Chooser } from './chooser.ts'
import type { Client } from './client.ts'
import type { Draw } from './draw.ts'
import type { Link, Walk, WalkOutcome } from './walk.ts'

export class Resolver {
  readonly #state: AnswerState
  readonly #query: Query
  readonly #walk: Walk
  readonly #chooser: Chooser
  readonly #draw: Draw

  constructor(state: AnswerState, query: Query, walk: Walk, chooser: Chooser, draw: Draw) {
    this.#state = state
    this.#query = query
    this.#walk = walk
    this.#chooser = chooser
    this.#draw = draw
  }

  /** Fills the walk, which has been cleared, for the query, whose octets are `request`. */
  resolve(request: Uint8Array, client: Client): void {
    const walk = this.#walk
    const { qtype } = this.#query
    let name: NameScan | null = this.#query.name
    let apexLabel = this.#findZone(name)
    if (apexLabel < 0) walk.outcome = 'refused'
    while (apexLabel >= 0) {
      const { zone } = this.#state
      if (zone === undefined || zone.isBroken) {
        walk.outcome = 'servfail'
        walk.expired = zone !== undefined
        return
      }
      const link = walk.add(zone, apexLabel)
      const found = lookUp(link.zone, name, qtype, link)
      switch (found) {
        case 'answer':
          // A DNAME that was followed may be what was asked for; it stands there already.
          if (walk.before(link) === null) link.kind = 'rrset'
          return
        case 'signatures':
          if (walk.before(link) === null) link.kind = 'signatures'
          return
        case 'nxdomain':
          walk.outcome = 'nxdomain'
          return
        case 'referral':
          walk.outcome = 'referral'
          link.ownerLabel = name.count - link.zone.labels(link.node)
          return
        case 'service':
        case 'nodata':
          name = this.#service(link, found, request, client)
          break
        case 'cname':
          name = this.#cname(link)
          break
        default:
          found satisfies 'dname'
          name = this.#dname(link)
      }
      if (name === null) return
      apexLabel = this.#findZone(name)
    }
  }

  /** DS belongs to the parent's side of a cut (RFC 4035 section 3.1.4.1), so it is looked for one label higher first. */
  #findZone(name: NameScan): number {
    if (this.#query.qtype === types.ds && name.count > 0) {
      const label = this.#state.findZone(name, 1)
      if (label >= 0) return label
    }
    return this.#state.findZone(name, 0)
  }

  #end(outcome: WalkOutcome): null {
    this.#walk.outcome = outcome
    return null
  }

  /** The name that a CNAME leads to. */
  #cname(link: Link): NameScan | null {
    const walk = this.#walk
    if (walk.before(link) !== null) return null
    link.kind = 'rrset'
    const next = walk.nextName
    if (next !== null) link.zone.loadTarget(link.node, link.rrset, next)
    return next
  }

  /**
   * What the service at a node adds: for its own types its leaf, and for the others nothing, unless the leaf makes it an alias, which
   * is there for every type.
   */
  #service(link: Link, found: Finding, request: Uint8Array, client: Client): NameScan | null {
    if (link.service < 0) return this.#end('nodata')
    const walk = this.#walk
    const plan = this.#state.plan(link.service)
    // It may be an alias, so nothing is known of any type.
    if (plan === undefined) return this.#end('servfail')
    if (found === 'nodata' && !plan.aliases) return this.#serviceLacks()
    // A number that no RRset has.
    link.rrset = -2 - link.service
    // What the service was an alias of once in this answer it is to the end, even if it is drawn by chance.
    if (walk.before(link) !== null) return null
    const { qtype } = this.#query
    const isAny = qtype === types.any
    const ipv6 = qtype === types.aaaa || (isAny && plan.anyIsIpv6)
    const leaf = this.#chooser.choose(plan, ipv6, link.service, request, client)
    if (leaf.cnames !== null) return this.#alias(link, leaf, leaf.cnames)
    if (found === 'nodata') return this.#serviceLacks()
    if (leaf.servfail) return this.#end('servfail')
    const candidates = ipv6 || (isAny && leaf.a.count === 0) ? leaf.aaaa : leaf.a
    if (candidates.count === 0) return this.#serviceLacks()
    if (candidates.lost) return this.#end('servfail')
    link.choose('members', leaf, candidates)
    return null
  }

  #serviceLacks(): null {
    this.#walk.nsecVariant = nsecVariantOf(this.#query.qtype)
    return this.#end('nodata')
  }

  #alias(link: Link, leaf: PlanLeaf, cnames: Candidates): NameScan | null {
    if (cnames.lost) return this.#end('servfail')
    link.choose('alias', leaf, cnames)
    if (cnames.sets === null) link.candidate = this.#draw.one(leaf, cnames)
    else {
      link.set = this.#draw.set(leaf, cnames)
      link.candidate = this.#draw.indexes[0]!
    }
    const next = this.#walk.nextName
    const rr = cnames.wire(link.candidate)
    next?.load(leaf.bytes, rr + rrHeadLength, rr + cnames.rrLength)
    return next
  }

  /** The name below a DNAME leads to the same labels below its target (RFC 6672 section 2.2). */
  #dname(link: Link): NameScan | null {
    const walk = this.#walk
    const { zone, name, node } = link
    const labels = zone.labels(node)
    link.ownerLabel = name.count - labels
    // The client has the CNAME to go on with.
    if (walk.circles(link)) return null
    link.shown = walk.before(link)
    const front = name.offsets[link.ownerLabel]!
    const target = zone.wire(link.rrset) + rrHeadLength
    const targetLength = u16(zone.bytes, target - 2)
    if (front + targetLength > maxNameLength) {
      if (link.shown === null) link.kind = 'rrset'
      return this.#end('yxdomain')
    }
    link.kind = 'dname'
    // The CNAME itself is what was asked for (RFC 1034 section 3.6.2).
    const next = this.#query.qtype === types.cname ? null : walk.nextName
    if (next === null) return null
    next.loadJoined(name.bytes, 0, front, zone.bytes, target, targetLength)
    // The labels in front of the target are those that were in front of the owner.
    const behind = next.count - link.ownerLabel
    link.inward = behind >= labels && zone.find(next, next.count - labels) === node
    return next
  }
}
