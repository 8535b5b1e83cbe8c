/**
 * What was answered when things were up, for `last-known`. Kept by pool and by service, not as whole answers: each pool
 * remembers the members that it was answered with, each service the choices that its answers came from, nested ones too. So
 * the steering that made an answer can make it again (by area, by weight, by hash), a pool is remembered once however many
 * services name it, and a change of configuration takes away only what it took away.
 *
 * ## Failures that come one by one
 * What dies member by member would end as its last member alone, which is no more likely to be there than the others. So what
 * fails is kept for an hour: as long as something that is remembered has failed, the whole of it is remembered, and what
 * is answered meanwhile takes its place when the hour is over. While nothing is up, no hour runs. What an operator takes
 * out, or what is not wanted any more although it is up, has not failed.
 *
 * ## Guesses
 * What is up because members were counted as up without having been measured says nothing of what was: what is remembered
 * stays, if anything is, and gives way to the first that was measured.
 *
 * For a service that steers by `latency` there is also the choice that it has now, which another one has to beat.
 */
import type { Ended } from '../model/births.ts'
import type { Asked } from '../model/family.ts'
import { reach } from '../rules/graph.ts'
import { isTakenOut, type PoolJudgement } from './judge.ts'
import { type ChoiceJudgement, isForcedOut, type ServiceJudgement } from './selection.ts'

export interface LastKnown {
  /** Names of members by pool. */
  readonly pools: ReadonlyMap<string, readonly string[]>
  /** Choices by service, as `choiceKey` writes them. */
  readonly services: ReadonlyMap<string, readonly string[]>
  /** Choices that were used last, by service. */
  readonly used: ReadonlyMap<string, readonly string[]>
}

/** For so long what has failed is remembered as if it had not. */
const failureMs = 3_600_000

/** What is answered since something has failed that is remembered. */
interface Rest {
  readonly names: readonly string[]
  readonly sinceMs: number
}

/** Something as it is now, to be remembered. */
interface Standing {
  readonly names: readonly string[]
  readonly failed: ReadonlySet<string>
  readonly guessed: boolean
}

/** Names by the name of what they belong to. */
class Memory {
  readonly names = new Map<string, readonly string[]>()
  readonly #rests = new Map<string, Rest>()
  readonly #guesses = new Set<string>()

  /** Lets what has failed an hour ago go. To be called before anything is made of what is remembered. */
  settle(nowMs: number): void {
    for (const [name, { names, sinceMs }] of this.#rests) {
      if (nowMs - sinceMs < failureMs) continue
      this.names.set(name, names)
      this.#rests.delete(name)
    }
  }

  note(name: string, { names, failed, guessed }: Standing, nowMs: number): void {
    const known = this.names.get(name)
    if (guessed && known !== undefined) return
    if (known?.some((one) => failed.has(one)) && !this.#guesses.has(name)) {
      this.#rests.set(name, { names, sinceMs: this.#rests.get(name)?.sinceMs ?? nowMs })
      return
    }
    this.names.set(name, names)
    this.#rests.delete(name)
    if (guessed) this.#guesses.add(name)
    else this.#guesses.delete(name)
  }

  /** Nothing of it is up. */
  noteDown(name: string): void {
    this.#rests.delete(name)
  }

  delete(name: string): void {
    this.names.delete(name)
    this.#rests.delete(name)
    this.#guesses.delete(name)
  }

  /** Forgets some of the names of one. */
  without(name: string, isGone: (one: string) => boolean): void {
    const left = (names: readonly string[]) => names.filter((one) => !isGone(one))
    const names = this.names.get(name)
    if (names !== undefined) this.names.set(name, left(names))
    const rest = this.#rests.get(name)
    if (rest !== undefined) this.#rests.set(name, { ...rest, names: left(rest.names) })
  }

  /** What was measured. */
  entries(): [name: string, names: readonly string[]][] {
    return [...this.names].filter(([name]) => !this.#guesses.has(name))
  }
}

/** Plain JSON, for the snapshot. */
export interface LastKnownEntries {
  readonly pools: readonly (readonly [pool: string, members: readonly string[]])[]
  readonly services: readonly (readonly [service: string, choices: readonly string[]])[]
}

/** The same for each family, and for both as one. */
export type FamilyEntries = Readonly<Record<Asked, LastKnownEntries>>

const askedFor: readonly Asked[] = ['ipv4', 'ipv6', 'any']

/** What is remembered of one family, or of both as one. Bounded by the pools and services of the configuration, as long as `retain` is told of each change. */
export class LastKnownAnswers implements LastKnown {
  /** What has been taken note of: many services may name one pool, or one service. */
  readonly #noted = new WeakSet<PoolJudgement | ServiceJudgement>()
  readonly #pools = new Memory()
  readonly #services = new Memory()
  readonly pools: ReadonlyMap<string, readonly string[]> = this.#pools.names
  readonly services: ReadonlyMap<string, readonly string[]> = this.#services.names
  readonly used = new Map<string, readonly string[]>()
  /** Whether what was judged stands on members that nobody has measured. */
  readonly #guessed = new WeakMap<PoolJudgement | ServiceJudgement, boolean>()

  /** Lets what has failed long ago go. To be called before anything is selected. */
  settle(nowMs: number): void {
    this.#pools.settle(nowMs)
    this.#services.settle(nowMs)
  }

  /** Takes note of what is up, all the way down: of a selection's `judgement`. */
  remember(asked: ServiceJudgement, nowMs: number): void {
    const news = reach<ServiceJudgement | PoolJudgement>([asked], (judgement) =>
      'pool' in judgement || this.#noted.has(judgement)
        ? []
        : judgement.choices.map((choice) => choice.judgement),
    )
    for (const judgement of news) {
      if (this.#noted.has(judgement)) continue
      this.#noted.add(judgement)
      if ('pool' in judgement) this.#rememberPool(judgement, nowMs)
      else this.#rememberService(judgement, nowMs)
    }
  }

  #rememberService(judgement: ServiceJudgement, nowMs: number): void {
    const { service, up, choices } = judgement
    if (!up) {
      this.#services.noteDown(service.name)
      return
    }
    // What is down may be used all the same, by the policy for clients for whom all is.
    const names = choices.flatMap((choice) => (choice.used && choice.up ? [choice.key] : []))
    const lost = choices.filter((choice) => !choice.up && !isOutChoice(choice))
    const failed = new Set(lost.map(({ key }) => key))
    this.used.set(service.name, names)
    this.#services.note(service.name, { names, failed, guessed: this.#isGuess(judgement) }, nowMs)
  }

  #rememberPool(judgement: PoolJudgement, nowMs: number): void {
    const { pool, members, serving } = judgement
    if (serving === null) {
      this.#pools.noteDown(pool.name)
      return
    }
    const names = members.flatMap(({ member, serves }) => (serves ? [member.name] : []))
    const lost = members.filter((one) => !one.kept && !isTakenOut(one))
    const failed = new Set(lost.map(({ member }) => member.name))
    this.#pools.note(pool.name, { names, failed, guessed: this.#isGuess(judgement) }, nowMs)
  }

  /** No service leads to itself, so this ends. */
  #isGuess(judgement: PoolJudgement | ServiceJudgement): boolean {
    const known = this.#guessed.get(judgement)
    if (known !== undefined) return known
    const guessed =
      'pool' in judgement
        ? judgement.members.some(({ serves, reason }) => serves && reason === 'unknown, counts as up')
        : judgement.choices.some(({ used, up, judgement: one }) => used && up && this.#isGuess(one))
    this.#guessed.set(judgement, guessed)
    return guessed
  }

  /** Forgets what is no more, though others may have its names. */
  forget({ members, pools, services }: Ended): void {
    for (const { pool, member } of members) this.#pools.without(pool, (name) => name === member)
    for (const name of pools) this.#pools.delete(name)
    for (const name of services) {
      this.#services.delete(name)
      this.used.delete(name)
    }
    const keys = new Set([
      ...pools.map((name) => `pool ${name}`),
      ...services.map((name) => `service ${name}`),
    ])
    if (keys.size === 0) return
    for (const name of this.services.keys()) this.#services.without(name, (key) => keys.has(key))
    for (const [name, choices] of this.used)
      this.used.set(
        name,
        choices.filter((key) => !keys.has(key)),
      )
  }

  /** Forgets the pools and services that are not among these. */
  retain(pools: { has(name: string): boolean }, services: { has(name: string): boolean }): void {
    for (const name of this.pools.keys()) if (!pools.has(name)) this.#pools.delete(name)
    for (const name of this.services.keys()) if (!services.has(name)) this.#services.delete(name)
    for (const name of this.used.keys()) if (!services.has(name)) this.used.delete(name)
  }

  entries(): LastKnownEntries {
    return { pools: this.#pools.entries(), services: this.#services.entries() }
  }

  restore({ pools, services }: LastKnownEntries): void {
    for (const [name, members] of pools) this.#pools.names.set(name, members)
    for (const [name, choices] of services) {
      this.#services.names.set(name, choices)
      this.used.set(name, choices)
    }
  }
}

/** Whether it is the operator who keeps all of it from answering. */
function isOut(judgement: PoolJudgement | ServiceJudgement): boolean {
  if ('pool' in judgement) return judgement.members.length > 0 && judgement.members.every(isTakenOut)
  return judgement.choices.length > 0 && judgement.choices.every(isOutChoice)
}

function isOutChoice({ forced, judgement }: ChoiceJudgement): boolean {
  return isForcedOut(forced) || isOut(judgement)
}

/**
 * What is remembered, for each family by itself and for both as one: A and AAAA may have come from different pools. Bounded as
 * each of them is.
 */
export class FamilyAnswers {
  readonly ipv4 = new LastKnownAnswers()
  readonly ipv6 = new LastKnownAnswers()
  readonly any = new LastKnownAnswers()

  settle(nowMs: number): void {
    for (const asked of askedFor) this[asked].settle(nowMs)
  }

  retain(...kept: Parameters<LastKnownAnswers['retain']>): void {
    for (const asked of askedFor) this[asked].retain(...kept)
  }

  forget(ended: Ended): void {
    for (const asked of askedFor) this[asked].forget(ended)
  }

  entries(): FamilyEntries {
    return { ipv4: this.ipv4.entries(), ipv6: this.ipv6.entries(), any: this.any.entries() }
  }

  restore(entries: FamilyEntries): void {
    for (const asked of askedFor) this[asked].restore(entries[asked])
  }
}
