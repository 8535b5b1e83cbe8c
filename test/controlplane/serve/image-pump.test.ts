import t from 'tap'
import { ImagePump } from '../../../src/controlplane/serve/image-pump.ts'
import type { ServingUpdate } from '../../../src/dataplane/image/serving-set.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'

const image = () => new SharedArrayBuffer(8)

t.test(
  'one generation at a time; what comes meanwhile is merged, the last image of a slot wins',
  async (t) => {
    const updates: ServingUpdate[] = []
    const served = [1, 2, 3].map(() => Promise.withResolvers<void>())
    const pump = new ImagePump((update) => {
      updates.push(update)
      return served[updates.length - 1]!.promise
    })
    const [a, b, c, directory] = [image(), image(), image(), image()]
    const first = pump.push({ zones: [[0, a]], plans: [] })
    await Promise.resolve()
    t.same(updates, [{ generation: 1, zones: [[0, a]] }], 'kinds without changes are left out')
    const second = pump.push({
      zones: [
        [0, b],
        [1, b],
      ],
      plans: [[4, null]],
      maps: [[2, a]],
      directory: only(directory),
    })
    const third = pump.push({
      zones: [[1, null]],
      plans: [[4, c]],
      maps: [
        [2, b],
        [3, null],
      ],
    })
    t.equal(second, third, 'both wait for the same generation')
    await Promise.resolve()
    t.equal(updates.length, 1, 'the second waits until the first is served')
    served[0]!.resolve()
    await first
    await new Promise(setImmediate)
    t.equal(updates.length, 2)
    t.same(updates[1], {
      generation: 2,
      zones: [
        [0, b],
        [1, null],
      ],
      plans: [[4, c]],
      maps: [
        [2, b],
        [3, null],
      ],
      directory: [[0, directory]],
    })
    served[1]!.resolve()
    await third
    const fourth = pump.push({})
    await new Promise(setImmediate)
    t.same(updates[2], { generation: 3 }, 'what was handed over is not handed over again')
    served[2]!.resolve()
    await fourth
  },
)
