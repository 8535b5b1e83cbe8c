/** Adds up what is other in the answers to the questions of a sample: by service, zone, name and country. */
import {
  add,
  answeringOf,
  dataOf,
  type ExpectedAnswer,
  type Move,
  moved,
  movesOf,
  outcomesOf,
  rcodesOf,
  type Shares,
} from './answers.ts'

/** A question that some of the sample have in common. */
export interface TalliedQuestion {
  /** In presentation form, without the final dot. */
  readonly name: string
  readonly type: string
  /** Of the zones before and after the change; null when it lies in none. */
  readonly zone: string | null
  /** Questions of the sample. */
  readonly sampled: number
  /** Questions that they stand for. */
  readonly weight: number
  /** Null when it is not known. */
  readonly country: string | null
}

/** Questions, and what moves of them. */
class Moves {
  sampled = 0
  weight = 0
  readonly #before = new Map<string, number>()
  readonly #after = new Map<string, number>()
  /** By both ends; bounded by the pools of a service. */
  readonly #moves = new Map<string, number>()

  add({ sampled, weight }: TalliedQuestion, before: Shares, after: Shares): void {
    this.sampled += sampled
    this.weight += weight
    for (const [key, share] of before) add(this.#before, key, weight * share)
    for (const [key, share] of after) add(this.#after, key, weight * share)
    for (const { from, to, share } of movesOf(before, after))
      add(this.#moves, JSON.stringify([from, to]), weight * share)
  }

  /** The largest first, as shares of these questions. */
  get moves(): Move[] {
    return Array.from(this.#moves, ([ends, weight]) => {
      const [from, to] = JSON.parse(ends) as [string, string]
      return { from, to, share: weight / this.weight }
    }).sort((a, b) => b.share - a.share)
  }

  get pools(): { pool: string; before: number; after: number }[] {
    return [...new Set([...this.#before.keys(), ...this.#after.keys()])].sort().map((pool) => {
      const share = (sums: ReadonlyMap<string, number>) => (sums.get(pool) ?? 0) / this.weight
      return { pool, before: share(this.#before), after: share(this.#after) }
    })
  }
}

/** Of the questions for a service. */
export class ServiceTally extends Moves {
  /** Those that another member answers first. */
  otherMember = 0
  /** Bounded by the countries that there are. */
  readonly countries = new Map<string | null, Moves>()
}

/** Of some of the questions, in numbers of questions. */
export class Changes {
  sampled = 0
  weight = 0
  otherRcode = 0
  otherData = 0
  /** Those whose first service has another pool. */
  otherPool = 0
}

/** Of a name and type. */
export interface NameTally {
  readonly name: string
  readonly type: string
  weight: number
  readonly before: string
  readonly after: string
}

/** Less of a question than this is no news: shares are sums of fractions. */
const leastShare = 1e-6

export class Tally {
  readonly all = new Changes()
  // Each bounded by the questions of a sample.
  readonly services = new Map<string, ServiceTally>()
  readonly zones = new Map<string | null, Changes>()
  readonly countries = new Map<string | null, Changes>()
  readonly names = new Map<string, NameTally>()

  add(question: TalliedQuestion, before: readonly ExpectedAnswer[], after: readonly ExpectedAnswer[]): void {
    const { weight, sampled } = question
    const otherRcode = moved(rcodesOf(before), rcodesOf(after))
    const otherData = Math.max(0, moved(dataOf(before), dataOf(after)) - otherRcode)
    const otherPool = this.#addServices(question, before, after)
    const places = [
      this.all,
      entry(this.zones, question.zone, () => new Changes()),
      entry(this.countries, question.country, () => new Changes()),
    ]
    for (const place of places) {
      place.sampled += sampled
      place.weight += weight
      place.otherRcode += weight * otherRcode
      place.otherData += weight * otherData
      place.otherPool += weight * otherPool
    }
    if (otherRcode + otherData > leastShare) this.#addName(question, before, after)
  }

  /** @returns which part of the answers has another pool, at the first service that they meet */
  #addServices(
    question: TalliedQuestion,
    before: readonly ExpectedAnswer[],
    after: readonly ExpectedAnswer[],
  ): number {
    const met = new Set(
      [...before, ...after].flatMap(({ services }) => services.map(({ service }) => service)),
    )
    let first: number | null = null
    for (const service of met) {
      const { part, before: was, after: is } = answeringOf(before, after, service)
      const asked = { ...question, weight: question.weight * part }
      const tally = entry(this.services, service, () => new ServiceTally())
      tally.add(asked, was.pools, is.pools)
      tally.otherMember += asked.weight * moved(was.members, is.members)
      entry(tally.countries, question.country, () => new Moves()).add(asked, was.pools, is.pools)
      first ??= part * moved(was.pools, is.pools)
    }
    return first ?? 0
  }

  #addName(
    { name, type, weight }: TalliedQuestion,
    answersBefore: readonly ExpectedAnswer[],
    answersAfter: readonly ExpectedAnswer[],
  ): void {
    const [was, is] = [outcomesOf(answersBefore), outcomesOf(answersAfter)]
    const [move] = movesOf(was, is).sort((a, b) => b.share - a.share)
    const [before, after] = move === undefined ? [mostOf(was), mostOf(is)] : [move.from, move.to]
    const key = JSON.stringify([name, type, before, after])
    entry(this.names, key, () => ({ name, type, weight: 0, before, after })).weight += weight
  }
}

function mostOf(shares: Shares): string {
  return [...shares].reduce((most, each) => (each[1] > most[1] ? each : most))[0]
}

function entry<K, T>(entries: Map<K, T>, key: K, make: () => T): T {
  const known = entries.get(key)
  if (known !== undefined) return known
  const made = make()
  entries.set(key, made)
  return made
}
