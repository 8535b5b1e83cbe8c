import t from 'tap'
import { BufferViews } from '../../../src/dataplane/answer/buffer-views.ts'

t.test('each buffer has one view of its own octets, whatever the order in which they come', async (t) => {
  const memory = new ArrayBuffer(640)
  const buffers = Array.from({ length: 10 }, (_, i) => new Uint8Array(memory, 64 * i, 64))
  const views = new BufferViews()
  const first = buffers.map((buffer) => views.of(buffer))
  for (const [i, view] of first.entries()) {
    t.equal(view.byteOffset, 64 * i)
    t.equal(view.byteLength, 64)
  }
  for (const i of [0, 0, 1, 2, 9, 0, 5, 4, 4, 9]) t.equal(views.of(buffers[i]!), first[i], `buffer ${i}`)
})

t.test('those of a transport that never uses one again are forgotten', async (t) => {
  const views = new BufferViews()
  const kept = new Uint8Array(8)
  const view = views.of(kept)
  for (let i = 0; i < 1000; i++) t.equal(views.of(new Uint8Array(i)).byteLength, i)
  const again = views.of(kept)
  t.not(again, view)
  t.equal(again.buffer, kept.buffer)
})
