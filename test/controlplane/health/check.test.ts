import fc from 'fast-check'
import t from 'tap'
import { smooth } from '../../../src/controlplane/health/check.ts'

const took = (durationMs: number) => ({ ok: true, durationMs }) as const
const failed = (durationMs: number) => ({ ok: false, durationMs }) as const

t.test('a sample counts for an eighth', (t) => {
  t.equal(smooth(null, took(80)), 80, 'the first is all there is')
  t.equal(smooth(80, took(160)), 90)
  t.equal(smooth(80, took(0)), 70)
  t.equal(smooth(80, failed(3000)), 80, 'a failure is none')
  t.equal(smooth(null, failed(3000)), null)
  t.end()
})

t.test('smoothing is the sum of all samples, each with its weight', (t) => {
  const samples = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 10_000 })), { maxLength: 40 })
  fc.assert(
    fc.property(samples, (verdicts) => {
      const smoothed = verdicts.reduce<number | null>(
        (before, [ok, durationMs]) => smooth(before, { ok, durationMs }),
        null,
      )
      const times = verdicts.filter(([ok]) => ok).map(([, durationMs]) => durationMs)
      const count = times.length
      const expected = times.reduce(
        (sum, time, index) => sum + time * (7 / 8) ** (count - 1 - index) * (index === 0 ? 1 : 1 / 8),
        0,
      )
      if (smoothed === null) t.equal(count, 0)
      else t.ok(Math.abs(smoothed - expected) < 1e-6, `${smoothed} and ${expected}`)
    }),
  )
  t.end()
})
