/**
 * What is decided by chance: which entry of an alias table is taken. Workers draw (`FairDice`); whoever wants to know what may come of a
 * question takes one way after the other instead (`EveryWay`).
 */
import { aliasAt, aliasShares } from '../image/alias-table.ts'
import type { Random } from '../random.ts'

export interface Dice {
  /** The number of an entry of the table at `table`, which has `count`. */
  entry(words: Uint32Array, table: number, count: number): number
}

export class FairDice implements Dice {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  entry(words: Uint32Array, table: number, count: number): number {
    const random = this.#random
    return aliasAt(words, table, random.below(count), random.next())
  }
}

/** A place on the way at which it could go on otherwise. */
interface Fork {
  readonly shares: readonly number[]
  taken: number
}

/** Takes each way through the choices of a question once, and says with which share of all draws a fair dice takes it. */
export class EveryWay implements Dice {
  /** The forks of the way that is taken; bounded by how many choices one question meets. */
  readonly #forks: Fork[] = []
  /** Forks that the present way has come to. */
  #met = 0

  /** Of the way that was taken, 1 for all of them together. */
  get share(): number {
    return this.#forks.reduce((share, { shares, taken }) => share * shares[taken]!, 1)
  }

  entry(words: Uint32Array, table: number, count: number): number {
    const place = this.#met++
    const fork = this.#forks[place] ?? forkOf(aliasShares(words, table, count))
    this.#forks[place] = fork
    return fork.taken
  }

  /** Goes back to where the way begins, and on by the next one. @returns false when all have been taken */
  next(): boolean {
    this.#met = 0
    for (let fork = this.#forks.at(-1); fork !== undefined; fork = this.#forks.at(-1)) {
      const taken = nextIn(fork.shares, fork.taken + 1)
      if (taken >= 0) {
        fork.taken = taken
        return true
      }
      this.#forks.pop()
    }
    return false
  }

  /** Forgets the ways of a question before its last. */
  reset(): void {
    this.#met = 0
    this.#forks.length = 0
  }
}

function forkOf(shares: readonly number[]): Fork {
  return { shares, taken: nextIn(shares, 0) }
}

/** The first entry from one on that is ever drawn, or -1. */
function nextIn(shares: readonly number[], from: number): number {
  return shares.findIndex((share, entry) => entry >= from && share > 0)
}
