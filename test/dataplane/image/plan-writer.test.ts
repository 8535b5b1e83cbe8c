/** Images that are written one after another in the same memory. */
import t from 'tap'
import { PlanWriter } from '../../../src/dataplane/image/plan-writer.ts'

function image(words: number, octets: number, value: number): SharedArrayBuffer {
  const writer = new PlanWriter()
  t.equal(writer.push(new Uint32Array(words).fill(value)), 0)
  t.equal(writer.push([1, 2]), words)
  t.equal(writer.length, words + 2)
  writer.set(words, value + 1)
  writer.octets.append(new Uint8Array(octets).fill(value))
  return writer.finish()
}

t.test('each holds what was written into it, and nothing of one before, small or large', async (t) => {
  for (const [words, octets] of [
    [3, 5],
    [5000, 7000],
    [600_000, 10],
    [10, 3_000_000],
    [0, 0],
  ] as const) {
    const written = image(words, octets, words & 0xff)
    t.equal(written.byteLength, 4 * (words + 2) + Math.ceil(octets / 4) * 4)
    const all = new Uint32Array(written, 0, words + 2)
    t.ok(all.subarray(0, words).every((word) => word === (words & 0xff)))
    t.same([...all.subarray(words)], [(words & 0xff) + 1, 2])
    const rest = new Uint8Array(written, 4 * (words + 2))
    t.ok(rest.every((octet, at) => octet === (at < octets ? words & 0xff : 0)))
  }
})
