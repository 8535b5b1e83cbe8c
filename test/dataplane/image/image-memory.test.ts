import { writeSync } from 'node:fs'
import t from 'tap'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { ImageMemory, isPlaced, memoryLayout, octetsOf } from '../../../src/dataplane/image/image-memory.ts'
import { reclaimOctets } from '../../../src/dataplane/image/reclaim.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { placeZone, share } from '../shared.ts'
import { zoneImage } from '../zone-text.ts'

const { windowOctets, octets: end } = memoryLayout

t.test('an image is read where it lies', async (t) => {
  const shared = share(t)
  const image = await placeZone(shared, '192.0.2.1')
  const bytes = shared.memory.bytes(image)
  t.equal(bytes.length, image.octets)
  t.equal(new ZoneImage(bytes).nodeCount, 201)
  t.equal(shared.memory.bytes(await placeZone(shared, '192.0.2.2')).buffer, bytes.buffer, 'in one window')
  const copied = new SharedArrayBuffer(8)
  t.equal(shared.memory.bytes(copied).buffer, copied)
  t.same([isPlaced(image), isPlaced(copied), isPlaced(null)], [true, false, false])
  t.same(octetsOf(copied), new Uint8Array(8))
  t.equal(octetsOf(bytes), bytes)
})

t.test('an image that is larger than a window is read too', async (t) => {
  const { fd, memory } = share(t)
  const at = windowOctets + 64
  const octets = windowOctets + 4
  writeSync(fd, Buffer.from([7]), 0, 1, at + octets - 1)
  t.equal(memory.bytes({ at, octets, checksum: 0 })[octets - 1], 7)
})

t.test('what can not be an image is refused', async (t) => {
  const { memory } = share(t)
  const wrong = [
    [0, 64],
    [4096 + 4, 64],
    [4096, 0],
    [4096, 63],
    [4096, -4],
    [4096.5, 64],
    [4096, 4.5],
    [Number.NaN, 64],
    [4096, Number.POSITIVE_INFINITY],
    [end, 64],
    [end - 64, 128],
    [windowOctets - 64, 128],
  ] as const
  for (const [at, octets] of wrong)
    t.throws(() => memory.bytes({ at, octets, checksum: 0 }), {
      message: `an image of ${octets} octets can't lie at ${at}`,
    })
  t.throws(() => ImageMemory.none.bytes({ at: 4096, octets: 64, checksum: 0 }), /does not share/)
})

t.test('whether an image is what was written shows', async (t) => {
  const shared = share(t)
  const image = await placeZone(shared, '192.0.2.1')
  t.equal(shared.memory.isWhole(image), true)
  writeSync(shared.fd, Buffer.from([1]), 0, 1, image.at + image.octets - 1)
  t.equal(shared.memory.isWhole(image), false)
})

t.test('what is not of this process is nothing for its collector', async (t) => {
  const shared = share(t)
  let collections = 0
  const state = new ServingState(() => collections++, shared.memory)
  const image = await placeZone(shared, '192.0.2.1')
  const enough = Math.ceil(reclaimOctets / image.octets) + 1
  const times = (data: typeof image | SharedArrayBuffer) =>
    Array.from({ length: enough }, () => [0, data] as const)
  state.apply({ generation: 1, zones: times(image) })
  t.equal(collections, 0)
  state.apply({ generation: 1, zones: times(zoneImage({ apex: 'large.test', lines: [] })) })
  t.equal(collections, 0)
})
