import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { collectGarbage, giveBackMemory, reclaimOctets } from '../../../src/dataplane/image/reclaim.ts'
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
