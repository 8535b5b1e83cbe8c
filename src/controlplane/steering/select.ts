/**
 * How a service is answered, and why. Pure: configuration, what was measured and what the operator said go in; a selection
 * comes out that holds the answer as a tree, and beside it a judgement of every choice, pool and member, for explaining.
 *
 * ## Families
 * A and AAAA are selected for by themselves, with another round each, and may come from different pools. A pool that has members but
 * none of the family is no choice: it is passed over like one that is down, but when nothing else is there, the service is
 * not down in that family; it has nothing of it, and the answer is NODATA whatever `whenAllDown` says. A service that may be
 * answered with a CNAME is selected for once (`any`): a CNAME is there for every type (RFC 1034 section 3.6.2), so A must not
 * come from where AAAA has one.
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
 * ## Full pools
 * A pool that is full is up, and has a hole in its tree for a share of its answers (`pool-tree.ts`): the next choice takes them, as
 * it takes clients that one has nothing for, also that of the service around a nested one. What nobody takes the pool answers after all.
 *
 * ## When nothing is up
 * The `whenAllDown` of the service that was asked decides for all: `serve-all` answers with everything in the first pool that
 * has anything, through nested services in order; what the operator took out stays out as long as any pool has
 * something else. `last-known` makes the answer that there was. Each client keeps its own place in both: where `geo` or `nearest`
 * choose, "the first" is the first of its own list, and no client is answered from what its list does not have.
 *
 * With `geo` it may be that nothing is up for some clients alone. Those are answered like that too, the others as ever.
 *
 * ## Circles
 * No service leads back to itself; the document and the store see to that. One that a row written by hand makes lead back
 * is down there.
 */
import { leavesOf, mapTree } from '../../dataplane/image/plan-tree.ts'
import type { Asked } from '../model/family.ts'
import type { OverrideState } from '../model/override.ts'
import type { AddressText, Pool } from '../model/pool.ts'
import type { Choice, Service } from '../model/service.ts'
import { once } from '../rules/graph.ts'
import {
  areasOf,
  beyondOf,
  chain,
  choiceKey,
  compose,
  locatedTree,
  type Options,
  preferences,
} from './compose.ts'
import { fill, hasHoles, nobody, spillsSome } from './holes.ts'
import { type Conditions, isTakenOut, judgePool, type PoolJudgement } from './judge.ts'
import { type JudgedPool, type JudgedService, judgeChoice, missingService } from './judged.ts'
import type { LastKnown } from './last-known.ts'
import { markFirst, markServed } from './marks.ts'
import { absentAnswer, emptyAnswer, ownAnswer, rememberedAnswer, wholeAnswer } from './pool-answer.ts'
import { poolTree } from './pool-tree.ts'
import {
  type AnsweredBy,
  type AnswerTree,
  isForcedOut,
  type PoolAnswer,
  type Selection,
  type ServiceAreas,
  type ServiceJudgement,
} from './selection.ts'
import { keepSpilled } from './spill.ts'

/** What a selection is made from. */
export interface Situation {
  /** What it is for: A, AAAA, or both where they can't be told apart. */
  readonly asked: Asked
  /** Every pool and every service that is named by those selected for. */
  readonly pools: ReadonlyMap<string, Pool>
  readonly services: ReadonlyMap<string, Service>
  readonly conditions: Conditions
  readonly lastKnown: LastKnown
  /** What a service that steers by `geo` or `nearest` goes by; null while there is no map, and every client is in area 0. */
  areas(service: string): ServiceAreas | null
}

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
      const judgement = { service: this.#find(name), up: false, present: true, choices: [], areas: null }
      return { kind: 'service', judgement, option: null }
    },
  )
  readonly #forcedUp = once<JudgedService>(
    (name) => this.#makeForcedUp(name),
    (name) => this.#service(name),
  )
  /** The answers that there were. */
  readonly #rememberedPool = once((name) => {
    return rememberedAnswer(this.judgePool(name), this.#situation.lastKnown)
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
    const { asked } = this.#situation
    const { judgement, option } = this.#service(name)
    if (!judgement.present) {
      const { marked, pool } = markFirst(judgement)
      const tree: PoolAnswer = { ...absentAnswer, pool }
      return { asked, judgement: marked, by: 'up', tree, keepsSpill: false }
    }
    const keepsSpill = option !== null && spillsSome(option.tree)
    const own = option === null ? nobody : keepSpilled(option.tree)
    if (!hasHoles(own)) return { asked, judgement, by: 'up', tree: own, keepsSpill }
    const told = fill(own, this.#absence(judgement))
    if (!hasHoles(told)) return { asked, judgement, by: 'up', tree: told, keepsSpill }
    const down = this.#answerAllDown(judgement.service)
    const by = option === null ? down.by : 'up'
    const tree = fill(told, down.tree)
    if (down.by === 'fallback') return { asked, judgement, by, tree, keepsSpill }
    const fillings = new Set(leavesOf(down.tree))
    const served = leavesOf(tree).flatMap((leaf) =>
      leaf.pool !== null && fillings.has(leaf) ? [leaf.pool.name] : [],
    )
    return { asked, judgement: markServed(judgement, new Set(served), down.by), by, tree, keepsSpill }
  }

  /** Judges a pool that there is. */
  judgePool(pool: string): PoolJudgement {
    return this.#pool(pool).judgement
  }

  #judgePool(name: string): JudgedPool {
    const { asked, pools, conditions, lastKnown } = this.#situation
    const judgement = judgePool(pools.get(name)!, asked, conditions)
    if (!judgement.present) return { kind: 'pool', judgement, option: null }
    const tree =
      judgement.serving === null ? ownAnswer(judgement, pools, conditions, lastKnown) : poolTree(judgement)
    const option = tree === null ? null : { tree, latencyMs: meanLatency(judgement, conditions) }
    return { kind: 'pool', judgement, option }
  }

  #judgeService(service: Service): JudgedService {
    const areas = this.#areasOf(service)
    const judged = service.choices.map(({ kind, name }) =>
      kind === 'pool' ? this.#pool(name) : this.#asChoice(name),
    )
    const options = judged.map(({ option }) => option)
    const composed = compose(service, options, areas, this.#situation.lastKnown)
    const choices = judged.map((one, index) => {
      const why =
        one.option === null ? '' : (composed?.why(index) ?? 'up, but no client may be answered from it')
      return judgeChoice(
        this.#situation.asked,
        service.choices[index]!,
        one,
        composed?.used.has(index) ?? false,
        why,
      )
    })
    const option =
      composed === null ? null : { tree: composed.tree, latencyMs: lowest(options, composed.used) }
    // One that leads nowhere at all is down: it was to lead somewhere.
    const present = judged.length === 0 || judged.some(({ judgement }) => judgement.present)
    return { kind: 'service', judgement: { service, up: composed !== null, present, choices, areas }, option }
  }

  /** A service that stands in a pool's place, by the operator's word where there is one. */
  #asChoice(name: string): JudgedService {
    const judged = this.#service(name)
    const forced = this.#forced(name)
    if (forced === null) return judged
    if (isForcedOut(forced)) return { ...judged, option: null, forced }
    return judged.judgement.present ? this.#forcedUp(name) : judged
  }

  #forced(service: string): OverrideState | null {
    return this.#situation.conditions.forcedService?.(service) ?? null
  }

  /** Clients that it has nothing for get what it would serve if all of it were up. */
  #makeForcedUp(name: string): JudgedService {
    const judged = this.#service(name)
    const own = keepSpilled(judged.option?.tree ?? nobody)
    const whole = hasHoles(own) ? chain(this.#wholeGrades(name, ['wanted', 'able'])) : nobody
    const tree = fill(own, whole)
    if (tree === nobody) return { ...judged, forced: 'up' }
    const served = new Set(leavesOf(whole).flatMap(({ pool }) => pool?.name ?? []))
    const judgement = markServed(judged.judgement, served, 'serve-all')
    return {
      ...judged,
      judgement,
      option: { tree, latencyMs: judged.option?.latencyMs ?? null },
      forced: 'up',
    }
  }

  #answerAllDown(service: Service): { readonly by: AnsweredBy; readonly tree: AnswerTree } {
    const { whenAllDown, fallback } = service
    switch (whenAllDown) {
      case 'nodata':
      case 'servfail':
        return { by: whenAllDown, tree: emptyAnswer(whenAllDown) }
      case 'fallback':
        return { by: whenAllDown, tree: this.#wholePool(this.judgePool(fallback!)) }
      case 'last-known':
      case 'serve-all': {
        const known = whenAllDown === 'last-known' ? this.#rememberedService(service.name) : null
        const tree = known ?? nobody
        const whole = hasHoles(tree) ? fill(tree, this.#whole(service.name)) : tree
        return { by: known === null ? 'serve-all' : whenAllDown, tree: whole }
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

  /** Everything that a service leads to, for each client the first that has anything, best something that was not taken out. */
  #whole(service: string): AnswerTree {
    return fill(chain(this.#wholeGrades(service)), emptyAnswer('servfail'))
  }

  *#wholeGrades(service: string, grades: readonly WholeGrade[] = wholeGrades): Generator<AnswerTree> {
    for (const grade of grades) {
      const isOut = (inner: string) => grade === 'wanted' && isForcedOut(this.#forced(inner))
      yield this.#madeOfPools(service, (pool) => this.#gradedPool(pool, 'serve-all', grade), isOut)
    }
  }

  /**
   * Clients of the tree to whom nothing can be said in the family that is asked for, since none of what they may be sent to has
   * anything of it: they get NODATA, whatever answers when things are down. All others are a hole.
   */
  #absence({ service }: ServiceJudgement): AnswerTree {
    if (this.#situation.asked === 'any') return nobody
    const there = this.#madeOfPools(service.name, (pool) => (pool.present ? absentAnswer : nobody))
    if (!hasHoles(there) || there === nobody) return nobody
    return mapTree<PoolAnswer, PoolAnswer>(there, (leaf) => (leaf === nobody ? absentAnswer : nobody))
  }

  /**
   * What a service leads to, for each client the first of its pools that makes something; where none does, a hole.
   * @param isOut nested services that are passed over
   */
  #madeOfPools(
    name: string,
    treeOfPool: (pool: PoolJudgement) => AnswerTree,
    isOut: (service: string) => boolean = () => false,
  ): AnswerTree {
    const made: (name: string) => AnswerTree = once<AnswerTree>(
      (inner) => {
        const service = this.#find(inner)
        const { choices, steer } = service
        const treeOf = (index: number) => {
          const { kind, name } = choices[index]!
          if (kind === 'pool') return treeOfPool(this.judgePool(name))
          return isOut(name) ? nobody : made(name)
        }
        const first = function* (preferred: Iterable<number>) {
          for (const index of preferred) yield treeOf(index)
        }
        if (steer !== 'geo' && steer !== 'nearest') return chain(first(choices.keys()))
        const areas = areasOf({ service, areas: this.#areasOf(service) })
        const beyond = beyondOf(service)
        const own = areas.areas.map((_, area) =>
          chain(first(preferences(areas, area, choices.length, beyond))),
        )
        return own.every((tree) => tree === nobody) ? nobody : locatedTree(areas, own)
      },
      () => nobody,
    )
    return made(name)
  }

  #gradedPool(judgement: PoolJudgement, by: AnsweredBy, grade: WholeGrade): AnswerTree {
    const { pool, members } = judgement
    const able = wholeAnswer(by, judgement)
    switch (grade) {
      case 'wanted':
        return able === null || able.members.every(isTakenOut) ? nobody : able
      case 'able':
        return able ?? nobody
      case 'listed':
        // Of hosts without addresses, the plan makes a SERVFAIL or NODATA.
        return members.length === 0
          ? nobody
          : { kind: 'answer', by, pool, members, of: members.length, unsettled: true }
      case 'empty':
        return { kind: 'answer', by, pool, members, of: members.length, unsettled: true }
    }
  }

  /** A pool that is served whole, by `fallback`. */
  #wholePool(judgement: PoolJudgement): AnswerTree {
    return chain(wholeGrades.map((grade) => this.#gradedPool(judgement, 'fallback', grade)))
  }

  /** The answer that there was, as far as it can still be given; null when nothing is known of it. */
  #recallService(service: Service): AnswerTree | null {
    const { lastKnown } = this.#situation
    const keys = new Set(lastKnown.services.get(service.name))
    const recalled = (isWanted: (choice: Choice) => boolean) => {
      const options: Options = service.choices.map((choice) => {
        if (!isWanted(choice)) return null
        const { kind, name } = choice
        const tree = kind === 'pool' ? this.#rememberedPool(name) : this.#rememberedService(name)
        return tree === null ? null : { tree, latencyMs: null }
      })
      return compose(service, options, this.#areasOf(service), lastKnown)?.tree ?? null
    }
    const isOut = ({ kind, name }: Choice) => kind === 'service' && isForcedOut(this.#forced(name))
    const wasUsed = (choice: Choice) => keys.has(choiceKey(choice))
    const tree = recalled((choice) => wasUsed(choice) && !isOut(choice)) ?? recalled(wasUsed)
    if (tree === null || !hasHoles(tree)) return tree
    // For these clients all was down before it was for the others, when what they had is no longer in `keys`.
    const before = recalled((choice) => !isOut(choice))
    return before === null ? tree : fill(tree, before)
  }
}

/**
 * What a pool has to be answered with when nothing counts but the configuration, the best first: something that the operator did not
 * take out; something; members with nothing to answer with; nothing.
 */
const wholeGrades = ['wanted', 'able', 'listed', 'empty'] as const
type WholeGrade = (typeof wholeGrades)[number]

const wholeMember = [null]

/** The mean of what serves and has been timed. */
function meanLatency({ pool, members }: PoolJudgement, conditions: Conditions): number | null {
  if (pool.monitor === null) return null
  const timeOf = (member: string, addresses: readonly (AddressText | null)[]) =>
    addresses.flatMap((address) => conditions.latencyMs(pool.name, member, address) ?? [])
  const times = members.flatMap(({ member, serves, addresses }) => {
    if (!serves) return []
    return timeOf(member.name, pool.hosts === 'cname' ? wholeMember : addresses)
  })
  return times.length === 0 ? null : times.reduce((sum, time) => sum + time, 0) / times.length
}

/** The lowest latency of the choices that are used: the others don't say how long anybody waits. */
function lowest(options: Options, used: ReadonlySet<number>): number | null {
  const times = [...used].flatMap((index) => options[index]?.latencyMs ?? [])
  return times.length === 0 ? null : Math.min(...times)
}
