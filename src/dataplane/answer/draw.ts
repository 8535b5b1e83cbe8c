/**
 * Chooses among the candidates of a leaf, as it says: in turn, by weight, or by the client. How many there are costs next to
 * nothing, but for hashes (see `rendezvous.ts`).
 */

import { bucketSalts } from '../image/answer-sets.ts'
import {
  type CandidateSets,
  type Candidates,
  maxCandidates,
  type PlanLeaf,
  planSelects,
  setDraws,
} from '../image/plan.ts'
import type { Rendezvous } from '../image/rendezvous.ts'
import { mix32 } from '../image/stable-key.ts'
import type { Random } from '../random.ts'
import type { ClientNetwork } from './client-network.ts'
import { type Dice, FairDice } from './dice.ts'

/** Draws that may hit a member already in the answer before the exact, slower draw takes over. */
const maxRedraws = 8

/** Candidates whose weights the exact draw passes over in one step: 4,096 of them cost it 64 + 64, and a thousand draws a fraction of a millisecond. */
const blockBits = 6

export class Draw {
  /** The candidates that `several` chose, best first where there is a best. */
  readonly indexes = new Uint16Array(maxCandidates)
  readonly #random: Random
  readonly #dice: Dice
  readonly #rendezvous: Rendezvous
  readonly #network: ClientNetwork
  /** 1 for each candidate in the answer that is being drawn. */
  readonly #drawn = new Uint8Array(maxCandidates)
  /** The weight that is left of each block, once an exact draw has needed it. */
  readonly #blocks = new Float64Array(maxCandidates >> blockBits)
  #blocksKnown = false

  /** @param network of the client that is being answered */
  constructor(
    random: Random,
    rendezvous: Rendezvous,
    network: ClientNetwork,
    dice: Dice = new FairDice(random),
  ) {
    this.#random = random
    this.#dice = dice
    this.#rendezvous = rendezvous
    this.#network = network
  }

  /** Chooses `count` different candidates, which are not more than there are. */
  several(leaf: PlanLeaf, candidates: Candidates, count: number): void {
    if (leaf.select === planSelects.hash) {
      const { words, table } = candidates
      if (count === 1) this.indexes[0] = this.#rendezvous.best(words, table, this.#client(leaf))
      else this.#rendezvous.draw(words, table, this.#client(leaf), count, this.indexes)
    } else if (leaf.select === planSelects.rotate || count === candidates.count) {
      this.#rotate(candidates, count)
    } else {
      this.#byWeight(candidates, count)
    }
  }

  /** Chooses one candidate; there is at least one. @returns its index */
  one(leaf: PlanLeaf, candidates: Candidates): number {
    switch (leaf.select) {
      case planSelects.hash:
        return this.#rendezvous.best(candidates.words, candidates.table, this.#client(leaf))
      case planSelects.weighted:
        return this.#dice.entry(candidates.words, candidates.table, candidates.count)
      default:
        return this.#turn(candidates, candidates.count)
    }
  }

  /**
   * Chooses a set of a leaf of a signed plan; there is at least one. `indexes` are then its candidates, as they are written.
   *
   * @returns its number
   */
  set(leaf: PlanLeaf, candidates: Candidates): number {
    const sets = candidates.sets!
    const { count, draw, table, words } = sets
    let set = 0
    let first = 0
    switch (draw) {
      case setDraws.turn:
        set = this.#turn(candidates, count)
        break
      case setDraws.client:
        set = this.#rendezvous.best(words, table, this.#client(leaf))
        break
      case setDraws.bucket:
        set = words[table + (mix32(this.#client(leaf) ^ bucketSalts.client) & (count - 1))]!
        break
      case setDraws.order:
        this.#order(leaf, sets)
        return 0
      case setDraws.weight:
        set = this.#dice.entry(words, table, count)
        first = this.#turn(candidates, sets.size(set))
        break
      default:
        first = this.#turn(candidates, sets.size(0))
    }
    this.#load(sets, set, first)
    return set
  }

  /** @param first which of the members the others follow, round about */
  #load(sets: CandidateSets, set: number, first: number): void {
    const { words } = sets
    const members = sets.members(set)
    const size = sets.size(set)
    for (let i = 0, from = first; i < size; i++) {
      this.indexes[i] = words[members + from]!
      if (++from === size) from = 0
    }
  }

  /** All members of the only set, the client's best first. */
  #order(leaf: PlanLeaf, sets: CandidateSets): void {
    const { words, table } = sets
    const { indexes } = this
    const members = sets.members(0)
    const size = sets.size(0)
    this.#rendezvous.draw(words, table, this.#client(leaf), size, indexes)
    for (let i = 0; i < size; i++) indexes[i] = words[members + indexes[i]!]!
  }

  #client(leaf: PlanLeaf): number {
    return this.#network.hash(this.#network.ipv6 ? leaf.ipv6 : leaf.ipv4)
  }

  /** Which of `count` has its turn. */
  #turn(candidates: Candidates, count: number): number {
    const { cursor } = candidates
    const index = cursor < 0 ? this.#random.below(count) : cursor % count
    candidates.cursor = index + 1
    return index
  }

  #rotate(candidates: Candidates, count: number): void {
    let index = this.#turn(candidates, candidates.count)
    for (let i = 0; i < count; i++) {
      this.indexes[i] = index
      if (++index === candidates.count) index = 0
    }
  }

  /** Successive draws by weight, without replacement: a draw that hits a member already drawn is drawn again. */
  #byWeight(candidates: Candidates, count: number): void {
    const { indexes } = this
    let weightLeft = candidates.totalWeight
    this.#blocksKnown = false
    for (let i = 0; i < count; i++) {
      const index = this.#drawOne(candidates, weightLeft)
      this.#drawn[index] = 1
      indexes[i] = index
      weightLeft -= candidates.weight(index)
      this.#blocks[index >> blockBits]! -= candidates.weight(index)
    }
    for (let i = 0; i < count; i++) this.#drawn[indexes[i]!] = 0
  }

  #drawOne(candidates: Candidates, weightLeft: number): number {
    const random = this.#random
    for (let redraws = 0; redraws < maxRedraws; redraws++) {
      const index = candidates.pick(random.below(candidates.count), random.next())
      if (this.#drawn[index] === 0) return index
    }
    return this.#drawExactly(candidates, random.below(weightLeft))
  }

  /** The candidate at a height of the weight that is left. */
  #drawExactly(candidates: Candidates, height: number): number {
    const blocks = this.#blocks
    if (!this.#blocksKnown) this.#sum(candidates)
    let block = 0
    while (height >= blocks[block]!) height -= blocks[block++]!
    let index = block << blockBits
    for (; ; index++) {
      if (this.#drawn[index] === 1) continue
      height -= candidates.weight(index)
      if (height < 0) return index
    }
  }

  #sum(candidates: Candidates): void {
    this.#blocksKnown = true
    this.#blocks.fill(0)
    for (let index = 0; index < candidates.count; index++)
      if (this.#drawn[index] === 0) this.#blocks[index >> blockBits]! += candidates.weight(index)
  }
}
