/**
 * Goes through the plans of the services that a query meets: from the root of each to the leaf that answers. A query that meets no
 * service pays for nothing here but a counter that is set back, and the address of a client is looked at only where a
 * choice depends on it.
 *
 * On the way it learns the scope of the answer (RFC 7871 section 7.2.1): how many bits of the client's address the choices depended on. The
 * scope may be longer than the source prefix, which then was too short for the best choice; the choice goes by the bits that there
 * are. Over a chain of services the longest counts, for it is one response. A node that draws by chance needs what all its
 * children need; see `plan.ts`.
 */

import {
  hashAt,
  leafAt,
  locatedAt,
  nodeKinds,
  type PlanImage,
  type PlanLeaf,
  planSelects,
  weightedAt,
} from '../image/plan.ts'
import type { Rendezvous } from '../image/rendezvous.ts'
import { mix32 } from '../image/stable-key.ts'
import type { AnswerState } from '../image/state.ts'
import type { Query } from '../wire/query.ts'
import type { Client } from './client.ts'
import { ClientNetwork } from './client-network.ts'
import type { Dice } from './dice.ts'
import type { Walk } from './walk.ts'

/**
 * Hashes of children and of candidates differ, because a pool may be called what a member is called: with one hash for both, the
 * clients that come to the pool would be those that prefer the member.
 */
const childSalt = 0x6a09_e667

export class Chooser {
  /** Valid where the leaf that was chosen last selects by hash. */
  readonly network = new ClientNetwork()
  readonly #state: AnswerState
  readonly #query: Query
  readonly #dice: Dice
  readonly #rendezvous: Rendezvous
  readonly #walk: Walk
  #loaded = false

  /** @param walk where the choices and the scope are noted */
  constructor(state: AnswerState, query: Query, dice: Dice, rendezvous: Rendezvous, walk: Walk) {
    this.#state = state
    this.#query = query
    this.#dice = dice
    this.#rendezvous = rendezvous
    this.#walk = walk
  }

  /**
   * The leaf of the plan in a slot that answers the query, whose octets are `request`.
   *
   * @param ipv6 whether to go through the tree for AAAA
   */
  choose(plan: PlanImage, ipv6: boolean, slot: number, request: Uint8Array, client: Client): PlanLeaf {
    const { choices } = this.#walk
    if (choices.count === 0) this.#loaded = false
    choices.begin(slot, ipv6)
    const leaf =
      (ipv6 ? plan.ipv6Only : plan.only) ??
      this.#descend(plan, ipv6 ? plan.ipv6Root : plan.root, request, client)
    choices.end(leaf.number)
    if (leaf.select === planSelects.hash) {
      this.#load(request, client)
      this.#need(leaf.ipv4, leaf.ipv6)
    }
    return leaf
  }

  /** Each kind of node has a function, small enough that V8 inlines what would otherwise allocate numbers. */
  #descend(plan: PlanImage, root: number, request: Uint8Array, client: Client): PlanLeaf {
    const { words } = plan
    let at = root
    // Ends: children are compiled before their parents.
    for (;;) {
      switch (words[at]!) {
        case nodeKinds.weighted:
          at = this.#draw(words, at, request, client)
          break
        case nodeKinds.hash:
          at = this.#hash(words, at, request, client)
          break
        case nodeKinds.located:
          at = this.#place(words, at, request, client)
          break
        default:
          return plan.leaves[words[at + leafAt.number]!]!
      }
    }
  }

  #draw(words: Uint32Array, at: number, request: Uint8Array, client: Client): number {
    const count = words[at + weightedAt.count]!
    const maps = words[at + weightedAt.maps]!
    const children = at + weightedAt.lists + maps
    this.#needAll(words, at, maps, request, client)
    const child = this.#dice.entry(words, children + count, count)
    this.#walk.choices.step(child)
    return words[children + child]!
  }

  #hash(words: Uint32Array, at: number, request: Uint8Array, client: Client): number {
    const { network } = this
    this.#load(request, client)
    const ipv4 = words[at + hashAt.ipv4]!
    const ipv6 = words[at + hashAt.ipv6]!
    this.#need(ipv4, ipv6)
    const children = at + hashAt.children
    const hash = mix32(network.hash(network.ipv6 ? ipv6 : ipv4) ^ childSalt)
    const child = this.#rendezvous.best(words, children + words[at + hashAt.count]!, hash)
    this.#walk.choices.step(child)
    return words[children + child]!
  }

  #place(words: Uint32Array, at: number, request: Uint8Array, client: Client): number {
    this.#load(request, client)
    const area = this.#locate(words[at + locatedAt.map]!)
    const child = area < words[at + locatedAt.count]! ? area : 0
    this.#walk.choices.step(child)
    return words[at + locatedAt.children + child]!
  }

  #needAll(words: Uint32Array, at: number, maps: number, request: Uint8Array, client: Client): void {
    const ipv4 = words[at + weightedAt.ipv4]!
    if (ipv4 === 0 && maps === 0) return
    this.#load(request, client)
    this.#need(ipv4, words[at + weightedAt.ipv6]!)
    for (let i = 0; i < maps; i++) this.#locate(words[at + weightedAt.lists + i]!)
  }

  /** The area that the client is in by the map in a slot. */
  #locate(slot: number): number {
    const map = this.#state.map(slot)
    if (map === undefined) return 0
    const { network } = this
    if (network.ipv6) map.findIpv6(network.words[0]!, network.words[1]!)
    else map.findIpv4(network.words[0]!)
    this.#need(map.scope, map.scope)
    return map.area
  }

  #load(request: Uint8Array, client: Client): void {
    if (this.#loaded) return
    this.#loaded = true
    this.network.load(request, this.#query.options, client)
  }

  #need(ipv4: number, ipv6: number): void {
    const bits = this.network.ipv6 ? ipv6 : ipv4
    if (bits > this.#walk.scope) this.#walk.scope = bits
  }
}
