/**
 * Who has said what to the guard (`guard.ts`), counted. A witness is a machine, however many checks it takes: one with an address of
 * each family is no more likely to have died than another, and says no more by failing at both. It is well while one of its checks is,
 * as its member is up while one of its addresses is.
 *
 * A check that several pools share is a witness in each of them, for what it says tells of each. Over all it is one machine and is
 * counted once: one that dies would look like a blow otherwise.
 *
 * ## When members look struck
 * The members look struck when, of those that said something within the window,
 * - at least `share` of the witnesses are struck, where struck are those whose failures began within the window while they
 *   were up, and witnesses those and whoever succeeded;
 * - and at least `minMembers` are struck, and at least `leastOfAll` of all, those included that had failed before;
 * - and in at least `share` of the pools that have witnesses, and in at least `minPools`, more than half of them are
 *   struck.
 * They look well again when less than half of `share` of the witnesses is struck; whoever was struck stays so, however
 * long the suspicion lasts, until it succeeds. Both want to see `minMembers` witnesses in `minPools` pools at least.
 *
 * Bound: one witness for each member and part of its monitor, and one pool for each that has any. Each change costs constant time,
 * for each pool that a check is in.
 */

/** When members look struck, as above. */
export interface StruckSettings {
  /** Above 0, up to 1: of the witnesses that are struck, and of the pools. */
  readonly share: number
  readonly minMembers: number
  readonly minPools: number
  /** Share of the members that were heard, also of those that were down already. */
  readonly leastOfAll: number
}

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
  /** Those of its checks that count over all, which in other pools do not. */
  counted: number
  /** What all of it comes to; null when nothing was heard of it. */
  word: Word | null
}

export class Witnesses {
  readonly #pools = new Map<string, WitnessPool>()
  readonly #heard: Record<Word, number> = { ok: 0, struck: 0, failing: 0 }
  #size = 0
  /** Pools of whose witnesses some are well or struck. */
  #poolsHeard = 0
  /** Pools of which more are struck than well. */
  #poolsStruck = 0

  /** How many count over all. */
  get size(): number {
    return this.#size
  }

  /** Pools that have witnesses. */
  get pools(): number {
    return this.#pools.size
  }

  /** Takes one more check of a witness, which has said nothing yet and doesn't count over all. @param name unique in its pool */
  join(pool: string, name: string): Witness {
    const into = this.#pools.get(pool) ?? { name: pool, witnesses: new Map(), ok: 0, struck: 0 }
    this.#pools.set(pool, into)
    const known = into.witnesses.get(name)
    if (known !== undefined) {
      known.checks++
      return known
    }
    const witness = { name, pool: into, checks: 1, counted: 0, ok: 0, struck: 0, failing: 0, word: null }
    into.witnesses.set(name, witness)
    return witness
  }

  /** Lets go of a check of a witness, whose word has been taken back and which doesn't count over all any more. */
  leave(witness: Witness): void {
    const { pool, name } = witness
    if (--witness.checks > 0) return
    pool.witnesses.delete(name)
    if (pool.witnesses.size === 0) this.#pools.delete(pool.name)
  }

  /** One of its checks counts over all from now on (1), or no longer (-1). */
  count(witness: Witness, by: 1 | -1): void {
    const before = witness.counted
    witness.counted += by
    if (before > 0 === witness.counted > 0) return
    this.#size += by
    if (witness.word !== null) this.#heard[witness.word] += by
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
    if (witness.word !== null) this.#tally(witness, witness.word, -1)
    if (word !== null) this.#tally(witness, word, 1)
    witness.word = word
    if (pool.ok + pool.struck > 0) this.#poolsHeard++
    if (pool.struck > pool.ok) this.#poolsStruck++
  }

  lookStruck({ share, minMembers, minPools, leastOfAll }: StruckSettings): boolean {
    const { ok, struck, failing } = this.#heard
    return (
      struck >= minMembers &&
      struck >= share * (ok + struck) &&
      struck >= leastOfAll * (ok + struck + failing) &&
      this.#poolsStruck >= minPools &&
      this.#poolsStruck >= share * this.#poolsHeard
    )
  }

  lookWell({ share, minMembers, minPools }: StruckSettings): boolean {
    const { ok, struck } = this.#heard
    return ok + struck >= minMembers && this.#poolsHeard >= minPools && struck < (share / 2) * (ok + struck)
  }

  /** How many look struck, for people. */
  get blow(): string {
    const { ok, struck } = this.#heard
    const members = `${struck} of ${ok + struck} members that were up fail at once`
    return `${members}, in ${this.#poolsStruck} of ${this.#poolsHeard} pools`
  }

  #tally({ pool, counted }: Witness, what: Word, by: 1 | -1): void {
    if (counted > 0) this.#heard[what] += by
    if (what !== 'failing') pool[what] += by
  }
}

function wordOf({ ok, struck, failing }: Witness): Word | null {
  if (ok > 0) return 'ok'
  if (struck > 0) return 'struck'
  return failing > 0 ? 'failing' : null
}
