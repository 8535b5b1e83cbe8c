/** Memory of large requests: the heap grows less while there is one, and what the last one leaves goes back to the system. */
import { PerformanceObserver } from 'node:perf_hooks'
import t from 'tap'
import { largeWork } from '../../../../src/controlplane/api/admission/large-work.ts'

const mebi = 1024 * 1024

/** Objects of some 90 MB that have outlived young ones. */
const objects = () => Array.from({ length: 800_000 }, (_, nth) => ({ nth, text: `x${nth}`, more: [nth] }))

/** The most that the heap held while garbage was made beside what stays. */
function mostOf(rounds: number, staying: readonly object[]): number {
  let most = 0
  for (let round = 0; round < rounds; round++) {
    Array.from({ length: 100_000 }, (_, nth) => ({ nth, text: `y${nth}`, more: [nth] }))
    most = Math.max(most, process.memoryUsage().heapTotal)
  }
  return staying.length > 0 ? most : 0
}

t.test('what is left is collected and given back when the last of it is over', async (t) => {
  const before = process.memoryUsage()
  const given = Promise.withResolvers<void>()
  // Whenever something was collected.
  const observer = new PerformanceObserver(() => {
    if (process.memoryUsage().heapTotal - before.heapTotal < 40 * mebi) given.resolve()
  })
  const [first, second] = [largeWork.enter(), largeWork.enter()]
  let held: readonly object[] | null = objects()
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  t.ok(process.memoryUsage().heapUsed - before.heapUsed > 60 * mebi, `${held.length} objects are there`)
  held = null
  observer.observe({ entryTypes: ['gc'] })
  t.teardown(() => observer.disconnect())
  second[Symbol.dispose]()
  // The timer holds up no end, and so no test.
  const alive = setTimeout(() => {}, 60_000)
  await given.promise
  clearTimeout(alive)
  t.ok(process.memoryUsage().heapUsed - before.heapUsed < 30 * mebi)
})

t.test('meanwhile the heap grows less beside what stays', async (t) => {
  const staying = objects()
  const meanwhile = (() => {
    using _work = largeWork.enter()
    return mostOf(60, staying)
  })()
  const otherwise = mostOf(60, staying)
  t.ok(meanwhile < otherwise, `${Math.round(meanwhile / mebi)} of ${Math.round(otherwise / mebi)} MB`)
})
