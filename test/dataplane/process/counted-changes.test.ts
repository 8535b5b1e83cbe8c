import t from 'tap'
import {
  addCounters,
  allocateCounters,
  Counters,
  countersAt,
  networkAt,
} from '../../../src/dataplane/counters.ts'
import { CountedChanges, CountedMirror } from '../../../src/dataplane/process/counted-changes.ts'

t.test('what has changed is told once, and the mirror reads like the workers', (t) => {
  const buffers = [allocateCounters(), allocateCounters()]
  const [first, second] = buffers.map((buffer) => new Counters(buffer))
  const changes = new CountedChanges()
  const mirror = new CountedMirror()
  const tell = () => {
    const counted = [...changes.take('udp', buffers), ...changes.take('tcp', [])]
    mirror.put(structuredClone(counted))
    return counted.map(({ cells }) => cells.length)
  }
  first!.query(false, 1)
  first!.answer(9)
  second!.response(3)
  t.same(tell(), [2, 1])
  t.same(tell(), [0, 0])
  first!.query(false, 1)
  t.same(tell(), [1, 0])
  t.same(
    mirror.buffers('udp').map((buffer) => new Float64Array(buffer)),
    buffers.map((buffer) => new Float64Array(buffer)),
  )
  t.same(mirror.buffers('tcp'), [])
  t.end()
})

t.test('counters of the dead are added; networks that they limited are not', (t) => {
  const [sum, dead] = [allocateCounters(), allocateCounters()]
  const counters = new Counters(dead)
  counters.query(true, 1)
  counters.answer(0)
  counters.answer(77)
  counters.limitedNetwork(1, 2)
  addCounters(sum, dead)
  addCounters(sum, dead)
  const cells = new Float64Array(sum)
  t.equal(cells[countersAt.answers], 2)
  t.equal(cells[countersAt.answers + 77], 2)
  t.equal(
    cells.subarray(0, countersAt.networks).reduce((total, count) => total + count, 0),
    2,
  )
  t.ok(cells.subarray(networkAt(0), countersAt.answers).every((cell) => cell === 0))
  t.end()
})
