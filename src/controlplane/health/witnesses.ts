/**
 * Who has said what to the guard (`guard.ts`), counted. A witness is a machine, however many checks it takes: one with an address of
 * each family is no more likely to have died than another, and says no more by failing at both. It is well while one of its checks is,
 * as its member is up while one of its addresses is.
 *
 * Bound: one witness for each member and part of its monitor, and one pool for each that has any. Each change costs constant time.
 */

export type Word = 'ok' | 'struck' | 'failing'

interface WitnessPool extends Record<'ok' | 'struck', number> {
  readonly name: string
  readonly witnesses: Map<string, Witness>
}

/** Holds how many of its checks have said each word. */
export interface Witness extends Record<Word, number> {
  readonly name: string
  readonly pool: WitnessPool
  checks: number
  /** What all of it comes to; null when nothing was heard of it. */
  word: Word | null
}

export class Witnesses {
  readonly #pools = new Map<string, WitnessPool>()
  readonly #heard: Record<Word, number> = { ok: 0, struck: 0, failing: 0 }
  #size = 0
  #poolsHeard = 0
  #poolsStruck = 0

  get size(): number {
    return this.#size
  }

  /** Pools that have witnesses. */
  get pools(): number {
    return this.#pools.size
  }

  /** Witnesses by what they come to. */
  get heard(): Readonly<Record<Word, number>> {
    return this.#heard
  }

  /** Pools of whose witnesses some are well or struck. */
  get poolsHeard(): number {
    return this.#poolsHeard
  }

  /** Pools of which more are struck than well. */
  get poolsStruck(): number {
    return this.#poolsStruck
  }

  /** Takes one more check of a witness. @param name unique in its pool */
  join(pool: string, name: string): Witness {
    const into = this.#pools.get(pool) ?? { name: pool, witnesses: new Map(), ok: 0, struck: 0 }
    this.#pools.set(pool, into)
    const known = into.witnesses.get(name)
    if (known !== undefined) {
      known.checks++
      return known
    }
    const witness = { name, pool: into, checks: 1, ok: 0, struck: 0, failing: 0, word: null }
    into.witnesses.set(name, witness)
    this.#size++
    return witness
  }

  /** Lets go of a check of a witness, whose word has been taken back. */
  leave(witness: Witness): void {
    const { pool, name } = witness
    if (--witness.checks > 0) return
    pool.witnesses.delete(name)
    this.#size--
    if (pool.witnesses.size === 0) this.#pools.delete(pool.name)
  }

  /** The only place that moves a witness from one count to another. */
  say(witness: Witness, before: Word | null, after: Word | null): void {
    if (before === after) return
    if (before !== null) witness[before]--
    if (after !== null) witness[after]++
    const word = wordOf(witness)
    if (word === witness.word) return
    const { pool } = witness
    if (pool.ok + pool.struck > 0) this.#poolsHeard--
    if (pool.struck > pool.ok) this.#poolsStruck--
    if (witness.word !== null) this.#tally(pool, witness.word, -1)
    if (word !== null) this.#tally(pool, word, 1)
    witness.word = word
    if (pool.ok + pool.struck > 0) this.#poolsHeard++
    if (pool.struck > pool.ok) this.#poolsStruck++
  }

  #tally(pool: WitnessPool, what: Word, by: 1 | -1): void {
    this.#heard[what] += by
    if (what !== 'failing') pool[what] += by
  }
}

function wordOf({ ok, struck, failing }: Witness): Word | null {
  if (ok > 0) return 'ok'
  if (struck > 0) return 'struck'
  return failing > 0 ? 'failing' : null
}
