import t from 'tap'
import { frameOf, messageOf, type ToDataPlane } from '../../../src/dataplane/process/messages.ts'

t.test('an update travels with its images beside it, whatever each kind holds', (t) => {
  const [one, other, map] = [8, 16, 24].map((octets) => new SharedArrayBuffer(octets))
  const message = {
    kind: 'publish',
    update: {
      generation: 3,
      zones: [
        [0, one],
        [7, null],
        [2, other],
      ],
      maps: [[1, map]],
      settings: [[0, { identity: 'a' }]],
    },
  } as unknown as ToDataPlane
  const frame = frameOf(message)
  t.strictSame(frame.images, [one, other, map])
  const read = messageOf({ ...frame, said: structuredClone(frame.said) })
  if (!('update' in read)) throw new Error(read.kind)
  t.equal(read.kind, 'publish')
  t.equal(read.update.generation, 3)
  t.same(read.update.zones?.length, 3)
  t.equal(new Map(read.update.zones).get(7), null)
  t.equal(new Map(read.update.zones).get(0), one)
  t.same(read.update.maps, [[1, map]])
  t.same(read.update.settings, [[0, { identity: 'a' }]])
  t.same(read.update.plans, [])
  t.end()
})

t.test('what bears no update travels as it is', (t) => {
  const message = { kind: 'answer', id: 4, response: Uint8Array.of(1, 2) } as const
  t.same(messageOf(frameOf(message)), message)
  t.end()
})

t.test('what says nothing is no message', async (t) => {
  for (const said of [undefined, null, 7, 'count', [], {}])
    t.throws(() => messageOf({ said, images: [] }), { name: 'FrameError' }, JSON.stringify(said))
  for (const packed of [7, {}, { update: {}, places: 3 }, { update: { zones: 1 }, places: [] }])
    t.throws(() => messageOf({ said: { kind: 'replace', packed }, images: [] }), { name: 'FrameError' })
})
