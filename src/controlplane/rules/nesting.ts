/**
 * What names others of its kind, services and composite monitors, may not lead back to itself, nor through more than a
 * few others: whoever follows the names, here and in the workers, must come to an end soon. Checked by the document for
 * a whole configuration, and by the store for what a write touches.
 */

/** Names in the longest way from one to the next, the first and the last included. */
export const maxNesting = 16

export interface NestingProblem {
  /** Whose names lead there. */
  readonly name: string
  readonly message: string
}

/**
 * What is wrong with who names whom. Linear in the names: those that name nobody are taken away first, then those that name
 * only what was taken away, and so on; what can't be taken away leads into a circle.
 *
 * @param graph by name, the names that it names; those that it does not hold name nobody
 * @returns one problem for each circle, and one for each name whose longest way is one too long
 */
export function nestingProblems(graph: ReadonlyMap<string, readonly string[]>): NestingProblem[] {
  const { heights, left } = peel(graph)
  return [...circles(graph, left), ...tooDeep(graph, heights)]
}

/** Things that may be looked at for one name, when all that it names is followed to its end, again at each mention. */
export const maxExpanded = 256

/**
 * @param graph as for `nestingProblems`, and without a problem by that
 * @returns one problem for each name that leads to too many, again and again
 */
export function expansionProblems(graph: ReadonlyMap<string, readonly string[]>): NestingProblem[] {
  const sizes = new Map<string, number>()
  const sizeOf = (name: string): number => {
    const known = sizes.get(name)
    if (known !== undefined) return known
    // For a circle, of which others speak.
    sizes.set(name, 1)
    const inner = graph.get(name) ?? []
    const size = inner.length === 0 ? 1 : inner.reduce((sum, one) => sum + sizeOf(one), 0)
    sizes.set(name, size)
    return size
  }
  return [...graph.keys()].flatMap((name) =>
    sizeOf(name) <= maxExpanded
      ? []
      : [{ name, message: `comes to ${sizeOf(name)} parts, more than ${maxExpanded}` }],
  )
}

/** How many names the longest way from each name has, for those that lead into no circle; `left` are the others. */
function peel(graph: ReadonlyMap<string, readonly string[]>) {
  const heights = new Map<string, number>()
  const waitsFor = new Map<string, number>()
  const namedBy = new Map<string, string[]>()
  for (const [name, named] of graph) {
    const open = new Set(named.filter((one) => graph.has(one)))
    waitsFor.set(name, open.size)
    for (const one of open) {
      const outer = namedBy.get(one)
      if (outer === undefined) namedBy.set(one, [name])
      else outer.push(name)
    }
  }
  const ready = [...graph.keys()].filter((name) => waitsFor.get(name) === 0)
  for (let name = ready.pop(); name !== undefined; name = ready.pop()) {
    heights.set(name, 1 + heightBelow(graph.get(name)!, heights))
    for (const outer of namedBy.get(name) ?? []) {
      const rest = waitsFor.get(outer)! - 1
      waitsFor.set(outer, rest)
      if (rest === 0) ready.push(outer)
    }
  }
  return { heights, left: new Set([...graph.keys()].filter((name) => !heights.has(name))) }
}

function heightBelow(named: readonly string[], heights: ReadonlyMap<string, number>): number {
  return named.reduce((most, name) => Math.max(most, heights.get(name) ?? 1), 0)
}

function circles(graph: ReadonlyMap<string, readonly string[]>, left: ReadonlySet<string>): NestingProblem[] {
  const seen = new Set<string>()
  return [...left].flatMap((start) => {
    const way: string[] = []
    let name = start
    for (; !seen.has(name); name = graph.get(name)!.find((one) => left.has(one))!) {
      seen.add(name)
      way.push(name)
    }
    const at = way.indexOf(name)
    if (at < 0) return [] // it leads into a circle that was found before
    const circle = way.slice(at)
    return [{ name, message: `leads back to itself: ${[...circle, name].join(' -> ')}` }]
  })
}

function tooDeep(
  graph: ReadonlyMap<string, readonly string[]>,
  heights: ReadonlyMap<string, number>,
): NestingProblem[] {
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
