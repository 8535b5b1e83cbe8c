import fc from 'fast-check'
import t from 'tap'
import {
  expansionProblems,
  maxNesting,
  namedFirst,
  namersOf,
  nestingProblems,
  once,
  reach,
} from '../../../src/controlplane/rules/graph.ts'

const graphOf = (ways: Record<string, string>) =>
  new Map(Object.entries(ways).map(([name, named]) => [name, named.split(' ').filter((one) => one !== '')]))

t.test('each circle is told once', async (t) => {
  t.same(nestingProblems(graphOf({})), [])
  t.same(nestingProblems(graphOf({ a: 'b c', b: 'c nowhere', c: '' })), [])
  t.same(nestingProblems(graphOf({ a: 'a' })), [{ name: 'a', message: 'leads back to itself: a -> a' }])
  t.same(
    nestingProblems(graphOf({ x: 'a', a: 'leaf b', b: 'c', c: 'a', d: 'e', e: 'd', leaf: '' })).map(
      ({ message }) => message,
    ),
    ['leads back to itself: a -> b -> c -> a', 'leads back to itself: d -> e -> d'],
  )
})

t.test('ways that are too long are told once, of any length', async (t) => {
  const chain = (length: number) =>
    new Map(Array.from({ length }, (_, i) => [`n${i}`, i + 1 < length ? [`n${i + 1}`] : []]))
  t.same(nestingProblems(chain(maxNesting)), [])
  t.match(nestingProblems(chain(maxNesting + 1)), [{ name: 'n0', message: /n0 -> n1 -> .* -> n16$/ }])
  t.match(
    nestingProblems(chain(100_000)),
    [{ name: `n${100_000 - maxNesting - 1}` }],
    'and it takes no stack',
  )
  const last = chain(maxNesting)
  last.set('n15', ['unknown'])
  t.match(nestingProblems(last), [{ message: / -> unknown$/ }], 'who is not in the graph is a name too')
})

t.test('many ways to the same names take no time', async (t) => {
  const layers = 14
  const names = (layer: number) => Array.from({ length: 20 }, (_, i) => `${layer}-${i}`)
  const graph = new Map<string, string[]>()
  for (let layer = 0; layer < layers; layer++) {
    for (const name of names(layer)) graph.set(name, layer + 1 < layers ? names(layer + 1) : [])
  }
  t.same(nestingProblems(graph), [])
})

/** Names in the longest way from each name, or infinity, by going all the ways. */
function longest(
  graph: ReadonlyMap<string, readonly string[]>,
  name: string,
  way: readonly string[],
): number {
  if (way.includes(name)) return Infinity
  const inner = (graph.get(name) ?? []).map((one) => longest(graph, one, [...way, name]))
  return 1 + Math.max(0, ...inner)
}

t.test('property: the same as going all the ways', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  fc.assert(
    fc.property(
      fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), fc.subarray(names, { maxLength: 2 })))),
      (entries) => {
        const graph = new Map(entries)
        const circular = names.some((name) => longest(graph, name, []) === Infinity)
        const problems = nestingProblems(graph)
        if (circular !== problems.length > 0) return false
        // Every circle that is told is one.
        return problems.every(({ message }) => {
          const way = message.replace('leads back to itself: ', '').split(' -> ')
          return way[0] === way.at(-1) && way.slice(1).every((to, i) => graph.get(way[i]!)!.includes(to))
        })
      },
    ),
    { numRuns: 500 },
  )
})

t.test('what comes to too much when it is followed at each mention', async (t) => {
  const parts = Array.from({ length: 16 }, (_, index) => `part-${index}`)
  const graph = new Map([
    ['small', parts],
    ['medium', Array(16).fill('small')],
    ['large', ['medium', 'part-0']],
    ['round', ['round', 'small']],
  ])
  t.same(expansionProblems(graph), [{ name: 'large', message: 'comes to 257 parts, more than 256' }])
})

t.test('what a name leads to, each once, and before what it leads to in turn', async (t) => {
  const graph = graphOf({ a: 'b c', b: 'd', c: 'd e', d: 'a' })
  const named = (name: string) => graph.get(name) ?? []
  t.same(reach(['a'], named), ['a', 'b', 'd', 'c', 'e'])
  t.same(reach(['c', 'b'], named), ['c', 'd', 'a', 'b', 'e'])
  t.same(reach([], named), [])
  const namers = namersOf(graph)
  t.same(
    reach(['e'], (name) => namers.get(name) ?? []),
    ['e', 'c', 'a', 'd', 'b'],
    'and with the names turned round, what leads to it',
  )
  const things = [{ name: 'x' }, { name: 'y' }, { name: 'x' }]
  t.same(
    reach(
      things,
      () => things,
      ({ name }) => name,
    ),
    [{ name: 'x' }, { name: 'y' }],
    'things are the same that have the same key',
  )
})

t.test('what is named comes first, what leads into a circle last', async (t) => {
  const ordered = (ways: Record<string, string>) => {
    const things = Array.from(graphOf(ways), ([name, named]) => ({ name, named }))
    return namedFirst(things, ({ named }) => named).map(({ name }) => name)
  }
  t.same(ordered({ a: 'b c', b: 'c nowhere', c: '', d: '' }), ['c', 'd', 'b', 'a'])
  t.same(ordered({ x: 'y', y: 'z', z: 'y', a: '' }), ['a', 'x', 'y', 'z'])
  t.same(ordered({ twice: 'a a', a: '' }), ['a', 'twice'])
})

t.test('something is made of each name once', async (t) => {
  const graph = graphOf({ a: 'b c', b: 'c', c: '', round: 'round a' })
  const made: string[] = []
  const textOf = once(
    (name): { readonly text: string } => {
      made.push(name)
      return { text: `${name}(${(graph.get(name) ?? []).map((inner) => textOf(inner).text).join()})` }
    },
    (name) => ({ text: `${name}...` }),
  )
  t.equal(textOf('a').text, 'a(b(c()),c())')
  t.equal(textOf('round').text, 'round(round...,a(b(c()),c()))')
  t.same(made, ['a', 'b', 'c', 'round'])
  const nothing = once((name) => {
    made.push(name)
    return null
  })
  t.same([nothing('x'), nothing('x')], [null, null])
  t.equal(made.filter((name) => name === 'x').length, 1, 'nothing is something')
})
