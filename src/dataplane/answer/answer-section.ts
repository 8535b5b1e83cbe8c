/**
 * The answer section: what the links of a walk put into it, one behind the other. Names in it are compressed against two
 * places that are always there: the name that is being answered (the question, or the last alias's target) and its zone's
 * apex, a suffix of it. Where those are is noted in the link, for the sections behind.
 */
import type { Counters } from '../counters.ts'
import { maxFixupOffset } from '../image/image.ts'
import type { CandidateSets, PlanLeaf } from '../image/plan.ts'
import { u16 } from '../wire/bytes.ts'
import { headerLength, maxPointer, rrHeadLength } from '../wire/constants.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Draw } from './draw.ts'
import { type Fit, type ResponseWriter, sections } from './response-writer.ts'
import type { Link, Walk } from './walk.ts'

export class AnswerSection {
  readonly #writer: ResponseWriter
  readonly #draw: Draw
  readonly #counters: Counters
  readonly #clock: BatchClock
  readonly #stream: boolean

  /** @param stream whether no other transport carries more than this one */
  constructor(writer: ResponseWriter, draw: Draw, counters: Counters, clock: BatchClock, stream: boolean) {
    this.#stream = stream
    this.#writer = writer
    this.#draw = draw
    this.#counters = counters
    this.#clock = clock
  }

  /** A chain also ends where no pointer would reach what comes next, which takes many names of 255 octets, with signatures. */
  write(walk: Walk): Fit {
    for (let i = 0; i < walk.count; i++) {
      const link = walk.links[i]!
      if (i === 0) this.#placeFirst(link)
      else if (this.#writer.length > maxPointer - maxFixupOffset) return 'truncated'
      else this.#place(link, walk.links[i - 1]!)
      switch (link.kind) {
        case 'none':
          continue
        case 'rrset':
          link.rrAt = this.#rrset(link)
          break
        case 'signatures':
          link.rrAt = this.#writer.signatures(link.zone, link.rrset, link.nameAt)
          break
        case 'alias':
          link.rrAt = this.#alias(link)
          break
        case 'dname':
          link.rrAt = this.#dname(link)
          break
        default:
          link.kind satisfies 'members'
          link.rrAt = this.#members(link)
      }
      if (link.rrAt < 0) return 'truncated'
    }
    return 'fits'
  }

  #placeFirst(link: Link): void {
    link.nameAt = headerLength
    link.apexAt = headerLength + link.name.offsets[link.apexLabel]!
  }

  /** A name behind the first stands in the RDATA of the alias that led to it. */
  #place(link: Link, before: Link): void {
    const writer = this.#writer
    link.nameAt = writer.suffixAt(before.rrAt + rrHeadLength, 0)
    // In the same zone the apex stays where it was.
    link.apexAt =
      link.zone === before.zone
        ? before.apexAt
        : writer.suffixAt(link.nameAt, link.name.offsets[link.apexLabel]!)
  }

  #rrset({ zone, rrset, name, ownerLabel, nameAt, apexAt }: Link): number {
    const writer = this.#writer
    const owner = ownerLabel === 0 ? nameAt : writer.suffixAt(nameAt, name.offsets[ownerLabel]!)
    return writer.rrset(zone, rrset, owner, apexAt, sections.answer)
  }

  #dname(link: Link): number {
    const { nameAt, name, ownerLabel, shown } = link
    link.dnameAt = shown === null ? this.#rrset(link) : shown.dnameAt
    if (link.dnameAt < 0) return -1
    return this.#writer.synthesizeCname(nameAt, name, name.offsets[ownerLabel]!, link.dnameAt)
  }

  #alias(link: Link): number {
    const { leaf, candidates, candidate, nameAt, set } = link
    const writer = this.#writer
    const from = candidates.wire(candidate)
    const length = rrHeadLength + u16(leaf.bytes, from + rrHeadLength - 2)
    const signatures = this.#signatureLength(link, set)
    if (!writer.hasRoom(length + signatures)) return -1
    const at = writer.rr(leaf.view, from, length, nameAt)
    if (signatures > 0) this.#sign(link, set)
    this.#counters.answer(candidates.counter(candidate))
    return at
  }

  /**
   * Chooses among the candidates of one family. A stream carries as many as fit, the others in later answers: more than a message
   * of 65,535 octets holds would be more than anybody could ever ask for.
   */
  #members(link: Link): number {
    const { leaf, candidates } = link
    link.written = 0
    if (candidates.sets !== null) return this.#set(link, candidates.sets)
    const writer = this.#writer
    const wanted = Math.min(leaf.answers, candidates.count)
    const fitting = Math.trunc(writer.room / candidates.rrLength)
    if (fitting < (this.#stream ? 1 : wanted)) return -1
    const count = Math.min(wanted, fitting)
    this.#draw.several(leaf, candidates, count)
    return this.#drawn(link, count)
  }

  /** One of the sets of a leaf of a signed plan, whole: no part of it has a signature. */
  #set(link: Link, sets: CandidateSets): number {
    const { leaf, candidates } = link
    const set = this.#draw.set(leaf, candidates)
    const count = sets.size(set)
    const signatures = this.#signatureLength(link, set)
    if (!this.#writer.hasRoom(count * candidates.rrLength + signatures)) return -1
    const start = this.#drawn(link, count)
    if (signatures > 0) this.#sign(link, set)
    return start
  }

  /** Writes what was drawn; there is room for it. */
  #drawn(link: Link, count: number): number {
    const { leaf, candidates, nameAt } = link
    const writer = this.#writer
    const { indexes } = this.#draw
    link.written = count
    const start = writer.length
    for (let i = 0; i < count; i++) {
      const index = indexes[i]!
      const at = writer.rr(leaf.view, candidates.wire(index), candidates.rrLength, nameAt)
      if (leaf.expiresAtSeconds !== 0) writer.setTtl(at, this.#ttlNow(leaf))
      this.#counters.answer(candidates.counter(index))
    }
    return start
  }

  /** Octets of the signatures that go along with a set; 0 for none. */
  #signatureLength({ zone, candidates: { sets } }: Link, set: number): number {
    return sets !== null && zone.isSigned && this.#writer.dnssecOk ? sets.signatureLength(set) : 0
  }

  /** Writes the signatures of a set, with the TTL that its RRs have; what was signed is no less (RFC 4035 section 5.3.3). */
  #sign({ leaf, candidates, kind, nameAt }: Link, set: number): void {
    const writer = this.#writer
    const sets = candidates.sets!
    let rr = writer.rrsigs(
      leaf.view,
      sets.signatures(set),
      sets.signatureLength(set),
      sets.signatureCount(set),
      nameAt,
    )
    if (leaf.expiresAtSeconds === 0 || kind === 'alias') return
    const ttlSeconds = this.#ttlNow(leaf)
    for (; rr < writer.length; rr = writer.nextRr(rr)) writer.setTtl(rr, ttlSeconds)
  }

  /** What is left of the TTL of the addresses, if that is less than the service's. */
  #ttlNow(leaf: PlanLeaf): number {
    const left = leaf.expiresAtSeconds - Math.floor(this.#clock.nowMs / 1000)
    return Math.min(leaf.ttlSeconds, Math.max(1, left))
  }
}
