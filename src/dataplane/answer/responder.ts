/**
 * Query in, response out: `respond` is the one function that every transport calls.
 *
 * ## Stages
 * Each works over the state that the one before left:
 *
 *     decode      octets -> query, by a closed verdict                           `wire/query.ts`
 *     resolve     query -> walk, by a closed outcome                             `resolver.ts`
 *     answer      what the links of the walk say                                 `answer-section.ts`
 *     authority   what its outcome says, and with DO the proofs of the links     `authority-section.ts`, `proofs.ts`
 *     additional  addresses that go along                                        `additional-section.ts`
 *     opt, header the end of every response, also of those that are no answer    `opt-writer.ts`, `response-writer.ts`
 *     limiter     whether it goes out                                            `rate-limiter.ts`
 *
 * A section that doesn't fit ends the writing, and the response goes out truncated. Over a stream, than which nothing carries more, it
 * goes out with what did fit.
 *
 * ## What it promises
 * Apart from its scratch memory, the counters, the rotation cursors, the limiter's buckets and the random source it is a pure
 * function of the octets, the serving state, the client and the time; it allocates nothing, throws nothing and logs nothing on the
 * normal path.
 */
import type { Counters } from '../counters.ts'
import type { AnswerSettings } from '../image/answer-settings.ts'
import { Rendezvous } from '../image/rendezvous.ts'
import { mix32 } from '../image/stable-key.ts'
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
import { decodeOther, otherVerdicts } from '../wire/other-query.ts'
import { Query, verdicts } from '../wire/query.ts'
import { writeAdditional } from './additional-section.ts'
import { AnswerSection } from './answer-section.ts'
import { AuthoritySection } from './authority-section.ts'
import { BatchClock } from './batch-clock.ts'
import { Chooser } from './chooser.ts'
import type { Client } from './client.ts'
import { ClientNetwork } from './client-network.ts'
import { FairDice } from './dice.ts'
import { Draw } from './draw.ts'
import { type OnlookerRings, Onlookers } from './onlookers.ts'
import { type ExtendedError, extendedErrorLength, extendedErrors, OptWriter } from './opt-writer.ts'
import { RateLimiter, type ResponseKind, responseKinds, steeredShare } from './rate-limiter.ts'
import { Resolver } from './resolver.ts'
import { ResponseWriter } from './response-writer.ts'
import { Sampler } from './sampler.ts'
import { writeBadKey } from './tsig-writer.ts'
import { Walk } from './walk.ts'

export interface ResponderOptions extends OnlookerRings {
  /** Whether the transport carries messages of any size and proves the client's address (TCP). */
  readonly stream: boolean
  /** How long an idle stream is kept; told to clients that ask. */
  readonly idleTimeoutMs?: number
  readonly random?: Random
  /** Where a sample of the questions is kept (`sample.ts`), as long as the settings have one; nowhere when left out. */
  readonly sample?: SharedArrayBuffer
}

export class Responder {
  /** Ticked by the transport. */
  readonly clock = new BatchClock()
  readonly #state: ServingState
  readonly #counters: Counters
  readonly #query = new Query()
  readonly #walk = new Walk(this.#query.name)
  readonly #resolver: Resolver
  readonly #writer = new ResponseWriter()
  readonly #answers: AnswerSection
  readonly #authority: AuthoritySection
  readonly #opt: OptWriter
  readonly #stream: boolean
  #settings: AnswerSettings | undefined
  #limiter: RateLimiter | null = null
  readonly #sampler: Sampler | null
  /** The same while questions are sampled, else null. */
  #sampling: Sampler | null = null
  readonly #onlookers: Onlookers
  /** The same while there are any, else null. */
  #told: Onlookers | null = null
  /** The most octets to a client that has not proved its address; 0 for none. */
  #cap = 0
  #client!: Client
  /** Whom a query is asked for, as the limiter needs it. */
  readonly #asker = new ClientNetwork()
  #rcode = 0
  #kind: ResponseKind = responseKinds.answer
  #badKey = false

  constructor(state: ServingState, counters: Counters, options: ResponderOptions) {
    this.#state = state
    this.#counters = counters
    this.#stream = options.stream
    const random = options.random ?? new Random()
    const { sample } = options
    this.#sampler = sample === undefined ? null : new Sampler(sample, options.stream, this.clock)
    const rendezvous = new Rendezvous()
    const dice = new FairDice(random)
    const chooser = new Chooser(state, this.#query, dice, rendezvous, this.#walk)
    const draw = new Draw(random, rendezvous, chooser.network, dice)
    this.#resolver = new Resolver(state, this.#query, this.#walk, chooser, draw)
    this.#answers = new AnswerSection(this.#writer, draw, counters, this.clock, options.stream)
    this.#authority = new AuthoritySection(this.#writer)
    const { stream } = options
    this.#onlookers = new Onlookers(options, { stream, clock: this.clock, counters, state, draw })
    this.#opt = new OptWriter(options.stream, options.idleTimeoutMs ?? 0, this.clock)
  }

  /** What the last query that was answered came to, for whoever explains it; without the images that it came by. */
  get walk(): Walk {
    return this.#walk
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
    const told = this.#told?.query(request, length, client) === true ? this.#told : null
    const responseLength = this.#respond(request, length, out)
    if (responseLength > 0) told?.note(this.#walk)
    this.#walk.release()
    if (responseLength === 0) return 0
    const allowed =
      this.#limiter === null ? responseLength : this.#limit(request, length, out, responseLength)
    if (allowed === 0) return 0
    this.#counters.response(this.#rcode)
    told?.response(out, allowed, client)
    return allowed
  }

  /** What was received together is answered: those who look on see it. */
  endBatch(): void {
    this.#told?.publish()
  }

  #configure(settings: AnswerSettings): void {
    this.#settings = settings
    this.#opt.settings = settings
    this.#cap = settings.noCookieOctets
    this.#limiter =
      this.#stream || settings.rateLimit === null ? null : new RateLimiter(settings.rateLimit, this.clock)
    if (!settings.sample) this.#sampler?.clear()
    this.#sampling = settings.sample ? this.#sampler : null
    this.#told = this.#onlookers.configure(settings) ? this.#onlookers : null
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
        return this.#refuseKey(request, out)
    }
  }

  /** A response without data: header, the question as far as it could be read, OPT when one was asked with. */
  #refuse(request: Uint8Array, out: Uint8Array, rcode: number): number {
    this.#begin(request, out)
    return this.#finish(request, rcode, false)
  }

  /** We hold no keys, so it is none that we know (RFC 8945 section 5.2.1). */
  #refuseKey(request: Uint8Array, out: Uint8Array): number {
    const { tsig } = this.#query
    this.#begin(request, out)
    // Only with names of nearly 255 octets it does not fit. A response without one tells less.
    this.#badKey = this.#writer.hasRoom(tsig.responseLength)
    const length = this.#finish(request, rcodes.notauth, false)
    this.#badKey = false
    return length
  }

  #begin(request: Uint8Array, out: Uint8Array): void {
    const query = this.#query
    this.#walk.clear()
    const udpLimit = query.edns ? Math.min(query.payload, ednsPayload) : plainPayload
    const end = query.questionEnd === 0 ? headerLength : query.questionEnd
    const limit = this.#stream
      ? out.length
      : this.#isCapped(request)
        ? Math.min(udpLimit, this.#cap)
        : udpLimit
    this.#writer.begin(request, end, out, limit - this.#opt.reserve(query), query.dnssecOk)
  }

  /** Whether the client has not proved its address, where that matters. */
  #isCapped(request: Uint8Array): boolean {
    return this.#cap > 0 && !this.#hasProved(request)
  }

  /** By a cookie of ours. A client that has proved its address is nobody's victim. */
  #hasProved(request: Uint8Array): boolean {
    const { cookieAt, cookieLength } = this.#query.options
    return cookieAt > 0 && this.#opt.cookies.accepts(request, cookieAt, cookieLength, this.#client)
  }

  #answer(request: Uint8Array, out: Uint8Array): number {
    const { qclass, qtype } = this.#query
    this.#begin(request, out)
    if (qclass === classes.ch) return this.#chaos(request)
    if (qclass !== classes.in || isMetaType(qtype)) {
      if (qtype === types.nxname && qclass === classes.in)
        return this.#finish(request, rcodes.formerr, false, extendedErrors.invalidQueryType)
      return this.#finish(request, rcodes.refused, false, extendedErrors.notSupported)
    }
    if (this.#sampling !== null) this.#sampling.note(request, this.#query, this.#client)
    this.#resolver.resolve(request, this.#client)
    const walk = this.#walk
    const writer = this.#writer
    const { authoritative, rcode } = walk
    // What the chain comes to is not known to a client that doesn't see the chain.
    if (this.#answers.write(walk) === 'truncated') return this.#cut(request, authoritative, rcodes.noerror)
    if (this.#authority.write(walk) === 'truncated') return this.#cut(request, authoritative, rcode)
    if (writeAdditional(walk, writer) === 'truncated') return this.#cut(request, authoritative, rcode)
    return this.#finish(request, rcode, authoritative, errorOf(walk))
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
    if (this.#writer.chaosText(entry.text) === 'truncated') return this.#truncate(request, true)
    return this.#finish(request, rcodes.noerror, true)
  }

  /**
   * Ends a response whose next part doesn't fit. A client of a stream has no transport left to come back by: it gets what is there, the
   * aliases whose end it then asks for, or the servers with some of their addresses.
   */
  #cut(request: Uint8Array, authoritative: boolean, rcode: number): number {
    if (this.#stream && !this.#writer.isEmpty) return this.#finish(request, rcode, authoritative)
    return this.#truncate(request, authoritative, rcode)
  }

  #truncate(request: Uint8Array, authoritative: boolean, rcode: number = rcodes.noerror): number {
    this.#writer.truncate()
    return this.#finish(request, rcode, authoritative)
  }

  /** The last stages: the OPT and the header. @returns the length of the response */
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
      const { scope } = this.#walk
      this.#opt.write(request, query, this.#client, rcode, said, scope, writer)
    }
    // Behind everything else (section 5.1).
    if (this.#badKey) writeBadKey(request, query.tsig, writer)
    return writer.finish(request, rcode, authoritative, query.questionEnd !== 0)
  }

  /** A hash of what the limiter takes for one question; `rate-limiter.ts` says why. Names that were looked up outlast the walk. */
  #asked(request: Uint8Array): number {
    const { name, qtype } = this.#query
    const walk = this.#walk
    switch (this.#kind) {
      case responseKinds.answer:
        return mix32(name.hashes[0]! ^ qtype) ^ this.#subnet(request)
      case responseKinds.nodata:
        return name.hashes[0]! ^ this.#subnet(request)
      case responseKinds.nxdomain: {
        const zone = walk.links[0]!
        return zone.name.hashes[zone.apexLabel]!
      }
      case responseKinds.referral: {
        // There is no link when nothing was asked for (RFC 7873 section 5.4).
        const cut = walk.links[0]!
        return walk.count === 0 ? 0 : cut.name.hashes[cut.ownerLabel]!
      }
      case responseKinds.error:
        return 0
    }
  }

  /** Of the octets that a response has more than its query, those that the limiter counts. */
  #excess(octets: number): number {
    const steered = this.#query.options.subnetAt !== 0 && this.#walk.scope > 0
    return steered ? Math.floor(octets / steeredShare) : octets
  }

  /** A hash of the client subnet of a query; 0 for none. */
  #subnet(request: Uint8Array): number {
    const { options } = this.#query
    if (options.subnetAt === 0 || request[options.subnetAt + 2] === 0) return 0
    this.#asker.load(request, options, this.#client)
    return this.#asker.hash(this.#asker.bits)
  }

  /** @returns what goes out: the response, a truncated one in its place, or nothing. */
  #limit(request: Uint8Array, requestLength: number, out: Uint8Array, length: number): number {
    const limiter = this.#limiter!
    const limit = limiter.judge(
      this.#client,
      this.#kind,
      this.#asked(request),
      this.#excess(length - requestLength),
    )
    if (limit === 'pass') return length
    if (this.#hasProved(request)) return length
    this.#counters.rateLimited(limit)
    this.#counters.limitedNetwork(limiter.network[0]!, limiter.network[1]!)
    switch (limit) {
      case 'log':
        return length
      case 'slip':
        this.#begin(request, out)
        return this.#truncate(request, false)
      case 'drop':
        this.#counters.drop('rate-limit')
        return 0
    }
  }
}

function errorOf({ outcome, expired }: Walk): ExtendedError {
  if (outcome === 'refused') return extendedErrors.notAuthoritative
  if (outcome !== 'servfail') return extendedErrors.none
  return expired ? extendedErrors.signatureExpired : extendedErrors.other
}

function kindOf(rcode: number, authoritative: boolean, answers: number): ResponseKind {
  if (rcode === rcodes.nxdomain) return responseKinds.nxdomain
  if (rcode !== rcodes.noerror) return responseKinds.error
  if (answers > 0) return responseKinds.answer
  return authoritative ? responseKinds.nodata : responseKinds.referral
}
