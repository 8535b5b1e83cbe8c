import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet'
import { allocateCounters, Counters } from '../counters.ts'
import type { ZoneImage } from '../image/image.ts'
import type { PlanWalk } from '../image/plan.ts'
import type { ServingState } from '../image/state.ts'
import { isMappedIpv4, parseAddress } from '../wire/address.ts'
import { streamPayload, types } from '../wire/constants.ts'
import { hostnameToWire, parseHostname } from '../wire/name.ts'
import { NameScan } from '../wire/name-scan.ts'
import { parseType } from '../wire/rdata.ts'
import { Client } from './client.ts'
import { Responder } from './responder.ts'
import { subnetQuery } from './subnet-query.ts'

export interface OwnAnswer {
  /** Whether a zone of ours holds the name; false also for what it delegates. */
  readonly inZone: boolean
  readonly addresses: readonly string[]
  /** Where a chain of CNAMEs leaves our zones; absolute, without the final dot. */
  readonly leadsTo: string | null
}

/** What a client is answered, and which way the plans went. */
interface TracedAnswer {
  /** The response. */
  readonly message: Uint8Array
  /** Bits of the client's address that the answer depends on (RFC 7871 section 7.2.1). */
  readonly scope: number
  /** The services that the query met, in the order of the chain, and which way their plans went. */
  readonly services: readonly PlanWalk[]
}

/** Asks the data plane in this thread, by the code that answers the network, apart from its counters. */
export class OwnZones {
  readonly #state: ServingState
  readonly #responder: Responder
  readonly #client = new Client()
  readonly #out = new Uint8Array(streamPayload)

  constructor(state: ServingState) {
    this.#state = state
    this.#responder = new Responder(state, new Counters(allocateCounters()), { stream: true })
  }

  /** What is served of a zone, to be read before the next is applied; undefined when there is none of that apex. */
  image(apex: string): ZoneImage | undefined {
    const wire = hostnameToWire(apex)
    const name = new NameScan()
    name.load(wire, 0, wire.length)
    return this.#state.findZone(name, 0) === 0 ? this.#state.zone : undefined
  }

  /** The IPv4 addresses of a name. @param name absolute, with or without the final dot */
  lookupA(name: string): OwnAnswer {
    const response = this.#lookUp(name)
    const answers: Answer[] = response.answers!
    const addresses = answers.flatMap((answer) => (answer.type === 'A' ? [answer.data] : []))
    const last = answers.at(-1)
    const leadsTo = last?.type === 'CNAME' && !this.#lookUp(last.data).flag_aa ? last.data : null
    return { inZone: response.flag_aa, addresses, leadsTo }
  }

  /**
   * What a client is answered that asks for signatures too, without a limit to the length, and why so. Draws by chance and turns are this object's own: it can't tell
   * what another query was given.
   *
   * @param name absolute, with or without the final dot, in presentation form
   * @param type such as `AAAA`, `TYPE65280` or `ANY`
   * @param client its address, IPv4 or IPv6
   * @throws TextError for a name or a type that is none
   * @throws RangeError for an address that is none
   */
  explain(name: string, type: string, client: string): TracedAnswer {
    const address = parseAddress(client)
    if (address === null) throw new RangeError(`${client} is not an IP address`)
    const number = type.toUpperCase() === 'ANY' ? types.any : parseType(type)
    // The whole address, so that the response tells the scope.
    const octets = isMappedIpv4(address) ? address.subarray(12) : address
    const network = { ipv6: octets.length === 16, bits: 8 * octets.length, octets }
    const message = this.#ask(subnetQuery(hostnameToWire(parseHostname(name)), number, network, true))
    const { scope, choices } = this.#responder.walk
    return { message, scope, services: choices.list() }
  }

  /** We are authoritative (AA) for what our zones hold, not for what they delegate or what is elsewhere. */
  #lookUp(name: string): DecodedPacket {
    return decode(Buffer.from(this.#ask(encode({ type: 'query', questions: [{ type: 'A', name }] }))))
  }

  #ask(query: Uint8Array): Uint8Array {
    this.#responder.clock.tick()
    return this.#out.slice(0, this.#responder.respond(query, query.length, this.#client, this.#out))
  }
}
