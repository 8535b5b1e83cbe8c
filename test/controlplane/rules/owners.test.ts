import t from 'tap'
import { absoluteName, namesAbove, relativeOwner } from '../../../src/controlplane/rules/owners.ts'

t.test('owners and absolute names', async (t) => {
  for (const [owner, apex, name] of [
    ['@', 'example.test', 'example.test'],
    ['www', 'example.test', 'www.example.test'],
    ['a.b', 'example.test', 'a.b.example.test'],
    ['www', '.', 'www'],
    ['@', '.', '.'],
  ] as const) {
    t.equal(absoluteName(owner, apex), name)
    t.equal(relativeOwner(name, apex), owner)
  }
})

t.test('the names that an owner lies below', async (t) => {
  t.same(namesAbove('@'), [])
  t.same(namesAbove('a'), ['@'])
  t.same(namesAbove('a.b\\.c.d'), ['b\\.c.d', 'd', '@'])
})
