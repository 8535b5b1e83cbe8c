import t from 'tap'
import { childrenOf, leavesOf, mapTree, type Tree } from '../../../src/dataplane/image/plan-tree.ts'

interface Word {
  readonly kind: 'answer'
  readonly word: string
}
const word = (text: string): Word => ({ kind: 'answer', word: text })
const prefix = { ipv4: 24, ipv6: 56 }

const [a, b, c] = [word('a'), word('b'), word('c')]
const drawn: Tree<Word> = {
  kind: 'weighted',
  children: [
    { weight: 2, node: b },
    { weight: 1, node: a },
  ],
}
const kept: Tree<Word> = {
  kind: 'hash',
  prefix,
  children: [
    { weight: 3, key: 7, node: drawn },
    { weight: 4, key: 8, node: c },
  ],
}
const tree: Tree<Word> = { kind: 'located', mapSlot: 5, areas: [a, kept, drawn, a] }

t.test('every kind of node tells its children', async (t) => {
  t.same(childrenOf(a), [])
  t.same(childrenOf(drawn), [b, a])
  t.same(childrenOf(kept), [drawn, c])
  t.same(childrenOf(tree), [a, kept, drawn, a])
})

t.test('leaves come in the order of a walk, each once', async (t) => {
  t.same(leavesOf(tree), [a, b, c])
  t.same(leavesOf(kept), [b, a, c])
  t.same(leavesOf(a), [a])
})

t.test(
  'another tree of the same shape shares what this one shares, and asks for each leaf once',
  async (t) => {
    const asked: string[] = []
    const made = mapTree(tree, ({ word }) => {
      asked.push(word)
      return { kind: 'answer', length: asked.length } as const
    })
    t.same(asked, ['a', 'b', 'c'])
    const [one, two, three] = [1, 2, 3].map((length) => ({ kind: 'answer', length }))
    const pair = {
      kind: 'weighted',
      children: [
        { weight: 2, node: two },
        { weight: 1, node: one },
      ],
    }
    const hash = {
      kind: 'hash',
      prefix,
      children: [
        { weight: 3, key: 7, node: pair },
        { weight: 4, key: 8, node: three },
      ],
    }
    t.same(made, { kind: 'located', mapSlot: 5, areas: [one, hash, pair, one] })
    const [first, second, third, last] = childrenOf(made)
    t.equal(first, last)
    t.equal(childrenOf(second!)[0], third)
    t.equal(childrenOf(third!)[1], first)
  },
)
