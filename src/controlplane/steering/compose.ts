/**
 * How a service's choices become one answer, by what it steers by: given the choices that can answer (those that are up, or
 * those that were, for `last-known`), which of them are used, and why or why not in words.
 *
 * What depends on the client or on chance becomes a node of the tree; the rest is decided here. One choice left needs no node.
 * But `geo` and `nearest` keep theirs as soon as there are two areas, even when all of them are answered alike for now: the scope
 * of an answer says what it depends on, and one cached for everybody would outlive the moment in which it was right.
 *
 * A client's area has its list of choices, and no others: a list may be there to keep clients from what is not for them. When
 * none of it can answer, the area's place in the tree is a hole (`holes.ts`), but for what `geo.beyond` says: on to the list of
 * area 0, the default, or to the first choice that can. `nearest` has every choice in each list. Only when all of it is hole is
 * the service down.
 *
 * A choice whose own answer has holes (a nested service by `geo`) has them filled with what the service makes of its other
 * choices: by `failover` the next, by `weighted` and `hash` a draw among the rest, so that the shares are right for those clients too.
 */
import { stableKey } from '../../dataplane/image/stable-key.ts'
import type { OverrideState } from '../model/override.ts'
import type { Choice, GeoBeyond, Service } from '../model/service.ts'
import { fill, hasHoles, lacksSome, nobody } from './holes.ts'
import type { LastKnown } from './last-known.ts'
import type { AnswerTree, ServiceAreas, ServiceJudgement } from './selection.ts'
import { remainderOf, weightsAfterSpill } from './spill.ts'

/** A choice that can answer. */
export interface Option {
  /** May have holes: clients that it has nothing for. */
  readonly tree: AnswerTree
  /** Smoothed time of probes; null when there is none. */
  readonly latencyMs: number | null
}

/** Options by position in `Service.choices`; null can't answer. */
export type Options = readonly (Option | null)[]

export interface Composition {
  /** May have holes, but is not all hole. */
  readonly tree: AnswerTree
  readonly used: ReadonlySet<number>
  /** Why a choice is used or is not; of those that can answer. */
  readonly why: (index: number) => string
}

/** What is said of a service that an operator has forced. */
export function wordOn(forced: OverrideState): string {
  return forced === 'drain' ? 'draining' : `forced ${forced}`
}

/** Such as `pool web-eu`; no two choices of a service have the same. */
export function choiceKey({ kind, name }: Pick<Choice, 'kind' | 'name'>): string {
  return `${kind} ${name}`
}

/** @returns null when there is nothing that any client could be answered with */
export function compose(
  service: Service,
  options: Options,
  areas: ServiceAreas | null,
  lastKnown: LastKnown,
): Composition | null {
  if (service.steer === 'geo' || service.steer === 'nearest')
    return locate(options, areasOf({ service, areas }), beyondOf(service))
  return new Composer(service, options, lastKnown.used.get(service.name)?.[0]).without(new Set())
}

/** What is used, and what is made of it. */
interface Draft {
  /** At least one. */
  readonly used: readonly number[]
  readonly build: (treeOf: (index: number) => AnswerTree) => AnswerTree
  /** In the place of those of the options. */
  readonly trees?: ReadonlyMap<number, AnswerTree>
  readonly why: Composition['why']
}

/**
 * Most choices with holes that one draw after another leaves out. Each set of those left out has nodes of its own, so without a bound
 * there could be 2^100; beyond it the draw is among choices without holes.
 */
const maxLeftOut = 3

/** Positions of choices with holes. */
function holedOf(options: Options, isHoled = hasHoles): ReadonlySet<number> {
  return new Set(options.flatMap((option, index) => (option !== null && isHoled(option.tree) ? [index] : [])))
}

const isDrawn = ({ steer }: Pick<Service, 'steer'>) => steer === 'weighted' || steer === 'hash'

/** Composes where the choice does not go by where the client is. */
class Composer {
  readonly #service: Service
  readonly #options: Options
  /** The choice of `latency` before this one. */
  readonly #before: string | undefined
  /** Positions of choices with holes. */
  readonly #holed: ReadonlySet<number>
  /** By the choices left out, bounded by `maxLeftOut`, or where one choice is used at a time by how many there are. */
  readonly #made = new Map<string, Composition | null>()

  constructor(service: Service, options: Options, before: string | undefined) {
    this.#service = service
    this.#options = options
    this.#before = before
    // Of what is drawn among, the others take what one spills by being drawn more often.
    this.#holed = holedOf(options, isDrawn(service) ? lacksSome : hasHoles)
  }

  without(leftOut: ReadonlySet<number>): Composition | null {
    const key = [...leftOut].sort((a, b) => a - b).join()
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const made = this.#compose(leftOut)
    this.#made.set(key, made)
    return made
  }

  #compose(leftOut: ReadonlySet<number>): Composition | null {
    const drawn = isDrawn(this.#service)
    const isOut = (index: number) =>
      leftOut.has(index) || (drawn && leftOut.size >= maxLeftOut && this.#holed.has(index))
    const options = this.#options.map((option, index) => (isOut(index) ? null : option))
    if (options.every((option) => option === null)) return null
    const draft = this.#draft(options)
    const rests = draft.used.flatMap((index) => {
      const rest = this.#holed.has(index) ? this.without(new Set([...leftOut, index])) : null
      return rest === null ? [] : [{ index, rest }]
    })
    const tree = draft.build((index) => {
      const rest = rests.find((one) => one.index === index)?.rest
      const own = draft.trees?.get(index) ?? options[index]!.tree
      return rest === undefined ? own : fill(own, rest.tree)
    })
    const used = new Set([...draft.used, ...rests.flatMap(({ rest }) => [...rest.used])])
    const why = (index: number) => {
      const behind = draft.used.includes(index) ? undefined : rests.find(({ rest }) => rest.used.has(index))
      if (behind === undefined) return draft.why(index)
      const { name } = this.#service.choices[behind.index]!
      const lacks = lacksSome(options[behind.index]!.tree)
      return `${behind.rest.why(index)}, for ${lacks ? `clients that ${name} has nothing for` : `what ${name} spills`}`
    }
    return { tree, used, why }
  }

  #draft(options: Options): Draft {
    switch (this.#service.steer) {
      case 'weighted':
      case 'hash':
        return share(this.#service, options)
      case 'latency':
        return fastest(this.#service, options, this.#before)
      default:
        return failover(options)
    }
  }
}

function failover(options: Options): Draft {
  const first = options.findIndex((option) => option !== null)
  return {
    used: [first],
    build: (treeOf) => treeOf(first),
    why: (index) =>
      index === first
        ? `${ordinal(index)} choice, the first that is up`
        : `${ordinal(index)} choice, the ${ordinal(first)} is up`,
  }
}

function share({ choices, steer, hashPrefix }: Service, options: Options): Draft {
  const up = options.flatMap((option, index) => (option === null ? [] : [{ index, choice: choices[index]! }]))
  const weighty = up.filter(({ choice }) => choice.weight > 0)
  const drawn = (weighty.length > 0 ? weighty : up).map(({ index, choice }) => {
    const weight = weighty.length > 0 ? choice.weight : 1
    return { index, weight, key: stableKey(choiceKey(choice)) }
  })
  const total = drawn.reduce((sum, { weight }) => sum + weight, 0)
  const used = drawn.map(({ index }) => index)
  const remainders = drawn.map(({ index }) => remainderOf(options[index]!.tree))
  const stays = remainders.map((remainder) => remainder.share)
  const spread = weightsAfterSpill(
    drawn.map(({ weight }) => weight),
    stays,
  )
  const why = (index: number) => {
    const { weight } = choices[index]!
    if (weight === 0 && !used.includes(index)) return 'weight 0: a last resort, and others are up'
    if (weight === 0) return `weight 0: a last resort, and nothing else is up`
    if (drawn.length === 1) return `weight ${weight}, and no other is up`
    const takes = spread !== null && stays[used.indexOf(index)] === 1 ? ', and what full pools spill' : ''
    return `weight ${weight} of ${total}${takes}`
  }
  const build = (treeOf: (index: number) => AnswerTree): AnswerTree => {
    if (drawn.length === 1) return treeOf(drawn[0]!.index)
    const children = drawn.map(({ index, weight, key }, at) => {
      return { weight: spread?.[at] ?? weight, key, node: treeOf(index) }
    })
    return steer === 'hash' ? { kind: 'hash', prefix: hashPrefix, children } : { kind: 'weighted', children }
  }
  if (spread === null) return { used, build, why }
  return { used, build, why, trees: new Map(used.map((index, at) => [index, remainders[at]!.tree])) }
}

/** The areas of a service that steers by `geo` or `nearest`. While there is no map, every client is in area 0. */
export function areasOf({ service, areas }: Pick<ServiceJudgement, 'service' | 'areas'>): ServiceAreas {
  const { choices, geo } = service
  return areas ?? { mapSlot: 0, areas: [geo?.default ?? choices.map((_, index) => index)] }
}

/** How far clients go beyond their lists. */
export function beyondOf({ geo }: Pick<Service, 'geo'>): GeoBeyond {
  // The lists of `nearest` have every choice, but where the map is one of a configuration before this one.
  return geo?.beyond ?? 'any'
}

/** The choices for clients of an area in order of preference, each once; mostly the first is all that is asked for. */
export function* preferences(
  { areas }: ServiceAreas,
  area: number,
  choices: number,
  beyond: GeoBeyond,
): Generator<number> {
  const lists: readonly Iterable<number>[] = [
    areas[area] ?? areas[0]!,
    beyond === 'none' ? [] : areas[0]!,
    beyond === 'any' ? Array(choices).keys() : [],
  ]
  const met = new Set<number>()
  for (const list of lists) {
    for (const index of list) {
      // A map of a configuration before this one may speak of more choices than there are.
      if (index >= choices || met.has(index)) continue
      met.add(index)
      yield index
    }
  }
}

/** What clients of an area are answered from, whose choices are these: the first, and while there are holes in that the next. */
export function chain(trees: Iterable<AnswerTree>): AnswerTree {
  let chained: AnswerTree = nobody
  for (const tree of trees) {
    chained = fill(chained, tree)
    if (!hasHoles(chained)) break
  }
  return chained
}

/** A tree with a place for each area; without a choice between areas it needs none. */
export function locatedTree({ mapSlot }: ServiceAreas, areas: readonly AnswerTree[]): AnswerTree {
  return areas.length === 1 ? areas[0]! : { kind: 'located', mapSlot, areas }
}

function locate(options: Options, located: ServiceAreas, beyond: GeoBeyond): Composition | null {
  const counts = new Map<number, number>()
  const holed = holedOf(options)
  // Areas may have the same choices left, and are to share a node then.
  const chained = new Map<string, AnswerTree>()
  const trees = located.areas.map((list, area) => {
    const first = list.find((index) => options[index] != null)
    if (first !== undefined && !holed.has(first)) {
      counts.set(first, (counts.get(first) ?? 0) + 1)
      return options[first]!.tree
    }
    const own: number[] = []
    for (const index of preferences(located, area, options.length, beyond)) {
      if (options[index] === null) continue
      own.push(index)
      counts.set(index, (counts.get(index) ?? 0) + 1)
      if (!holed.has(index)) break
    }
    const key = own.join()
    const tree = chained.get(key) ?? chain(own.map((index) => options[index]!.tree))
    chained.set(key, tree)
    return tree
  })
  if (trees.every((tree) => tree === nobody)) return null
  return {
    tree: locatedTree(located, trees),
    used: new Set(counts.keys()),
    why: (index) => {
      const count = counts.get(index) ?? 0
      if (count === 0) return 'up, but the first that is up in no area'
      return trees.length === 1 ? 'the first that is up' : `for ${count} of ${trees.length} areas`
    },
  }
}

/**
 * Why each choice of a service that steers by `geo` or `nearest` is used or is not for clients of one area; none is when nothing is up
 * that they may be sent to. By position in the service's choices.
 *
 * @param passed choices that had nothing for the client, though they are up
 */
export function explainArea(
  judgement: ServiceJudgement,
  area: number,
  passed: ReadonlySet<number> = new Set(),
): { readonly used: boolean; readonly why: string }[] {
  const { service, choices } = judgement
  const located = areasOf(judgement)
  const list = located.areas[area] ?? located.areas[0]!
  const able = (index: number) => choices[index]!.up && !passed.has(index)
  const chosen = [...preferences(located, area, choices.length, beyondOf(service))].find(able)
  const whyChosen = (index: number) => {
    if (list.includes(index))
      return `${ordinal(list.indexOf(index))} choice of this area, the first that is up`
    if (located.areas[0]!.includes(index))
      return "nothing of this area's list is up; of the default list the first that is"
    return "nothing of this area's list or of the default list is up; the first that is"
  }
  return service.choices.map((_, index) => {
    if (index === chosen) return { used: true, why: whyChosen(index) }
    const position = list.indexOf(index)
    if (position < 0) return { used: false, why: "not in this area's list" }
    const place = `${ordinal(position)} choice of this area`
    const { up, forced } = choices[index]!
    if (!up) return { used: false, why: `${place}, and ${forced === undefined ? 'down' : wordOn(forced)}` }
    if (passed.has(index)) {
      const spilled = choices[index]!.spills === true
      return {
        used: false,
        why: `${place}, and ${spilled ? 'spilled this answer' : 'has nothing for the client'}`,
      }
    }
    return { used: false, why: `${place}, the ${ordinal(list.indexOf(chosen!))} is up` }
  })
}

/** Another choice than the one before has to be faster than that by the hysteresis. */
function fastest(service: Service, options: Options, before: string | undefined): Draft {
  const { choices, hysteresis } = service
  const timed = options.flatMap((option, index) =>
    option === null || option.latencyMs === null ? [] : [{ index, latencyMs: option.latencyMs }],
  )
  if (timed.length === 0) {
    const { why, ...rest } = failover(options)
    return { ...rest, why: (index) => `no latency measured; ${why(index)}` }
  }
  const lowest = timed.reduce((best, one) => (one.latencyMs < best.latencyMs ? one : best))
  const held = timed.find(({ index }) => choiceKey(choices[index]!) === before)
  const stays = held !== undefined && lowest.latencyMs >= held.latencyMs * (1 - hysteresis)
  const chosen = stays ? held : lowest
  const key = choiceKey(choices[chosen.index]!)
  return {
    used: [chosen.index],
    build: (treeOf) => treeOf(chosen.index),
    why: (index) => {
      const latencyMs = options[index]?.latencyMs ?? null
      if (latencyMs === null) return 'no latency measured'
      const text = `latency ${milliseconds(latencyMs)}`
      if (index === chosen.index) {
        if (latencyMs === lowest.latencyMs) return `${text}, the lowest`
        return `${text}, chosen before, and none is faster by ${Math.round(hysteresis * 100)} %`
      }
      const more = latencyMs - chosen.latencyMs
      if (more >= 0) return `${text}, ${milliseconds(more)} more than ${key}`
      const enough = `${Math.round(hysteresis * 100)} %`
      return `${text}, ${milliseconds(-more)} less than ${key}, which stays until another is faster by ${enough}`
    },
  }
}

function milliseconds(time: number): string {
  return `${time < 10 ? Math.round(time * 10) / 10 : Math.round(time)} ms`
}

const ordinals = 'first second third fourth fifth sixth seventh eighth ninth tenth'.split(' ')

function ordinal(index: number): string {
  return ordinals[index] ?? `${index + 1}th`
}
