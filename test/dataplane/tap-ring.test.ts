/** A ring with one writer and one reader: what comes out is what went in, in order, over many laps. */
import fc from 'fast-check'
import t from 'tap'
import { allocateTapRing, ringOctets, TapReader, TapWriter } from '../../src/dataplane/tap-ring.ts'

function open(buffer = allocateTapRing()) {
  const writer = new TapWriter(buffer)
  const reader = new TapReader(buffer)
  /** Each frame says how long it is, and then which it is, again and again. */
  const write = (length: number, value: number, most = length): boolean => {
    const at = writer.reserve(most)
    if (at < 0) return false
    writer.octets.fill(value, at, at + length)
    writer.commit(length)
    return true
  }
  const take = (most: number) => {
    const octets = reader.read().subarray(0, most)
    const copy = Buffer.from(octets)
    reader.take(octets.length)
    return copy
  }
  return { buffer, write, take, reader }
}

t.test('what is written is read, and an empty ring has nothing', async (t) => {
  const { write, take, buffer } = open()
  t.equal(take(100).length, 0)
  write(3, 1, 10)
  write(2, 2)
  t.same([...take(4)], [1, 1, 1, 2])
  t.same([...take(4)], [2])
  write(2, 3)
  // Another worker takes the place of the writer.
  const next = open(buffer)
  next.write(1, 4)
  t.same([...next.take(9)], [3, 3, 4])
})

t.test('a full ring takes no more, until something was taken', async (t) => {
  const { write, take } = open()
  const part = ringOctets / 4
  for (let i = 0; i < 4; i++) t.ok(write(part, i))
  t.notOk(write(1, 9))
  t.equal(take(1).length, 1)
  t.notOk(write(2, 9))
  t.ok(write(1, 9), 'what fits exactly')
  t.notOk(write(1, 9))
  t.equal(take(ringOctets).length, ringOctets - 1, 'to the end of the lap')
  t.same([...take(9)], [9])
})

t.test('a frame that does not fit before the end begins at the start', async (t) => {
  const { write, take } = open()
  const large = ringOctets / 2 - 5
  write(large, 1)
  write(large, 2)
  t.notOk(write(20, 3), 'the octets that are left at the end do not count')
  t.equal(take(large).length, large)
  t.ok(write(20, 3))
  const second = take(ringOctets)
  t.equal(second.length, large)
  t.ok(second.every((octet) => octet === 2))
  t.same([...take(ringOctets)], Array(20).fill(3))
  t.equal(take(9).length, 0)
})

t.test('over many laps nothing is lost, changed or in another order', async () => {
  const step = fc.record({ length: fc.integer({ min: 1, max: ringOctets >> 2 }), taken: fc.nat(ringOctets) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 12 }), (steps) => {
      const { write, take } = open()
      let written: number[] = []
      let value = 0
      for (const { length, taken } of steps) {
        if (write(length, ++value)) written.push(value, length)
        const octets = take(taken)
        for (let at = 0; at < octets.length; ) {
          const [first, left] = written as [number, number]
          const count = Math.min(left, octets.length - at)
          if (octets[at] !== first || octets[at + count - 1] !== first) throw new Error(`not ${first}`)
          written = count === left ? written.slice(2) : [first, left - count, ...written.slice(2)]
          at += count
        }
      }
    }),
    { numRuns: 30 },
  )
})
