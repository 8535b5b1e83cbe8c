/**
 * How a service is answered, and why. Pure: configuration, what was measured and what the operator said go in; a selection
 * comes out that holds the answer as a tree, and beside it a judgement of every choice, pool and member, for explaining.
 *
 * Levels. A pool is judged by its members (`judge.ts`), a service by its choices, which are pools or other services; a
 * service is up when one of its choices is. Each level is judged by itself, and sees of the one below only up or down:
 *
 * - A pool that is down and has a `whenAllDown` of its own counts as up, and answers by that. When it has nothing to answer
 *   with by it, as an empty pool has by `serve-all`, it counts as down after all.
 * - A service that is down counts as down to the one that names it, which goes on to its next choice: its own `whenAllDown`
 *   is for those who ask for it by its name. Otherwise no failover would ever get past a nested service, because the policy
 *   that every service has always gives something.
 *
 * When nothing is up, the `whenAllDown` of the service that was asked decides for all: `serve-all` answers with everything
 * in the first pool that has anything, through nested services in order; what the operator took out stays out as long as
 * any pool has something else. `last-known` makes the answer that there was. Both give up the distinctions between
 * clients only where they must: the first has one leaf, the second the whole tree.
 *
 * No service leads back to itself; the document and the store see to that.
 */
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import { type Branch, type Leaf, leavesOf, type Outcome } from './branch.ts'
import { choiceKey, compose, type Option, type Options } from './compose.ts'
import type { Conditions } from './conditions.ts'
import { isTakenOut, judgePool, type PoolJudgement } from './judge.ts'
import type { LastKnown } from './last-known.ts'
import { emptyLeaf, ownAnswer, rememberedLeaf, servingLeaf, wholeLeaf } from './pool-answer.ts'
import { poolCondition } from './pool-condition.ts'
import type { PoolChoice, Selection, ServiceAreas, ServiceChoice, ServiceJudgement } from './selection.ts'

/** What a selection is made from. */
export interface Situation {
  /** By name: every pool and every service that is named by those selected for. */
  readonly pools: ReadonlyMap<string, Pool>
  readonly services: ReadonlyMap<string, Service>
  readonly conditions: Conditions
  readonly lastKnown: LastKnown
  /** Of a service that steers by `geo` or `nearest`; null while there is no map, and every client is in area 0. */
  areas(service: string): ServiceAreas | null
}

export function selectAnswer(service: Service, situation: Situation): Selection {
  return new Round(situation).select(service)
}

function selectFrom(round: Round, service: Service): Selection {
  const { judgement, option } = round.judge(service)
  if (option !== null) return { judgement, outcome: 'up', branch: option.branch }
  const { outcome, branch } = round.answerAllDown(service)
  const served = new Set(leavesOf(branch).flatMap(({ pool }) => (pool === null ? [] : [pool.name])))
  return {
    judgement: outcome === 'fallback' ? judgement : markServed(judgement, served, outcome),
    outcome,
    branch,
  }
}

/** Says of choices that are down that they are answered from all the same. */
function markServed(
  judgement: ServiceJudgement,
  pools: ReadonlySet<string>,
  outcome: Outcome,
  marked = new Map<ServiceJudgement, ServiceJudgement>(),
): ServiceJudgement {
  // Several choices may lead to one service.
  const known = marked.get(judgement)
  if (known !== undefined) return known
  const choices = judgement.choices.map((choice) => {
    const mark = { used: true, why: `${choice.why}; answers by ${outcome}` }
    if (choice.kind === 'pool') return pools.has(choice.judgement.pool.name) ? { ...choice, ...mark } : choice
    const inner = markServed(choice.judgement, pools, outcome, marked)
    if (!inner.choices.some(({ used }) => used)) return choice
    return { ...choice, ...mark, judgement: inner }
  })
  const result = { ...judgement, choices }
  marked.set(judgement, result)
  return result
}

interface Judged<T> {
  readonly judgement: T
  /** Null when it is down. */
  readonly option: Option | null
}

/**
 * One moment: what several choices name is judged once, so that its leaf is one object, and so is what several services name
 * that are selected for in one go. Good as long as nothing in its situation changes.
 */
export class Round {
  readonly #situation: Situation
  readonly #pools = new Map<string, Judged<PoolJudgement> & { readonly outcome: Outcome | null }>()
  readonly #services = new Map<string, Judged<ServiceJudgement>>()
  /** By service and by pool: the answers that there were. */
  readonly #memories = new Map<string, Branch | null>()
  readonly #memoryLeaves = new Map<string, Leaf | null>()

  constructor(situation: Situation) {
    this.#situation = situation
  }

  select(service: Service): Selection {
    return selectFrom(this, service)
  }

  /** Of a pool that there is. */
  judgePool(pool: string): PoolJudgement {
    return this.#pool(pool).judgement
  }

  judge(service: Service): Judged<ServiceJudgement> {
    const known = this.#services.get(service.name)
    if (known !== undefined) return known
    // Should it lead back to itself, which only a row that was written by hand can do, it is down there.
    this.#services.set(service.name, {
      judgement: { service, up: false, choices: [], areas: null },
      option: null,
    })
    const located = this.#areasOf(service)
    const judged = service.choices.map(({ kind, name }) =>
      kind === 'pool' ? { kind, ...this.#pool(name) } : { kind, ...this.judge(this.#service(name)) },
    )
    const options = judged.map(({ option }) => option)
    const up = options.some((option) => option !== null)
    const composed = up ? compose(service, options, located, this.#situation.lastKnown) : null
    const choices = judged.map((one, index): PoolChoice | ServiceChoice => {
      const state = {
        key: choiceKey(service.choices[index]!),
        up: one.option !== null,
        used: composed?.used.has(index) ?? false,
        latencyMs: one.option?.latencyMs ?? null,
      }
      const why = () => composed!.why(index)
      if (one.kind === 'service') {
        const reason = state.up ? why() : 'down: none of its choices is up'
        return { ...state, kind: one.kind, judgement: one.judgement, why: reason }
      }
      const { reason } = poolCondition(one.judgement)
      const own = one.outcome === 'up' ? '' : `; down (${reason}), answers by its own ${one.outcome}`
      return {
        ...state,
        kind: one.kind,
        judgement: one.judgement,
        outcome: one.outcome,
        why: state.up ? `${why()}${own}` : `down: ${reason}`,
      }
    })
    const option =
      composed === null ? null : { branch: composed.branch, latencyMs: lowest(options, composed.used) }
    const result = { judgement: { service, up, choices, areas: located }, option }
    this.#services.set(service.name, result)
    return result
  }

  #pool(name: string): Judged<PoolJudgement> & { readonly outcome: Outcome | null } {
    const known = this.#pools.get(name)
    if (known !== undefined) return known
    const { pools, conditions, lastKnown } = this.#situation
    const judgement = judgePool(pools.get(name)!, conditions)
    const leaf =
      judgement.serving === null ? ownAnswer(judgement, pools, conditions, lastKnown) : servingLeaf(judgement)
    const option = leaf === null ? null : { branch: leaf, latencyMs: meanLatency(judgement, conditions) }
    const result = { judgement, option, outcome: leaf?.outcome ?? null }
    this.#pools.set(name, result)
    return result
  }

  answerAllDown(service: Service): { readonly outcome: Outcome; readonly branch: Branch } {
    const { whenAllDown, fallback } = service
    switch (whenAllDown) {
      case 'nodata':
      case 'servfail':
        return { outcome: whenAllDown, branch: emptyLeaf(whenAllDown) }
      case 'fallback':
        return { outcome: whenAllDown, branch: this.#whole('fallback', [this.#pool(fallback!).judgement]) }
      case 'last-known':
      case 'serve-all': {
        const branch = whenAllDown === 'last-known' ? this.#remembered(service) : null
        if (branch !== null) return { outcome: whenAllDown, branch }
        return { outcome: 'serve-all', branch: this.#whole('serve-all', this.#poolsOf(service)) }
      }
    }
  }

  /** A snapshot may lack a service that another one names, because it lacks its zone: then it is down. */
  #service(name: string): Service {
    return this.#situation.services.get(name) ?? missingService(name)
  }

  #areasOf({ name, steer }: Service): ServiceAreas | null {
    return steer === 'geo' || steer === 'nearest' ? this.#situation.areas(name) : null
  }

  /** The pools that a service leads to, in the order in which they are met; those of a service once. */
  #poolsOf(service: Service): PoolJudgement[] {
    const found: PoolJudgement[] = []
    const seen = new Set<string>()
    const walk = ({ name: from, choices }: Service): void => {
      if (seen.has(from)) return
      seen.add(from)
      for (const { kind, name } of choices) {
        if (kind === 'pool') found.push(this.#pool(name).judgement)
        else walk(this.#service(name))
      }
    }
    walk(service)
    return found
  }

  /** Of the first of these pools that has something to answer with, best something that the operator did not take out. */
  #whole(outcome: Outcome, judgements: readonly PoolJudgement[]): Leaf {
    const leaves = judgements.flatMap(
      (judgement) => wholeLeaf(outcome, judgement, this.#situation.conditions) ?? [],
    )
    const wanted = leaves.find(({ members }) => !members.every(isTakenOut))
    const judgement = judgements.find(({ members }) => members.length > 0) ?? judgements[0]
    if (judgement === undefined) return emptyLeaf('servfail')
    const { pool, members } = judgement
    // Of hosts without addresses, the plan makes a SERVFAIL or NODATA.
    return wanted ?? leaves[0] ?? { kind: 'leaf', outcome, pool, members, unsettled: true }
  }

  /** The answer that there was, as far as it can still be given; null when nothing is known of it. */
  #remembered(service: Service): Branch | null {
    const known = this.#memories.get(service.name)
    if (known !== undefined) return known
    // Until it is made: for a service that leads back to itself.
    this.#memories.set(service.name, null)
    const made = this.#recall(service)
    this.#memories.set(service.name, made)
    return made
  }

  #rememberedPool(name: string): Leaf | null {
    const { conditions, lastKnown } = this.#situation
    const known = this.#memoryLeaves.get(name)
    const leaf =
      known === undefined ? rememberedLeaf(this.#pool(name).judgement, conditions, lastKnown) : known
    this.#memoryLeaves.set(name, leaf)
    return leaf
  }

  #recall(service: Service): Branch | null {
    const { lastKnown } = this.#situation
    const keys = new Set(lastKnown.services.get(service.name))
    const options: Options = service.choices.map((choice) => {
      if (!keys.has(choiceKey(choice))) return null
      const branch =
        choice.kind === 'pool'
          ? this.#rememberedPool(choice.name)
          : this.#remembered(this.#service(choice.name))
      return branch === null ? null : { branch, latencyMs: null }
    })
    if (options.every((option) => option === null)) return null
    return compose(service, options, this.#areasOf(service), lastKnown).branch
  }
}

function missingService(name: string): Service {
  return {
    name,
    ttlSeconds: 0,
    minTtlSeconds: null,
    steer: 'failover',
    choices: [],
    geo: null,
    hashPrefix: { ipv4: 32, ipv6: 128 },
    hysteresis: 0,
    whenAllDown: 'servfail',
    fallback: null,
  }
}

/** Of the members that serve and have been timed. */
function meanLatency({ pool, members }: PoolJudgement, conditions: Conditions): number | null {
  if (pool.monitor === null) return null
  const times = members.flatMap(({ member, serves }) =>
    serves ? (conditions.latencyMs(pool.name, member.name) ?? []) : [],
  )
  return times.length === 0 ? null : times.reduce((sum, time) => sum + time, 0) / times.length
}

/** Of the choices that are used: the others don't say how long anybody waits. */
function lowest(options: Options, used: ReadonlySet<number>): number | null {
  const times = [...used].flatMap((index) => options[index]?.latencyMs ?? [])
  return times.length === 0 ? null : Math.min(...times)
}
