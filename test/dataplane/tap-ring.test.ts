/** A ring with one writer and one reader: what comes out is what went in, in order, over many laps. */
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
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
    writer.publish()
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

t.test('a ring that was emptied begins at its start, and has room for as much as ever', async (t) => {
  const { write, take, reader, buffer } = open()
  const writer = new TapWriter(buffer)
  for (let i = 1; i < 5; i++) {
    t.ok(write(1000, i))
    t.equal(reader.read().byteOffset, 16)
    t.equal(take(ringOctets).length, 1000)
  }
  const whole = new TapWriter(buffer)
  t.equal(whole.reserve(ringOctets + 1), -1)
  t.equal(whole.reserve(ringOctets), 0)
  t.equal(reader.read().length, 0, 'nothing before it is whole')
  const successor = new TapWriter(buffer)
  t.equal(successor.reserve(ringOctets), 0, 'and who takes the place of the writer begins there, too')
  successor.commit(ringOctets)
  t.equal(reader.read().length, 0, 'nothing is seen before it is published')
  successor.publish()
  t.equal(writer.reserve(1), -1)
  t.equal(take(ringOctets).length, ringOctets)
  t.equal(reader.read().length, 0)
})

t.test('while another thread writes, all comes that found room, whole and in order', async (t) => {
  const frames = 50_000
  const buffer = allocateTapRing(1 << 16)
  const ring = new URL('../../src/dataplane/tap-ring.ts', import.meta.url)
  const writing = `
    import { workerData } from 'node:worker_threads'
    const { TapWriter } = await import(workerData.ring)
    const writer = new TapWriter(workerData.buffer)
    const nobody = new Int32Array(new SharedArrayBuffer(4))
    for (let i = 0; i < ${frames}; i++) {
      const words = 1 + ((i * 7919) % 61)
      let at
      while ((at = writer.reserve(4 * words)) < 0) {
        writer.publish()
        Atomics.wait(nobody, 0, 0, 1)
      }
      for (let word = 0; word < words; word++) writer.view.setUint32(at + 4 * word, i * 64 + words)
      writer.commit(4 * words)
      if (i % 3 === 0 || i === ${frames - 1}) writer.publish()
    }`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(writing)}`), {
    workerData: { ring: ring.href, buffer },
  })
  worker.on('error', (error) => t.fail(error.message))
  const reader = new TapReader(buffer)
  let next = 0
  while (next < frames) {
    const octets = reader.read()
    const view = new DataView(octets.buffer, octets.byteOffset, octets.length)
    for (let at = 0; at < octets.length; next++) {
      const words = 1 + ((next * 7919) % 61)
      for (let word = 0; word < words; word++)
        if (view.getUint32(at + 4 * word) !== next * 64 + words) throw new Error(`frame ${next}`)
      at += 4 * words
    }
    reader.take(octets.length)
    // Whoever writes may want this core.
    if (octets.length === 0) await turn()
  }
  t.equal(next, frames)
  await worker.terminate()
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
