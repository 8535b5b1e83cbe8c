/**
 * Query in, response out: `respond` is the one function that every transport calls. It works in visible stages over one
 * state: decode (a closed verdict), look up (a closed outcome), write the sections, finish with OPT and header, and let
 * the rate limiter have its say. Apart from its scratch memory, the counters, the rotation cursors, the limiter's buckets and the
 * random source it is a pure function of the octets, the serving state, the client and the time; it allocates nothing,
 * throws nothing and logs nothing on the normal path.
 *
 * Names in responses are compressed against two places that are always there: the owner that is being answered (the
 * question, or the last alias's target) and its zone's apex, a suffix of it. See `zone/image.ts` for the other half.
 */
import type { Counters } from '../counters.ts'
import type { AnswerSettings } from '../image/answer-settings.ts'
import { type Outcome, outcomes, ZoneLookup } from '../image/lookup.ts'
import type { Leaf, PlanImage } from '../image/plan.ts'
import { Rendezvous } from '../image/rendezvous.ts'
import type { ServingState } from '../image/state.ts'
import { Random } from '../random.ts'
import {
  classes,
  ednsPayload,
  headerLength,
  isMetaType,
  plainPayload,
  rcodes,
  types,
} from '../wire/constants.ts'
import { maxNameLength } from '../wire/name.ts'
import { NameScan } from '../wire/name-scan.ts'
import { decodeOther, otherVerdicts } from '../wire/other-query.ts'
import { Query, verdicts } from '../wire/query.ts'
import { AliasChain, maxChain } from './alias-chain.ts'
import type { Choices } from './choices.ts'
import { Chooser } from './chooser.ts'
import type { Client } from './client.ts'
import { Clock } from './clock.ts'
import { Draw } from './draw.ts'
import { type ExtendedError, extendedErrorLength, extendedErrors, OptWriter } from './opt-writer.ts'
import { limits, RateLimiter, type ResponseKind, responseKinds } from './rate-limiter.ts'
import { ResponseWriter, type Section } from './response-writer.ts'

export interface ResponderOptions {
  /** Whether the transport carries messages of any size and proves the client's address (TCP). */
  readonly stream: boolean
  /** How long an idle stream is kept; told to clients that ask. */
  readonly idleTimeoutMs?: number
  readonly random?: Random
}

export class Responder {
  /** Ticked by the transport. */
  readonly clock = new Clock()
  readonly #state: ServingState
  readonly #counters: Counters
  readonly #query = new Query()
  readonly #target = new NameScan()
  readonly #lookup = new ZoneLookup()
  readonly #chooser: Chooser
  readonly #writer: ResponseWriter
  readonly #opt: OptWriter
  readonly #chain = new AliasChain()
  readonly #stream: boolean
  #settings: AnswerSettings | undefined
  #limiter: RateLimiter | null = null
  #client!: Client
  #rcode = 0
  #kind: ResponseKind = responseKinds.answer

  constructor(state: ServingState, counters: Counters, options: ResponderOptions) {
    this.#state = state
    this.#counters = counters
    this.#stream = options.stream
    const random = options.random ?? new Random()
    const rendezvous = new Rendezvous()
    this.#chooser = new Chooser(state, this.#query, random, rendezvous)
    const draw = new Draw(random, rendezvous, this.#chooser.network)
    this.#writer = new ResponseWriter(counters, draw, this.clock)
    this.#opt = new OptWriter(options.stream, options.idleTimeoutMs ?? 0, this.clock)
  }

  /** Which way the choices of the last query that was answered went. */
  get choices(): Choices {
    return this.#chooser.choices
  }

  /**
   * Answers the first `length` octets of `request` into `out`, which holds at least 1,232 octets (65,535 for a stream)
   * and is not `request`.
   *
   * @returns the length of the response, 0 for silence.
   */
  respond(request: Uint8Array, length: number, client: Client, out: Uint8Array): number {
    if (this.#settings !== this.#state.settings) this.#configure(this.#state.settings)
    this.#client = client
    const responseLength = this.#respond(request, length, out)
    if (responseLength === 0) return 0
    const allowed = this.#limiter === null ? responseLength : this.#limit(request, out, responseLength)
    if (allowed > 0) this.#counters.response(this.#rcode)
    return allowed
  }

  #configure(settings: AnswerSettings): void {
    this.#settings = settings
    this.#opt.settings = settings
    this.#limiter =
      this.#stream || settings.rateLimit === null ? null : new RateLimiter(settings.rateLimit, this.clock)
  }

  #respond(request: Uint8Array, length: number, out: Uint8Array): number {
    const query = this.#query
    const decoded = query.decode(request, length)
    const verdict = decoded === verdicts.other ? decodeOther(query, request, length) : decoded
    switch (verdict) {
      case verdicts.dropShort:
        this.#counters.drop('short')
        return 0
      case verdicts.dropResponse:
        this.#counters.drop('response')
        return 0
      case verdicts.ok:
        this.#counters.query(this.#client.ipv6, query.qtype)
        return this.#answer(request, out)
      case verdicts.cookieOnly:
        return this.#refuse(request, out, rcodes.noerror)
      case verdicts.badvers:
        return this.#refuse(request, out, rcodes.badvers)
      case verdicts.formerr:
        return this.#refuse(request, out, rcodes.formerr)
      case verdicts.notimp:
        return this.#refuse(request, out, rcodes.notimp)
      case otherVerdicts.notify:
        // We are nobody's secondary.
        return this.#refuse(request, out, rcodes.refused)
      case otherVerdicts.signed:
        return this.#refuse(request, out, rcodes.notauth)
    }
  }

  /** A response without data: header, the question as far as it could be read, OPT when one was asked with. */
  #refuse(request: Uint8Array, out: Uint8Array, rcode: number): number {
    this.#begin(request, out)
    return this.#finish(request, rcode, false)
  }

  #begin(request: Uint8Array, out: Uint8Array): void {
    const query = this.#query
    this.#chooser.clear()
    const udpLimit = query.edns ? Math.min(query.payload, ednsPayload) : plainPayload
    const end = query.questionEnd === 0 ? headerLength : query.questionEnd
    const limit = this.#stream ? out.length : udpLimit
    this.#writer.begin(request, end, out, limit - this.#opt.reserve(query))
  }

  #finish(
    request: Uint8Array,
    rcode: number,
    authoritative: boolean,
    error: ExtendedError = extendedErrors.none,
  ): number {
    const query = this.#query
    const writer = this.#writer
    this.#rcode = rcode
    this.#kind = kindOf(rcode, authoritative, writer.answers)
    if (query.edns) {
      const said = writer.hasRoom(extendedErrorLength) ? error : extendedErrors.none
      const { scope } = this.#chooser
      const at = this.#opt.write(request, query, this.#client, rcode, said, scope, writer.out, writer.length)
      writer.endOpt(at)
    }
    return writer.finish(request, rcode, authoritative, query.questionEnd !== 0)
  }

  #answer(request: Uint8Array, out: Uint8Array): number {
    const query = this.#query
    this.#begin(request, out)
    if (query.qclass === classes.ch) return this.#chaos(request)
    if (query.qclass !== classes.in || isMetaType(query.qtype)) {
      return this.#finish(request, rcodes.refused, false, extendedErrors.notSupported)
    }
    const apexLabel = this.#findZone(query.name)
    if (apexLabel < 0) return this.#finish(request, rcodes.refused, false, extendedErrors.notAuthoritative)
    return this.#walk(request, apexLabel)
  }

  /** `version.bind` and its like (RFC 4892), where the operator wants them answered. */
  #chaos(request: Uint8Array): number {
    const { name, qtype } = this.#query
    const wanted = qtype === types.txt || qtype === types.any
    const entry = this.#state.settings.chaos.find((known) =>
      name.suffixEquals(0, known.name, 0, known.name.length),
    )
    if (!wanted || entry === undefined) {
      return this.#finish(request, rcodes.refused, false, extendedErrors.prohibited)
    }
    this.#writer.chaosText(entry.text)
    return this.#finish(request, rcodes.noerror, true)
  }

  /** DS belongs to the parent's side of a cut (RFC 4035 section 3.1.4.1), so it is looked for one label higher first. */
  #findZone(name: NameScan): number {
    if (this.#query.qtype === types.ds && name.count > 0) {
      const label = this.#state.findZone(name, 1)
      if (label >= 0) return label
    }
    return this.#state.findZone(name, 0)
  }

  /** Follows the qname and then the targets of aliases inside our zones (RFC 1034 section 4.3.2) until an outcome ends it. */
  #walk(request: Uint8Array, firstApexLabel: number): number {
    const { qtype } = this.#query
    const writer = this.#writer
    const lookup = this.#lookup
    const chain = this.#chain
    chain.clear()
    let name = this.#query.name
    let apexLabel = firstApexLabel
    let nameAt = headerLength
    let apexAt = nameAt + name.offsets[apexLabel]!
    for (let hop = 0; hop < maxChain; hop++) {
      const { zone, zoneSlot } = this.#state
      const found = lookup.find(zone, name, qtype)
      const plan = this.#planMet(found)
      // What the service was an alias of once in this answer it is to the end, even if it is drawn by chance.
      if (plan !== null && chain.rdataOf(zoneSlot, lookup.rrset, name.hashes[0]!) > 0)
        return this.#finish(request, rcodes.noerror, true)
      const leaf = plan === null ? null : this.#chooser.choose(plan, lookup.service, request, this.#client)
      const alias = leaf?.cnames ?? null
      const outcome: Outcome = alias === null ? found : outcomes.cname
      switch (outcome) {
        case outcomes.answer:
          // A DNAME that was followed may be what was asked for; it stands there already.
          if (chain.rdataOf(zoneSlot, lookup.rrset, name.hashes[0]!) > 0)
            return this.#finish(request, rcodes.noerror, true)
          if (!writer.rrset(zone, lookup.rrset, nameAt, apexAt, sections.answer))
            return this.#truncate(request, true)
          writer.additional(zone, lookup.rrset, apexAt)
          return this.#finish(request, rcodes.noerror, true)
        case outcomes.service:
          return this.#service(request, leaf!, nameAt, apexAt)
        case outcomes.cname: {
          const owner = name.hashes[0]!
          if (chain.rdataOf(zoneSlot, lookup.rrset, owner) > 0)
            return this.#finish(request, rcodes.noerror, true)
          const written =
            alias === null
              ? writer.rrset(zone, lookup.rrset, nameAt, apexAt, sections.answer)
              : writer.cname(leaf!, alias, nameAt)
          if (!written) return this.#truncate(request, true)
          const targetAt = writer.rdataAt
          chain.note(zoneSlot, lookup.rrset, owner, owner, targetAt, false)
          name = this.#target
          writer.expandName(targetAt, name)
          apexLabel = this.#findZone(name)
          if (apexLabel < 0) return this.#finish(request, rcodes.noerror, true)
          nameAt = writer.suffixAt(targetAt, 0)
          // In the same zone the apex stays where it was.
          if (this.#state.zone !== zone) apexAt = writer.suffixAt(nameAt, name.offsets[apexLabel]!)
          break
        }
        case outcomes.dname: {
          const labels = zone.labels(lookup.node)
          const ownerLabel = name.count - labels
          const ownerOffset = name.offsets[ownerLabel]!
          const owner = name.hashes[ownerLabel]!
          const asked = name.hashes[0]!
          // The client has the CNAME to go on with.
          if (chain.endsAt(zoneSlot, lookup.rrset, owner, asked))
            return this.#finish(request, rcodes.noerror, true)
          const writtenAt = chain.rdataOf(zoneSlot, lookup.rrset, owner)
          if (writtenAt > 0) writer.rdataAt = writtenAt
          else if (
            !writer.rrset(zone, lookup.rrset, writer.suffixAt(nameAt, ownerOffset), apexAt, sections.answer)
          )
            return this.#truncate(request, true)
          const dnameAt = writer.rdataAt
          const tooLong = ownerOffset + writer.rdataLength > maxNameLength
          if (tooLong) return this.#finish(request, rcodes.yxdomain, true)
          if (!writer.synthesizeCname(nameAt, name, ownerOffset)) return this.#truncate(request, true)
          // The CNAME itself is what was asked for (RFC 1034 section 3.6.2).
          if (qtype === types.cname) return this.#finish(request, rcodes.noerror, true)
          nameAt = writer.rdataAt
          name = this.#target
          writer.expandName(nameAt, name)
          // The labels in front of the target are those that were in front of the owner.
          const inward =
            name.count - ownerLabel >= labels && zone.find(name, name.count - labels) === lookup.node
          chain.note(zoneSlot, lookup.rrset, owner, asked, dnameAt, inward)
          apexLabel = this.#findZone(name)
          if (apexLabel < 0) return this.#finish(request, rcodes.noerror, true)
          if (this.#state.zone !== zone) apexAt = writer.suffixAt(nameAt, name.offsets[apexLabel]!)
          break
        }
        case outcomes.nodata:
          return this.#negative(request, rcodes.noerror, apexAt)
        case outcomes.nxdomain:
          return this.#negative(request, rcodes.nxdomain, apexAt)
        case outcomes.referral:
          return this.#refer(
            request,
            writer.suffixAt(nameAt, name.offsets[name.count - zone.labels(lookup.node)]!),
            apexAt,
            hop > 0,
          )
      }
    }
    return this.#finish(request, rcodes.noerror, true)
  }

  /** The members that the leaf chooses. */
  #service(request: Uint8Array, leaf: Leaf, nameAt: number, apexAt: number): number {
    const { qtype } = this.#query
    if (leaf.servfail) return this.#finish(request, rcodes.servfail, true, extendedErrors.other)
    const wantsIpv6 = qtype === types.aaaa || (qtype === types.any && leaf.a.count === 0)
    const candidates = wantsIpv6 ? leaf.aaaa : leaf.a
    if (candidates.count === 0) return this.#negative(request, rcodes.noerror, apexAt)
    if (!this.#writer.members(leaf, candidates, nameAt)) return this.#truncate(request, true)
    return this.#finish(request, rcodes.noerror, true)
  }

  /**
   * The plan of the service that was met; null where none was, and for types that the service leaves alone whatever its leaf. A
   * leaf that makes it an alias is there for every type. The chain knows that CNAME by a number that no RRset has.
   */
  #planMet(found: Outcome): PlanImage | null {
    const lookup = this.#lookup
    if ((found !== outcomes.service && found !== outcomes.nodata) || lookup.service < 0) return null
    const plan = this.#state.plan(lookup.service)
    if (found === outcomes.nodata && !plan.aliases) return null
    lookup.rrset = -2 - lookup.service
    return plan
  }

  /** NODATA and NXDOMAIN carry the SOA (RFC 2308 sections 2 and 3). */
  #negative(request: Uint8Array, rcode: number, apexAt: number): number {
    const { zone } = this.#state
    if (!this.#writer.rrset(zone, zone.negativeSoa, apexAt, apexAt, sections.authority))
      return this.#truncate(request, true, rcode)
    return this.#finish(request, rcode, true)
  }

  /** The cut's NS with glue. Glue that it needs and that doesn't fit makes it truncated (RFC 9471 section 3.1). */
  #refer(request: Uint8Array, cutAt: number, apexAt: number, authoritative: boolean): number {
    const writer = this.#writer
    const { zone } = this.#state
    const { rrset, node } = this.#lookup
    if (!writer.rrset(zone, rrset, cutAt, apexAt, sections.authority))
      return this.#truncate(request, authoritative)
    if (!writer.glue(zone, rrset, apexAt, node)) return this.#truncate(request, authoritative)
    return this.#finish(request, rcodes.noerror, authoritative)
  }

  /** RFC 2181 section 9: no part of an RRset that doesn't fit; the client comes back over TCP. */
  #truncate(request: Uint8Array, authoritative: boolean, rcode: number = rcodes.noerror): number {
    this.#writer.truncate()
    return this.#finish(request, rcode, authoritative)
  }

  /** @returns what goes out: the response, a truncated one in its place, or nothing. */
  #limit(request: Uint8Array, out: Uint8Array, length: number): number {
    const { cookieAt, cookieLength } = this.#query.options
    const limit = this.#limiter!.judge(this.#client, this.#kind)
    if (limit === limits.pass) return length
    // A client that has proved its address is nobody's victim.
    const proved = cookieAt > 0 && this.#opt.cookies.accepts(request, cookieAt, cookieLength, this.#client)
    if (proved) return length
    this.#counters.rateLimited(limit)
    switch (limit) {
      case limits.log:
        return length
      case limits.slip:
        this.#begin(request, out)
        return this.#truncate(request, false)
      case limits.drop:
        this.#counters.drop('rate-limit')
        return 0
    }
  }
}

const sections: { readonly answer: Section; readonly authority: Section } = { answer: 0, authority: 1 }

function kindOf(rcode: number, authoritative: boolean, answers: number): ResponseKind {
  if (rcode === rcodes.nxdomain) return responseKinds.nxdomain
  if (rcode !== rcodes.noerror) return responseKinds.error
  if (answers > 0) return responseKinds.answer
  return authoritative ? responseKinds.nodata : responseKinds.referral
}
