/**
 * How a service is answered, and why. Pure: configuration, what was measured and what the operator said go in; a selection
 * comes out that holds the answer as a tree, and beside it a judgement of every choice, pool and member, for explaining.
 *
 * ## Levels
 * A pool is judged by its members (`judge.ts`), a service by its choices, which are pools or other services; a
 * service is up when one of its choices is. Each level is judged by itself, and sees of the one below only up or down:
 *
 * - A pool that is down and has a `whenAllDown` of its own counts as up, and answers by that. When it has nothing to answer
 *   with by it, as an empty pool has by `serve-all`, it counts as down after all.
 * - A service that is down counts as down to the one that names it, which goes on to its next choice: its own `whenAllDown`
 *   is for those who ask for it by its name. Otherwise no failover would ever get past a nested service, because the policy
 *   that every service has always gives something.
 *
 * ## When nothing is up
 * The `whenAllDown` of the service that was asked decides for all: `serve-all` answers with everything
 * in the first pool that has anything, through nested services in order; what the operator took out stays out as long as
 * any pool has something else. `last-known` makes the answer that there was. Both give up the distinctions between
 * clients only where they must: the first has one leaf, the second the whole tree.
 *
 * ## Circles
 * No service leads back to itself; the document and the store see to that. One that a row written by hand makes lead back
 * is down there.
 */
import { leavesOf } from '../../dataplane/image/plan-tree.ts'
import type { Pool } from '../model/pool.ts'
import type { Choice, Service } from '../model/service.ts'
import { once, reach } from '../rules/graph.ts'
import { choiceKey, compose, type Option, type Options } from './compose.ts'
import { type Conditions, isTakenOut, judgePool, type PoolJudgement, poolCondition } from './judge.ts'
import type { LastKnown } from './last-known.ts'
import { emptyAnswer, ownAnswer, rememberedAnswer, servingAnswer, wholeAnswer } from './pool-answer.ts'
import type {
  AnsweredBy,
  AnswerTree,
  ChoiceJudgement,
  PoolAnswer,
  Selection,
  ServiceAreas,
  ServiceJudgement,
} from './selection.ts'

/** What a selection is made from. */
export interface Situation {
  /** Every pool and every service that is named by those selected for. */
  readonly pools: ReadonlyMap<string, Pool>
  readonly services: ReadonlyMap<string, Service>
  readonly conditions: Conditions
  readonly lastKnown: LastKnown
  /** What a service that steers by `geo` or `nearest` goes by; null while there is no map, and every client is in area 0. */
  areas(service: string): ServiceAreas | null
}

interface Judged<Kind, Judgement, Answer extends AnswerTree> {
  readonly kind: Kind
  readonly judgement: Judgement
  /** Null when it is down. */
  readonly option: (Option & { readonly tree: Answer }) | null
}
type JudgedPool = Judged<'pool', PoolJudgement, PoolAnswer>
type JudgedService = Judged<'service', ServiceJudgement, AnswerTree>

/**
 * One moment: what several choices name is judged once, so that its answer is one object, and so is what several services
 * name that are selected for in one go. Good as long as nothing in its situation changes.
 */
export class Round {
  readonly #situation: Situation
  readonly #pool = once((name) => this.#judgePool(name))
  readonly #service = once<JudgedService>(
    (name) => this.#judgeService(this.#find(name)),
    (name) => {
      const judgement = { service: this.#find(name), up: false, choices: [], areas: null }
      return { kind: 'service', judgement, option: null }
    },
  )
  /** The answers that there were. */
  readonly #rememberedPool = once((name) => {
    const { conditions, lastKnown } = this.#situation
    return rememberedAnswer(this.judgePool(name), conditions, lastKnown)
  })
  readonly #rememberedService = once(
    (name): AnswerTree | null => this.#recallService(this.#find(name)),
    () => null,
  )

  constructor(situation: Situation) {
    this.#situation = situation
  }

  /** How a service that there is is answered. */
  select(name: string): Selection {
    const { judgement, option } = this.#service(name)
    if (option !== null) return { judgement, by: 'up', tree: option.tree }
    const { by, tree } = this.#answerAllDown(judgement.service)
    if (by === 'fallback') return { judgement, by, tree }
    const served = new Set(leavesOf(tree).flatMap(({ pool }) => (pool === null ? [] : [pool.name])))
    return { judgement: markServed(judgement, served, by), by, tree }
  }

  /** Judges a pool that there is. */
  judgePool(pool: string): PoolJudgement {
    return this.#pool(pool).judgement
  }

  #judgePool(name: string): JudgedPool {
    const { pools, conditions, lastKnown } = this.#situation
    const judgement = judgePool(pools.get(name)!, conditions)
    const tree =
      judgement.serving === null
        ? ownAnswer(judgement, pools, conditions, lastKnown)
        : servingAnswer(judgement)
    const option = tree === null ? null : { tree, latencyMs: meanLatency(judgement, conditions) }
    return { kind: 'pool', judgement, option }
  }

  #judgeService(service: Service): JudgedService {
    const areas = this.#areasOf(service)
    const judged = service.choices.map(({ kind, name }) =>
      kind === 'pool' ? this.#pool(name) : this.#service(name),
    )
    const options = judged.map(({ option }) => option)
    const up = options.some((option) => option !== null)
    const composed = up ? compose(service, options, areas, this.#situation.lastKnown) : null
    const choices = judged.map((one, index) => {
      const why = one.option === null ? '' : composed!.why(index)
      return judgeChoice(service.choices[index]!, one, composed?.used.has(index) ?? false, why)
    })
    const option =
      composed === null ? null : { tree: composed.tree, latencyMs: lowest(options, composed.used) }
    return { kind: 'service', judgement: { service, up, choices, areas }, option }
  }

  #answerAllDown(service: Service): { readonly by: AnsweredBy; readonly tree: AnswerTree } {
    const { whenAllDown, fallback } = service
    switch (whenAllDown) {
      case 'nodata':
      case 'servfail':
        return { by: whenAllDown, tree: emptyAnswer(whenAllDown) }
      case 'fallback':
        return { by: whenAllDown, tree: this.#whole('fallback', [this.judgePool(fallback!)]) }
      case 'last-known':
      case 'serve-all': {
        const tree = whenAllDown === 'last-known' ? this.#rememberedService(service.name) : null
        if (tree !== null) return { by: whenAllDown, tree }
        return { by: 'serve-all', tree: this.#whole('serve-all', this.#poolsOf(service)) }
      }
    }
  }

  /** A snapshot may lack a service that another one names, because it lacks its zone: then it is down. */
  #find(name: string): Service {
    return this.#situation.services.get(name) ?? missingService(name)
  }

  #areasOf({ name, steer }: Service): ServiceAreas | null {
    return steer === 'geo' || steer === 'nearest' ? this.#situation.areas(name) : null
  }

  /** The pools that a service leads to, in the order in which they are met. */
  #poolsOf({ name }: Service): PoolJudgement[] {
    const asked: Pick<Choice, 'kind' | 'name'> = { kind: 'service', name }
    const met = reach(
      [asked],
      ({ kind, name }) => (kind === 'pool' ? [] : this.#find(name).choices),
      choiceKey,
    )
    return met.flatMap(({ kind, name }) => (kind === 'pool' ? [this.judgePool(name)] : []))
  }

  /** The first of these pools that has something to answer with, best something that the operator did not take out. */
  #whole(by: AnsweredBy, judgements: readonly PoolJudgement[]): PoolAnswer {
    const { conditions } = this.#situation
    const answers = judgements.flatMap((judgement) => wholeAnswer(by, judgement, conditions) ?? [])
    const wanted = answers.find(({ members }) => !members.every(isTakenOut))
    const judgement = judgements.find(({ members }) => members.length > 0) ?? judgements[0]
    if (judgement === undefined) return emptyAnswer('servfail')
    const { pool, members } = judgement
    // Of hosts without addresses, the plan makes a SERVFAIL or NODATA.
    return wanted ?? answers[0] ?? { kind: 'answer', by, pool, members, unsettled: true }
  }

  /** The answer that there was, as far as it can still be given; null when nothing is known of it. */
  #recallService(service: Service): AnswerTree | null {
    const { lastKnown } = this.#situation
    const keys = new Set(lastKnown.services.get(service.name))
    const options: Options = service.choices.map((choice) => {
      if (!keys.has(choiceKey(choice))) return null
      const { kind, name } = choice
      const tree = kind === 'pool' ? this.#rememberedPool(name) : this.#rememberedService(name)
      return tree === null ? null : { tree, latencyMs: null }
    })
    if (options.every((option) => option === null)) return null
    return compose(service, options, this.#areasOf(service), lastKnown).tree
  }
}

/** @param why it is used or is not, if it is up */
function judgeChoice(
  choice: Choice,
  judged: JudgedPool | JudgedService,
  used: boolean,
  why: string,
): ChoiceJudgement {
  const { option } = judged
  const up = option !== null
  const state = { key: choiceKey(choice), up, used, latencyMs: option?.latencyMs ?? null }
  if (judged.kind === 'service') {
    const { kind, judgement } = judged
    return { ...state, kind, judgement, why: up ? why : 'down: none of its choices is up' }
  }
  const { kind, judgement } = judged
  const { reason } = poolCondition(judgement)
  if (judged.option === null) return { ...state, kind, judgement, why: `down: ${reason}` }
  const { by } = judged.option.tree
  const own = by === 'up' ? '' : `; down (${reason}), answers by its own ${by}`
  return { ...state, kind, judgement, why: `${why}${own}` }
}

/** Says of choices that are down that they are answered from all the same. */
function markServed(asked: ServiceJudgement, pools: ReadonlySet<string>, by: AnsweredBy): ServiceJudgement {
  // Several choices may lead to one service.
  const marked = new Map<ServiceJudgement, ServiceJudgement>()
  const mark = (judgement: ServiceJudgement): ServiceJudgement => {
    const result = marked.get(judgement) ?? { ...judgement, choices: judgement.choices.map(markChoice) }
    marked.set(judgement, result)
    return result
  }
  const markChoice = (choice: ChoiceJudgement): ChoiceJudgement => {
    const served = { used: true, why: `${choice.why}; answers by ${by}` }
    if (choice.kind === 'pool')
      return pools.has(choice.judgement.pool.name) ? { ...choice, ...served } : choice
    const inner = mark(choice.judgement)
    return inner.choices.some(({ used }) => used) ? { ...choice, ...served, judgement: inner } : choice
  }
  return mark(asked)
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

/** The mean of the members that serve and have been timed. */
function meanLatency({ pool, members }: PoolJudgement, conditions: Conditions): number | null {
  if (pool.monitor === null) return null
  const times = members.flatMap(({ member, serves }) =>
    serves ? (conditions.latencyMs(pool.name, member.name) ?? []) : [],
  )
  return times.length === 0 ? null : times.reduce((sum, time) => sum + time, 0) / times.length
}

/** The lowest latency of the choices that are used: the others don't say how long anybody waits. */
function lowest(options: Options, used: ReadonlySet<number>): number | null {
  const times = [...used].flatMap((index) => options[index]?.latencyMs ?? [])
  return times.length === 0 ? null : Math.min(...times)
}
