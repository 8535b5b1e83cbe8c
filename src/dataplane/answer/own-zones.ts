import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet'
import { allocateCounters, Counters } from '../counters.ts'
import { streamPayload } from '../wire/constants.ts'
import type { ServingState } from '../zone/state.ts'
import { Client } from './client.ts'
import { Responder } from './responder.ts'

export interface OwnAnswer {
  /** Whether a zone of ours holds the name; false also for what it delegates. */
  readonly inZone: boolean
  readonly addresses: readonly string[]
  /** Where a chain of CNAMEs leaves our zones; absolute, without the final dot. */
  readonly leadsTo: string | null
}

/** Asks the data plane in this thread, by the code that answers the network, apart from its counters. */
export class OwnZones {
  readonly #responder: Responder
  readonly #client = new Client()
  readonly #out = new Uint8Array(streamPayload)

  constructor(state: ServingState) {
    this.#responder = new Responder(state, new Counters(allocateCounters()), { stream: true })
  }

  /** The IPv4 addresses of a name. @param name absolute, with or without the final dot */
  lookupA(name: string): OwnAnswer {
    const response = this.#ask(name)
    const answers: Answer[] = response.answers!
    const addresses = answers.flatMap((answer) => (answer.type === 'A' ? [answer.data] : []))
    const last = answers.at(-1)
    const leadsTo = last?.type === 'CNAME' && !this.#ask(last.data).flag_aa ? last.data : null
    return { inZone: response.flag_aa, addresses, leadsTo }
  }

  /** We are authoritative (AA) for what our zones hold, not for what they delegate or what is elsewhere. */
  #ask(name: string): DecodedPacket {
    const query = encode({ type: 'query', questions: [{ type: 'A', name }] })
    const length = this.#responder.respond(query, query.length, this.#client, this.#out)
    return decode(Buffer.from(this.#out.buffer, 0, length))
  }
}
