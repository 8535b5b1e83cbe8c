import t from 'tap'
import { absoluteName, relativeOwner } from '../../../src/controlplane/store/names.ts'

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
