import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet'
import { allocateCounters, Counters } from '../counters.ts'
import type { ServingState } from '../image/state.ts'
import { isMappedIpv4, parseAddress } from '../wire/address.ts'
import { ByteWriter } from '../wire/bytes.ts'
import { classes, streamPayload, types } from '../wire/constants.ts'
import { optionCodes } from '../wire/edns-options.ts'
import { hostnameToWire, parseHostname } from '../wire/name.ts'
import { parseType } from '../wire/rdata.ts'
import type { ServiceChoice } from './choices.ts'
import { Client } from './client.ts'
import { Responder } from './responder.ts'

export interface OwnAnswer {
  /** Whether a zone of ours holds the name; false also for what it delegates. */
  readonly inZone: boolean
  readonly addresses: readonly string[]
  /** Where a chain of CNAMEs leaves our zones; absolute, without the final dot. */
  readonly leadsTo: string | null
}

export interface ExplainedAnswer {
  /** The response as octets, for who wants its RRs exactly: dns-packet knows some types only. */
  readonly message: Uint8Array
  readonly rcode: number
  readonly authoritative: boolean
  /** As dns-packet decodes them. */
  readonly answers: readonly Answer[]
  /** The SOA of NODATA and NXDOMAIN, the NS of a referral. */
  readonly authorities: readonly Answer[]
  /** How long it may be cached, in seconds: the least TTL of the answers or, without any, of the authorities; null without both. */
  readonly ttlSeconds: number | null
  /** Bits of the client's address that the answer depends on (RFC 7871 section 7.2.1). */
  readonly scope: number
  /** The services that the query met, in the order of the chain, and which way their plans went. */
  readonly services: readonly ServiceChoice[]
}

/** Asks the data plane in this thread, by the code that answers the network, apart from its counters. */
export class OwnZones {
  readonly #responder: Responder
  readonly #client = new Client()
  readonly #out = new Uint8Array(streamPayload)
  /** Octets of the response in `#out`. */
  #length = 0

  constructor(state: ServingState) {
    this.#responder = new Responder(state, new Counters(allocateCounters()), { stream: true })
  }

  /** The IPv4 addresses of a name. @param name absolute, with or without the final dot */
  lookupA(name: string): OwnAnswer {
    const response = this.#ask(addressQuery(name))
    const answers: Answer[] = response.answers!
    const addresses = answers.flatMap((answer) => (answer.type === 'A' ? [answer.data] : []))
    const last = answers.at(-1)
    const leadsTo = last?.type === 'CNAME' && !this.#ask(addressQuery(last.data)).flag_aa ? last.data : null
    return { inZone: response.flag_aa, addresses, leadsTo }
  }

  /**
   * What a client is answered, without a limit to the length, and why so. Draws by chance and turns are this object's own: it can't tell
   * what another query was given.
   *
   * @param name absolute, with or without the final dot, in presentation form
   * @param type such as `AAAA`, `TYPE65280` or `ANY`
   * @param client its address, IPv4 or IPv6
   * @throws TextError for a name or a type that is none
   * @throws RangeError for an address that is none
   */
  explain(name: string, type: string, client: string): ExplainedAnswer {
    const address = parseAddress(client)
    if (address === null) throw new RangeError(`${client} is not an IP address`)
    const number = type.toUpperCase() === 'ANY' ? types.any : parseType(type)
    const query = subnetQuery(hostnameToWire(parseHostname(name)), number, address)
    const response = this.#ask(query)
    const { rcode, authoritative, scope, choices } = this.#responder.walk
    const [answers, authorities] = [response.answers!, response.authorities!]
    const ttls = (answers.length > 0 ? answers : authorities).map((record) => (record as { ttl: number }).ttl)
    return {
      message: this.#out.slice(0, this.#length),
      rcode,
      authoritative,
      answers,
      authorities,
      ttlSeconds: ttls.length === 0 ? null : Math.min(...ttls),
      scope,
      services: choices.list(),
    }
  }

  /** We are authoritative (AA) for what our zones hold, not for what they delegate or what is elsewhere. */
  #ask(query: Uint8Array): DecodedPacket {
    this.#responder.clock.tick()
    this.#length = this.#responder.respond(query, query.length, this.#client, this.#out)
    return decode(Buffer.from(this.#out.buffer, 0, this.#length))
  }
}

function addressQuery(name: string): Uint8Array {
  return encode({ type: 'query', questions: [{ type: 'A', name }] })
}

/** A query with the whole address as client subnet (RFC 7871 section 6), so that the response tells the scope. */
function subnetQuery(name: Uint8Array, type: number, address: Uint8Array): Uint8Array {
  const octets = isMappedIpv4(address) ? address.subarray(12) : address
  const query = new ByteWriter()
  // ID and flags, then one question and one additional record.
  for (const word of [0, 0, 1, 0, 0, 1]) query.u16(word)
  query.append(name)
  query.u16(type)
  query.u16(classes.in)
  query.u8(0)
  query.u16(types.opt)
  query.u16(streamPayload)
  query.u32(0)
  query.u16(octets.length + 8)
  query.u16(optionCodes.clientSubnet)
  query.u16(octets.length + 4)
  query.u16(octets.length === 4 ? 1 : 2)
  query.u8(8 * octets.length)
  query.u8(0)
  query.append(octets)
  return query.finish()
}
