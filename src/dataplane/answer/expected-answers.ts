/**
 * What a question would be answered, and with which share of the answers each: by the code that answers, but with every way that chance
 * may take instead of one (`dice.ts`). For whoever compares two configurations; no worker has it.
 *
 * Members are not drawn one by one: of a leaf that chooses among many it is known which share each of them has of being the first.
 */

import type { ZoneImage } from '../image/image.ts'
import { rdataOf } from '../image/image-contents.ts'
import { type Candidates, type PlanLeaf, planSelects } from '../image/plan.ts'
import { Rendezvous } from '../image/rendezvous.ts'
import type { AnswerState } from '../image/state.ts'
import { Random } from '../random.ts'
import { Query } from '../wire/query.ts'
import { foldedRdata } from '../wire/rdata.ts'
import { Chooser } from './chooser.ts'
import { Client } from './client.ts'
import { EveryWay } from './dice.ts'
import { Draw } from './draw.ts'
import { Resolver } from './resolver.ts'
import { type SubnetOf, subnetQuery } from './subnet-query.ts'
import { type Link, Walk, type WalkOutcome } from './walk.ts'

/** What may be answered. */
export interface ExpectedAnswer {
  /** Of the answers to the question, above 0. */
  readonly share: number
  readonly rcode: number
  readonly outcome: WalkOutcome
  /** The services that were met, in the order of the chain. */
  readonly services: readonly ExpectedService[]
  /** What stands for the RRs that no service has chosen: equal for equal types and data, whatever their order and TTL. */
  readonly data: string
}

export interface ExpectedService {
  /** Slot of its plan. */
  readonly plan: number
  /** Where members are counted, and which share of the service's answers begins with each; empty when it answers with none. */
  readonly members: ReadonlyMap<number, number>
}

/** A question of a client of which the network is known. */
export interface AskedQuestion {
  /** In wire form. */
  readonly name: Uint8Array
  readonly type: number
  readonly network: SubnetOf
}

/** Ways that are taken for one question at the most; those after them count as the others do. */
const mostWays = 1000

export class ExpectedAnswers {
  readonly #query = new Query()
  readonly #client = new Client()
  readonly #walk = new Walk(this.#query.name)
  readonly #ways = new EveryWay()
  readonly #resolver: Resolver
  readonly #draw: Draw
  /** Texts of RRsets, which are asked for again and again. Bounded by the RRsets that are met. */
  readonly #texts = new WeakMap<ZoneImage, Map<number, string>>()

  constructor(state: AnswerState) {
    const rendezvous = new Rendezvous()
    const chooser = new Chooser(state, this.#query, this.#ways, rendezvous, this.#walk)
    this.#draw = new Draw(new Random(), rendezvous, chooser.network, this.#ways)
    this.#resolver = new Resolver(state, this.#query, this.#walk, chooser, this.#draw)
  }

  /** All that may be answered; their shares are 1 together. */
  of({ name, type, network }: AskedQuestion): ExpectedAnswer[] {
    const request = subnetQuery(name, type, network)
    this.#query.decode(request, request.length)
    const answers: ExpectedAnswer[] = []
    this.#ways.reset()
    do {
      this.#walk.clear()
      this.#resolver.resolve(request, this.#client)
      answers.push(this.#read())
      this.#walk.release()
    } while (this.#ways.next() && answers.length < mostWays)
    const total = answers.reduce((sum, { share }) => sum + share, 0)
    return answers.map((answer) => ({ ...answer, share: answer.share / total }))
  }

  #read(): ExpectedAnswer {
    const walk = this.#walk
    const { outcome, rcode } = walk
    const links = walk.links.slice(0, walk.count)
    const services = links.flatMap((link) => this.#service(link))
    // The last one had nothing to say.
    const silent = walk.choices.list().slice(services.length)
    return {
      share: this.#ways.share,
      rcode,
      outcome,
      services: [...services, ...silent.map(({ plan }) => ({ plan, members: new Map() }))],
      data: links.map((link) => this.#data(link, outcome)).join(''),
    }
  }

  #service(link: Link): ExpectedService[] {
    if (link.kind === 'alias') {
      const { leaf, candidate, service } = link
      return [{ plan: service, members: new Map([[leaf.cnames!.counter(candidate), 1]]) }]
    }
    if (link.kind !== 'members') return []
    return [{ plan: link.service, members: this.#members(link.leaf, link.candidates) }]
  }

  #members(leaf: PlanLeaf, candidates: Candidates): Map<number, number> {
    const members = new Map<number, number>()
    const add = (index: number, share: number) => {
      const counter = candidates.counter(index)
      members.set(counter, (members.get(counter) ?? 0) + share)
    }
    if (leaf.select === planSelects.hash) add(this.#draw.one(leaf, candidates), 1)
    else {
      const isWeighted = leaf.select === planSelects.weighted
      const total = isWeighted ? candidates.totalWeight : candidates.count
      for (let index = 0; index < candidates.count; index++)
        add(index, (isWeighted ? candidates.weight(index) : 1) / total)
    }
    return members
  }

  #data(link: Link, outcome: WalkOutcome): string {
    const shows = link.kind === 'rrset' || link.kind === 'dname'
    const isCut = outcome === 'referral' && link === this.#walk.last
    return shows || isCut ? this.#text(link) : ''
  }

  #text({ zone, node, rrset }: Link): string {
    const texts = this.#texts.get(zone) ?? new Map<number, string>()
    this.#texts.set(zone, texts)
    const known = texts.get(rrset)
    if (known !== undefined) return known
    const type = zone.type(rrset)
    const data = rdataOf(zone, node, rrset).map((rdata) =>
      Buffer.from(foldedRdata(type, rdata)).toString('latin1'),
    )
    const text = JSON.stringify([type, ...data.sort()])
    texts.set(rrset, text)
    return text
  }
}
