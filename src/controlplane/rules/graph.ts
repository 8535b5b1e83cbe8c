/**
 * Who names whom in a configuration: services name pools and other services, composite monitors name monitors.
 *
 * What names others of its kind may not lead back to itself, nor through more than a few others: whoever follows the names,
 * here and in the workers, must come to an end soon. The document checks that for a whole configuration, the store for what
 * a write touches. Everything here comes to an end all the same where there is a circle, for rows that were written by hand
 * may have one.
 */
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'

/** What each name names; those that it does not hold name nobody. */
type Graph = ReadonlyMap<string, readonly string[]>

/** Names of the services that a service names. */
export function nestedIn({ choices }: Pick<Service, 'choices'>): string[] {
  return choices.flatMap(({ kind, name }) => (kind === 'service' ? [name] : []))
}

/** Names of the monitors that a monitor judges by: those of a composite one. */
export function partsOf(monitor: {
  readonly type: string
  readonly monitors?: readonly string[]
}): readonly string[] {
  return monitor.type === 'composite' ? (monitor.monitors ?? []) : []
}

/**
 * Everything that some things lead to, themselves included: each once, before what it leads to, in the order of `next`.
 *
 * @param keyOf what tells one thing from another
 */
export function reach<T>(
  from: Iterable<T>,
  next: (thing: T) => readonly T[],
  keyOf: (thing: T) => unknown = (thing) => thing,
): T[] {
  const found = new Map<unknown, T>()
  // A stack of its own, since a document may name longer ways than the call stack has room for.
  const open = [...from].reverse()
  while (open.length > 0) {
    const thing = open.pop()!
    const key = keyOf(thing)
    if (found.has(key)) continue
    found.set(key, thing)
    for (const inner of next(thing).toReversed()) open.push(inner)
  }
  return [...found.values()]
}

/** Those that name each name, in the order in which they are given. */
export function namersOf(
  graph: Iterable<readonly [name: string, named: Iterable<string>]>,
): Map<string, string[]> {
  const namers = new Map<string, string[]>()
  for (const [name, named] of graph) {
    for (const one of named) {
      const known = namers.get(one)
      if (known === undefined) namers.set(one, [name])
      else known.push(name)
    }
  }
  return namers
}

/** Things, each behind those that it names; what leads into a circle comes last. */
export function namedFirst<T extends { readonly name: string }>(
  things: readonly T[],
  namesOf: (thing: T) => readonly string[],
): T[] {
  const byName = new Map(things.map((thing) => [thing.name, thing]))
  const graph = new Map(things.map((thing) => [thing.name, namesOf(thing)]))
  return inOrder(graph).map((name) => byName.get(name)!)
}

/**
 * Makes something of each name, once; bounded by the names that are asked for. What is made of a name may need what is made
 * of those that it names; of one that leads back to itself it gets `inCircle`.
 */
export function once<T extends object | null>(
  make: (name: string) => T,
  inCircle?: (name: string) => T,
): (name: string) => T {
  const made = new Map<string, T>()
  return (name) => {
    const known = made.get(name)
    if (known !== undefined) return known
    if (inCircle !== undefined) made.set(name, inCircle(name))
    const result = make(name)
    made.set(name, result)
    return result
  }
}

/** Finds by name. */
interface Lookup<T> {
  get(name: string): T | undefined
}

/**
 * The pools that a service may be answered from: those that it names, their fallbacks, its own fallback, and all of these of
 * the services that it names, however far down. Names of nothing lead nowhere.
 */
export function answeringPools(
  pools: Lookup<Pick<Pool, 'fallback'>>,
  services: Lookup<Pick<Service, 'choices' | 'fallback'>>,
): (service: string) => ReadonlySet<string> {
  const nested = (name: string) => nestedIn(services.get(name) ?? { choices: [] })
  // A fallback is served whole, so its own fallback has no say.
  const poolsNamedBy = ({ choices, fallback }: Pick<Service, 'choices' | 'fallback'>) => [
    ...choices.flatMap(({ kind, name }) =>
      kind === 'pool' ? [name, pools.get(name)?.fallback ?? null] : [],
    ),
    fallback,
  ]
  return (service) => {
    const reached = reach([service], nested).flatMap((name) => services.get(name) ?? [])
    return new Set(reached.flatMap(poolsNamedBy).filter((pool) => pool !== null))
  }
}

/** Names in the longest way from one to the next, the first and the last included. */
export const maxNesting = 16

/** Things that may be looked at for one name, when all that it names is followed to its end, again at each mention. */
const maxExpanded = 256

export interface NestingProblem {
  /** Whose names lead there. */
  readonly name: string
  readonly message: string
}

/** One problem for each circle, and one for each name whose longest way is one too long. Takes a time linear in the names. */
export function nestingProblems(graph: Graph): NestingProblem[] {
  const heights = heightsOf(graph)
  return [...circles(graph, heights), ...tooDeep(graph, heights)]
}

/** One problem for each name that leads to too many, again and again; of circles others speak. */
export function expansionProblems(graph: Graph): NestingProblem[] {
  const sizes = new Map<string, number>()
  for (const name of inOrder(graph)) {
    const size = graph.get(name)!.reduce((sum, one) => sum + (sizes.get(one) ?? 1), 0)
    sizes.set(name, Math.max(1, size))
  }
  return [...graph.keys()].flatMap((name) => {
    const size = sizes.get(name)!
    return size <= maxExpanded ? [] : [{ name, message: `comes to ${size} parts, more than ${maxExpanded}` }]
  })
}

function inOrder(graph: Graph): string[] {
  return [...new Set([...heightsOf(graph).keys(), ...graph.keys()])]
}

/**
 * How many names the longest way from each name has, those that are named first; what leads into a circle is left out. Those
 * that name nobody are taken first, then those that name only what was taken, and so on.
 */
function heightsOf(graph: Graph): Map<string, number> {
  const heights = new Map<string, number>()
  const namers = namersOf(graph)
  const waitsFor = new Map(
    Array.from(graph, ([name, named]) => [name, named.filter((one) => graph.has(one)).length]),
  )
  const ready = [...graph.keys()].filter((name) => waitsFor.get(name) === 0)
  // An array hands out what is added to it while it is walked.
  for (const name of ready) {
    const below = graph.get(name)!.reduce((most, one) => Math.max(most, heights.get(one) ?? 1), 0)
    heights.set(name, 1 + below)
    for (const outer of namers.get(name) ?? []) {
      const rest = waitsFor.get(outer)! - 1
      waitsFor.set(outer, rest)
      if (rest === 0) ready.push(outer)
    }
  }
  return heights
}

function circles(graph: Graph, heights: ReadonlyMap<string, number>): NestingProblem[] {
  const seen = new Set<string>()
  const isLeft = (name: string) => graph.has(name) && !heights.has(name)
  return [...graph.keys()].filter(isLeft).flatMap((start) => {
    const way: string[] = []
    let name = start
    for (; !seen.has(name); name = graph.get(name)!.find(isLeft)!) {
      seen.add(name)
      way.push(name)
    }
    const at = way.indexOf(name)
    if (at < 0) return [] // it leads into a circle that was found before
    const circle = way.slice(at)
    return [{ name, message: `leads back to itself: ${[...circle, name].join(' -> ')}` }]
  })
}

function tooDeep(graph: Graph, heights: ReadonlyMap<string, number>): NestingProblem[] {
  const heightOf = (name: string) => heights.get(name) ?? 1
  return [...heights].flatMap(([name, height]) => {
    // Whatever is above one that is too deep says nothing new.
    if (height !== maxNesting + 1) return []
    const way = [name]
    for (let named = graph.get(name)!; named.length > 0; named = graph.get(way.at(-1)!) ?? []) {
      way.push(named.reduce((deepest, one) => (heightOf(one) > heightOf(deepest) ? one : deepest)))
    }
    return [{ name, message: `leads through more than ${maxNesting} names: ${way.join(' -> ')}` }]
  })
}
