/**
 * What was answered when things were up, for `last-known`. Kept by pool and by service, not as whole answers: each pool
 * remembers the members that it was answered with, each service the choices that its answers came from, nested ones too. So
 * the steering that made an answer can make it again (by area, by weight, by hash), a pool is remembered once however many
 * services name it, and a change of configuration takes away only what it took away.
 *
 * A pool that is up because members were counted as up without having been measured says nothing of what was: it keeps
 * what it remembered, if it remembers anything.
 *
 * For a service that steers by `latency` this is also the choice that it had before, which another one has to beat.
 */
import type { Ended } from '../model/births.ts'
import type { Asked } from '../model/family.ts'
import { reach } from '../rules/graph.ts'
import type { PoolJudgement } from './judge.ts'
import type { ServiceJudgement } from './selection.ts'

export interface LastKnown {
  /** Names of members by pool. */
  readonly pools: ReadonlyMap<string, readonly string[]>
  /** Choices by service, as `choiceKey` writes them. */
  readonly services: ReadonlyMap<string, readonly string[]>
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
  readonly pools = new Map<string, readonly string[]>()
  readonly services = new Map<string, readonly string[]>()

  /** Takes note of what is up, all the way down: of a selection's `judgement`. */
  remember(asked: ServiceJudgement): void {
    const news = reach<ServiceJudgement | PoolJudgement>([asked], (judgement) =>
      'pool' in judgement || this.#noted.has(judgement)
        ? []
        : judgement.choices.map((choice) => choice.judgement),
    )
    for (const judgement of news) {
      if (this.#noted.has(judgement)) continue
      this.#noted.add(judgement)
      if ('pool' in judgement) this.#rememberPool(judgement)
      else this.#rememberService(judgement)
    }
  }

  #rememberService({ service, up, choices }: ServiceJudgement): void {
    if (!up) return
    // What is down may be used all the same, by the policy for clients for whom all is.
    const used = choices.filter((choice) => choice.used && choice.up)
    this.services.set(
      service.name,
      used.map(({ key }) => key),
    )
  }

  #rememberPool({ pool, members, serving }: PoolJudgement): void {
    if (serving === null) return
    const served = members.filter(({ serves }) => serves)
    const guessed = served.some(({ reason }) => reason === 'unknown, counts as up')
    if (guessed && this.pools.has(pool.name)) return
    this.pools.set(
      pool.name,
      served.map(({ member }) => member.name),
    )
  }

  /** Forgets what is no more, though others may have its names. */
  forget({ members, pools, services }: Ended): void {
    for (const { pool, member } of members) {
      const names = this.pools.get(pool)
      if (names !== undefined)
        this.pools.set(
          pool,
          names.filter((name) => name !== member),
        )
    }
    for (const name of pools) this.pools.delete(name)
    for (const name of services) this.services.delete(name)
    const keys = new Set([
      ...pools.map((name) => `pool ${name}`),
      ...services.map((name) => `service ${name}`),
    ])
    if (keys.size === 0) return
    for (const [name, choices] of this.services)
      this.services.set(
        name,
        choices.filter((key) => !keys.has(key)),
      )
  }

  /** Forgets the pools and services that are not among these. */
  retain(pools: { has(name: string): boolean }, services: { has(name: string): boolean }): void {
    for (const name of this.pools.keys()) if (!pools.has(name)) this.pools.delete(name)
    for (const name of this.services.keys()) if (!services.has(name)) this.services.delete(name)
  }

  entries(): LastKnownEntries {
    return { pools: [...this.pools], services: [...this.services] }
  }

  restore({ pools, services }: LastKnownEntries): void {
    for (const [name, members] of pools) this.pools.set(name, members)
    for (const [name, choices] of services) this.services.set(name, choices)
  }
}

/**
 * What is remembered, for each family by itself and for both as one: A and AAAA may have come from different pools. Bounded as
 * each of them is.
 */
export class FamilyAnswers {
  readonly ipv4 = new LastKnownAnswers()
  readonly ipv6 = new LastKnownAnswers()
  readonly any = new LastKnownAnswers()

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
