import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import {
  collectGarbage,
  giveBackAfterStart,
  giveBackMemory,
  reclaimOctets,
} from '../../../src/dataplane/image/reclaim.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { zoneImage } from '../zone-text.ts'

for (const collect of [collectGarbage, giveBackMemory]) {
  t.test('what nobody holds is collected', async (t) => {
    let held: object | null = { big: new SharedArrayBuffer(1024) }
    const seen = new WeakRef(held)
    await turn()
    collect()
    t.ok(seen.deref())
    held = null
    await turn()
    collect()
    t.equal(seen.deref(), held ?? undefined)
  })
}

t.test('a state that has let go of many images collects, and begins to count anew', async (t) => {
  let collections = 0
  const state = new ServingState(() => collections++)
  const image = zoneImage({ apex: 'example.test', lines: [] })
  const enough = Math.ceil(reclaimOctets / image.byteLength)
  const replace = (times: number) => {
    const zones = Array.from({ length: times }, () => [0, image] as const)
    state.apply({ generation: 1, zones })
  }
  replace(1)
  replace(enough - 1)
  t.equal(collections, 0)
  replace(1)
  t.equal(collections, 1)
  replace(enough - 1)
  t.equal(collections, 1)
  state.apply({ generation: 2, zones: [[0, null]] })
  t.equal(collections, 2)
})

t.test('what a start has left is given back when it is over, of a small heap alone', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const collects = async (ms: number) => {
    const seen = new WeakRef({ left: true })
    await turn()
    mock.timers.tick(ms)
    return seen.deref() === undefined
  }
  giveBackAfterStart(Number.POSITIVE_INFINITY)
  t.notOk(await collects(9_000))
  t.ok(await collects(1_000))
  giveBackAfterStart(0)
  t.notOk(await collects(10_000))
  // Of what is small where nothing is said.
  giveBackAfterStart()
  mock.timers.tick(10_000)
})
