import t from 'tap'
import { Slots } from '../../../src/controlplane/serve/slots.ts'

t.test('a name keeps its slot; a freed one is used again, the oldest first', async (t) => {
  const slots = new Slots(1, 4)
  t.same(
    ['a', 'b', 'c', 'a'].map((name) => slots.take(name)),
    [1, 2, 3, 1],
  )
  t.equal(slots.take('d'), null, 'all are taken')
  t.equal(slots.release('b'), 2)
  t.equal(slots.release('b'), undefined)
  t.equal(slots.release('a'), 1)
  t.equal(slots.take('d'), 2)
  t.same(
    [...slots],
    [
      ['c', 3],
      ['d', 2],
    ],
  )
})
