import fc from 'fast-check'
import t from 'tap'
import { type Due, DueHeap } from '../../../src/controlplane/health/due-heap.ts'

t.test('agrees with a sorted list', (t) => {
  const operation = fc.tuple(
    fc.constantFrom('put', 'remove', 'pop'),
    fc.nat({ max: 19 }),
    fc.nat({ max: 50 }),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const heap = new DueHeap<Due>()
      const items: Due[] = Array.from({ length: 20 }, () => ({ dueMs: 0, heapIndex: -1 }))
      const inside = new Set<Due>()
      for (const [what, which, dueMs] of operations) {
        const item = what === 'pop' ? heap.peek() : items[which]!
        if (item === undefined) continue
        if (what === 'put') {
          item.dueMs = dueMs
          heap.put(item)
          inside.add(item)
        } else {
          heap.remove(item)
          inside.delete(item)
          t.equal(item.heapIndex, -1)
        }
        t.equal(
          heap.peek()?.dueMs,
          inside.size === 0 ? undefined : Math.min(...[...inside].map((one) => one.dueMs)),
        )
      }
      const order: number[] = []
      for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
        order.push(first.dueMs)
        heap.remove(first)
      }
      t.strictSame(
        order,
        [...inside].map((one) => one.dueMs).sort((a, b) => a - b),
      )
    }),
  )
  t.end()
})
