/**
 * How a service's choices become one answer, by what it steers by: given the choices that can answer (those that are up, or
 * those that were, for `last-known`), which of them are used, and why or why not in words.
 *
 * What depends on the client or on chance becomes a node of the tree; the rest is decided here. One choice left needs no node.
 * But `geo` and `nearest` keep theirs as soon as there are two areas, even when all of them are answered alike for now: the scope
 * of an answer says what it depends on, and one cached for everybody would outlive the moment in which it was right.
 *
 * A client's area has its list of choices. When none of it can answer, the list of area 0 is taken, the default; when none of
 * that can either, the first choice that can: an answer from far away is better than one from what is down. Only when no
 * choice is left at all is the service down.
 */
import { stableKey } from '../../dataplane/image/stable-key.ts'
import type { Choice, Service } from '../model/service.ts'
import type { LastKnown } from './last-known.ts'
import type { AnswerTree, ServiceAreas, ServiceJudgement } from './selection.ts'

/** A choice that can answer. */
export interface Option {
  readonly tree: AnswerTree
  /** Smoothed time of probes; null when there is none. */
  readonly latencyMs: number | null
}

/** Options by position in `Service.choices`; null can't answer. */
export type Options = readonly (Option | null)[]

export interface Composition {
  readonly tree: AnswerTree
  readonly used: ReadonlySet<number>
  /** Why a choice is used or is not; of those that can answer. */
  readonly why: (index: number) => string
}

/** Such as `pool web-eu`; no two choices of a service have the same. */
export function choiceKey({ kind, name }: Pick<Choice, 'kind' | 'name'>): string {
  return `${kind} ${name}`
}

/** @param options at least one can answer */
export function compose(
  service: Service,
  options: Options,
  areas: ServiceAreas | null,
  lastKnown: LastKnown,
): Composition {
  switch (service.steer) {
    case 'failover':
      return failover(options)
    case 'weighted':
    case 'hash':
      return share(service, options)
    case 'geo':
    case 'nearest':
      return locate(options, areasOf({ service, areas }))
    case 'latency':
      return fastest(service, options, lastKnown.services.get(service.name)?.[0])
  }
}

function failover(options: Options): Composition {
  const first = options.findIndex((option) => option !== null)
  return {
    tree: options[first]!.tree,
    used: new Set([first]),
    why: (index) =>
      index === first
        ? `${ordinal(index)} choice, the first that is up`
        : `${ordinal(index)} choice, the ${ordinal(first)} is up`,
  }
}

function share({ choices, steer, hashPrefix }: Service, options: Options): Composition {
  const up = options.flatMap((option, index) =>
    option === null ? [] : [{ ...option, index, choice: choices[index]! }],
  )
  const weighty = up.filter(({ choice }) => choice.weight > 0)
  const drawn = weighty.length > 0 ? weighty : up
  const children = drawn.map(({ choice, tree }) => {
    const weight = weighty.length > 0 ? choice.weight : 1
    return { weight, key: stableKey(choiceKey(choice)), node: tree }
  })
  const total = children.reduce((sum, { weight }) => sum + weight, 0)
  const used = new Set(drawn.map(({ index }) => index))
  const why = (index: number) => {
    const { weight } = choices[index]!
    if (weight === 0 && !used.has(index)) return 'weight 0: a last resort, and others are up'
    if (weight === 0) return `weight 0: a last resort, and nothing else is up`
    return children.length === 1 ? `weight ${weight}, and no other is up` : `weight ${weight} of ${total}`
  }
  if (children.length === 1) return { tree: children[0]!.node, used, why }
  const tree: AnswerTree =
    steer === 'hash' ? { kind: 'hash', prefix: hashPrefix, children } : { kind: 'weighted', children }
  return { tree, used, why }
}

/** The areas of a service that steers by `geo` or `nearest`. While there is no map, every client is in area 0. */
export function areasOf({ service, areas }: Pick<ServiceJudgement, 'service' | 'areas'>): ServiceAreas {
  const { choices, geo } = service
  return areas ?? { mapSlot: 0, areas: [geo?.default ?? choices.map((_, index) => index)] }
}

/** The list that a client's choice came from: its area's, the default one, or simply all of them. */
type ChosenFrom = 'area' | 'default' | 'any'

/** The choice for clients of an area, when at least one can answer. */
function chooseInArea(
  { areas }: ServiceAreas,
  area: number,
  canAnswer: readonly boolean[],
): { readonly index: number; readonly from: ChosenFrom } {
  const first = (list: readonly number[]) => list.find((index) => canAnswer[index])
  const own = first(areas[area] ?? areas[0]!)
  if (own !== undefined) return { index: own, from: 'area' }
  const fallback = first(areas[0]!)
  if (fallback !== undefined) return { index: fallback, from: 'default' }
  return { index: canAnswer.indexOf(true), from: 'any' }
}

function locate(options: Options, located: ServiceAreas): Composition {
  const canAnswer = options.map((option) => option !== null)
  const chosen = located.areas.map((_, area) => chooseInArea(located, area, canAnswer).index)
  const counts = new Map<number, number>()
  for (const index of chosen) counts.set(index, (counts.get(index) ?? 0) + 1)
  const trees = chosen.map((index) => options[index]!.tree)
  return {
    tree: trees.length === 1 ? trees[0]! : { kind: 'located', mapSlot: located.mapSlot, areas: trees },
    used: new Set(chosen),
    why: (index) => {
      const count = counts.get(index) ?? 0
      if (count === 0) return 'up, but the first that is up in no area'
      return trees.length === 1 ? 'the first that is up' : `for ${count} of ${trees.length} areas`
    },
  }
}

/**
 * Why each choice of a service that steers by `geo` or `nearest`, and is up, is used or is not for clients of one area. By
 * position in the service's choices.
 */
export function explainArea(
  judgement: ServiceJudgement,
  area: number,
): { readonly used: boolean; readonly why: string }[] {
  const { service, choices } = judgement
  const located = areasOf(judgement)
  const canAnswer = choices.map(({ up }) => up)
  const list = located.areas[area] ?? located.areas[0]!
  const chosen = chooseInArea(located, area, canAnswer)
  const reasons: Record<ChosenFrom, string> = {
    area: `${ordinal(list.indexOf(chosen.index))} choice of this area, the first that is up`,
    default: "nothing of this area's list is up; of the default list the first that is",
    any: "nothing of this area's list or of the default list is up; the first that is",
  }
  return service.choices.map((_, index) => {
    if (index === chosen.index) return { used: true, why: reasons[chosen.from] }
    const position = list.indexOf(index)
    if (position < 0) return { used: false, why: "not in this area's list" }
    if (!canAnswer[index]) return { used: false, why: `${ordinal(position)} choice of this area, and down` }
    const other = ordinal(list.indexOf(chosen.index))
    return { used: false, why: `${ordinal(position)} choice of this area, the ${other} is up` }
  })
}

/** Another choice than the one before has to be faster than that by the hysteresis. */
function fastest(service: Service, options: Options, before: string | undefined): Composition {
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
    tree: options[chosen.index]!.tree,
    used: new Set([chosen.index]),
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
