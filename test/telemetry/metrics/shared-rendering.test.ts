import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { SharedRendering } from '../../../src/telemetry/metrics/shared-rendering.ts'

t.test('callers share a rendering that began after they came', async (t) => {
  const begun: PromiseWithResolvers<Buffer>[] = []
  const rests: number[] = []
  const pages = new SharedRendering(
    () => {
      const rendering = Promise.withResolvers<Buffer>()
      begun.push(rendering)
      return rendering.promise
    },
    async (ms) => void rests.push(ms),
  )
  const first = pages.get()
  await null
  t.equal(begun.length, 1)
  const others = Array.from({ length: 1000 }, () => pages.get())
  t.equal(begun.length, 1, 'one at a time')
  begun[0]!.resolve(Buffer.from('old'))
  t.equal(String((await first).plain), 'old')
  while (begun.length < 2) await null
  begun[1]!.resolve(Buffer.from('new'))
  const got = await Promise.all(others)
  t.equal(new Set(got).size, 1, 'the same octets')
  t.equal(String(got[0]!.plain), 'new')
  t.equal(begun.length, 2)
  t.equal(rests.length, 2)
  t.ok(rests.every((ms) => ms >= 0))
})

t.test('a rendering that fails is the end of none but its own', async (t) => {
  let count = 0
  const pages = new SharedRendering(
    async () => {
      if (count++ === 0) throw new Error('no')
      return Buffer.from('yes')
    },
    async () => undefined,
  )
  await t.rejects(pages.get(), /no/)
  t.equal(String((await pages.get()).plain), 'yes')
})

t.test('a page is compressed once, for those who want it', async (t) => {
  const text = 'pooldns_member_up{pool="web",member="one"} 1\n'.repeat(5000)
  const pages = new SharedRendering(async () => Buffer.from(text))
  const page = await pages.get()
  const [one, other] = await Promise.all([page.compressed(), page.compressed()])
  t.equal(one, other, 'the same octets')
  t.ok(one.length < page.plain.length / 10)
  t.equal(String(gunzipSync(one)), text)
})
