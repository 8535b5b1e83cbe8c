import fc from 'fast-check'
import t from 'tap'
import { type Extent, Extents } from '../../../src/daemon/image-store/extents.ts'
import { memoryLayout } from '../../../src/dataplane/image/image-memory.ts'

const { imagesFrom, windowOctets, octets: end } = memoryLayout

t.test('the first room that is large enough is taken, between what others have', async (t) => {
  const extents = new Extents([
    { at: imagesFrom, octets: 4096 },
    { at: 3 * 4096, octets: 4096 },
  ])
  t.equal(extents.take(4096), 2 * 4096)
  t.equal(extents.take(1), 4 * 4096)
  t.equal(extents.take(1), 4 * 4096 + 64)
  t.same(extents.give({ at: 2 * 4096, octets: 4096 }), { at: 2 * 4096, octets: 4096 })
  t.equal(extents.take(4097), 4 * 4096 + 128)
  t.equal(extents.take(64), 2 * 4096)
})

t.test('what fits into a window does not cross its border', async (t) => {
  const extents = new Extents()
  const first = windowOctets - imagesFrom - 64
  t.equal(extents.take(first), imagesFrom)
  t.equal(extents.take(128), windowOctets)
  t.equal(extents.take(64), windowOctets - 64, 'what was left before the border')
  t.equal(extents.take(windowOctets), 2 * windowOctets)
  t.equal(extents.take(windowOctets + 64), 3 * windowOctets)
  t.equal(extents.take(end), null)
})

t.test('property: nothing is taken twice, and what is given back is free as a whole', (t) => {
  const commands = fc.array(
    fc.oneof(
      fc.record({ take: fc.integer({ min: 1, max: 300_000 }) }),
      fc.record({ give: fc.nat({ max: 1000 }) }),
    ),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(commands, (all) => {
      const extents = new Extents()
      const taken: Extent[] = []
      for (const command of all) {
        if ('take' in command) {
          const octets = command.take
          const at = extents.take(octets)!
          for (const other of taken) t.ok(at >= other.at + other.octets || at + octets <= other.at)
          taken.push({ at, octets })
        } else if (taken.length > 0) {
          const [extent] = taken.splice(command.give % taken.length, 1)
          const pages = extents.give(extent!)
          for (const other of taken)
            t.ok(
              pages.octets === 0 ||
                pages.at >= other.at + other.octets ||
                pages.at + pages.octets <= other.at,
            )
        }
      }
      for (const extent of taken) extents.give(extent)
      t.equal(extents.take(end - imagesFrom), imagesFrom)
    }),
    { numRuns: 50 },
  )
  t.end()
})
