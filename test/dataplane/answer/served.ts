/** Query processing without a socket: zones and plans in, octets to `respond`, text and counters out. */

import { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { readCounters } from '../../../src/dataplane/counter-totals.ts'
import { AnswerReader, allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { type AnswerSettings, defaultAnswerSettings } from '../../../src/dataplane/image/answer-settings.ts'
import type { LocationRanges } from '../../../src/dataplane/image/location-map.ts'
import type { PlanWalk } from '../../../src/dataplane/image/plan.ts'
import type { PlanNode, PlanTrees } from '../../../src/dataplane/image/plan-tree.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { Random } from '../../../src/dataplane/random.ts'
import {
  type QueryFields,
  query,
  type Response,
  readResponse,
  type TypeName,
} from '../../support/dns-client.ts'
import { servingUpdate, type ZoneText } from '../zone-text.ts'

export interface ServeOptions {
  readonly stream?: boolean
  readonly seed?: number
  readonly settings?: Partial<AnswerSettings>
  /** Where frames of dnstap are left. */
  readonly tap?: SharedArrayBuffer
  readonly queryLog?: SharedArrayBuffer
  /** Location maps; slots are the indexes. */
  readonly maps?: readonly LocationRanges[]
}

export class Served {
  readonly state = new ServingState()
  /** The address of the client that asks, but for those who ask by `respond` with `ipv6`. */
  clientAddress = '192.0.2.1'
  readonly #buffer = allocateCounters()
  readonly #answers = new AnswerReader([this.#buffer])
  readonly #responder: Responder
  readonly client = new Client()
  readonly #out: Uint8Array

  constructor(
    zones: readonly ZoneText[],
    plans: readonly (PlanNode | PlanTrees)[] = [],
    options: ServeOptions = {},
  ) {
    const { stream = false, seed = 1, maps = [] } = options
    const settings = only({ ...defaultAnswerSettings, ...options.settings })
    this.state.apply({ ...servingUpdate(zones, plans, 1, maps), settings })
    this.#out = new Uint8Array(stream ? 65535 : 1232)
    this.#responder = new Responder(this.state, new Counters(this.#buffer), {
      stream,
      idleTimeoutMs: 10_000,
      random: new Random(seed),
      ...(options.tap === undefined ? {} : { tap: options.tap }),
      ...(options.queryLog === undefined ? {} : { queryLog: options.queryLog }),
    })
  }

  /** The octets of the response; null for silence. */
  respond(request: Uint8Array, length = request.length, ipv6 = false): Buffer | null {
    const address = ipv6 ? '2001:db8::1' : this.clientAddress
    this.client.set(address, address.includes(':'))
    // What an earlier response left in the buffer must not show.
    this.#out.fill(0xee)
    const end = this.#responder.respond(request, length, this.client, this.#out)
    this.#responder.endBatch()
    return end === 0 ? null : Buffer.from(this.#out.subarray(0, end))
  }

  exchange(request: Uint8Array): Response {
    return readResponse(this.respond(request)!)
  }

  ask(name: string | Uint8Array, type: TypeName | number, fields?: QueryFields): Response {
    return this.exchange(query(name, type, fields))
  }

  /** Every counter that is not zero, such as `{ 'ipv4 A': 1, NOERROR: 1 }`. */
  counted(): Record<string, number> {
    const { queries, responses, dropped } = readCounters([this.#buffer])
    const entries: [string, number][] = [
      ...queries.map(({ family, qtype, count }): [string, number] => [`${family} ${qtype}`, count]),
      ...responses.map(({ rcode, count }): [string, number] => [rcode, count]),
      ...dropped.map(({ reason, count }): [string, number] => [`drop ${reason}`, count]),
    ]
    return Object.fromEntries(entries.filter(([, count]) => count > 0))
  }

  /** What became of frames of dnstap. */
  tapped(of: 'tapped' | 'queryLog' = 'tapped'): Record<string, number> {
    return Object.fromEntries(readCounters([this.#buffer])[of].map(({ outcome, count }) => [outcome, count]))
  }

  /** What the rate limiter has done. */
  limited(): Record<string, number> {
    return Object.fromEntries(
      readCounters([this.#buffer]).limited.map(({ action, count }) => [action, count]),
    )
  }

  /** The services that the last query met, and which way their plans went. */
  services(): PlanWalk[] {
    return this.#responder.walk.choices.list()
  }

  /** How often the candidate that counts in `slot` has been in an answer. */
  answers(slot: number): number {
    return this.#answers.total(slot)
  }
}

export type Essence = Pick<Response, 'flags' | 'rcode' | 'answer' | 'authority' | 'additional' | 'edns'>

/** What a response says, for comparing the whole of it. */
export function essence({ flags, rcode, answer, authority, additional, edns }: Response): Essence {
  return { flags, rcode, answer, authority, additional, edns }
}

/** An expectation: an authoritative response to a plain query, without data where nothing else is said. */
export function expected(fields: Partial<Essence>): Essence {
  return { flags: 'qr aa rd', rcode: 0, answer: [], authority: [], additional: [], edns: null, ...fields }
}
