import fc from 'fast-check'
import t from 'tap'
import { prefer, smooth, type Timed } from '../../../src/controlplane/health/smoothing.ts'

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

const timed = (times: Record<string, number | null>): Timed[] =>
  Object.entries(times).map(([name, timeMs]) => ({ name, timeMs }))

t.test('who is preferred', (t) => {
  const order = (times: Record<string, number | null>, before: string | null, hysteresis: number) =>
    prefer(timed(times), before, hysteresis)
      .map(({ name }) => name)
      .join(' ')
  t.equal(order({}, 'a', 0.1), '')
  t.equal(order({ a: 30, b: 10, c: 20 }, null, 0.1), 'b c a', 'the fastest')
  t.equal(order({ a: 30, b: 10, c: 20 }, 'gone', 0.1), 'b c a', 'who was first is not there any more')
  t.equal(order({ a: 100, b: 91 }, 'a', 0.1), 'a b', 'not fast enough')
  t.equal(order({ a: 100, b: 90 }, 'a', 0.1), 'b a', 'just fast enough')
  t.equal(order({ a: 100, b: 89, c: 95 }, 'c', 0.1), 'c b a')
  t.equal(order({ a: 50, b: 50 }, 'b', 0), 'b a', 'a tie changes nothing')
  t.equal(order({ a: 50, b: 50 }, null, 0), 'a b')
  t.equal(order({ a: 50, b: 49 }, 'a', 0), 'b a')
  t.equal(order({ a: 50, b: 1 }, 'a', 1), 'a b', 'never')
  t.equal(order({ a: 0, b: 0 }, 'b', 1), 'b a')
  t.equal(order({ a: null, b: 10, c: null }, null, 0.1), 'b a c', 'unknown times go last')
  t.equal(order({ a: null, b: 10 }, 'a', 0.1), 'b a', 'also that of the one before')
  t.equal(order({ a: null, b: null }, 'b', 0.1), 'b a', 'unless nothing is known')
  t.end()
})

t.test('whatever the times, who is first changes only for a reason', (t) => {
  const time = fc.option(fc.integer({ min: 0, max: 300 }))
  const rounds = fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), time), { minLength: 1 })
  fc.assert(
    fc.property(rounds, fc.constantFrom(0, 0.125, 0.5, 1), (rounds, hysteresis) => {
      let before: string | null = null
      for (const times of rounds) {
        const choices = timed(times)
        const order: readonly Timed[] = prefer(choices, before, hysteresis)
        t.strictSame(new Set(order), new Set(choices))
        const [first, ...rest] = order
        if (first === undefined) continue
        const known = (timeMs: number | null) => timeMs ?? Number.POSITIVE_INFINITY
        for (const [index, one] of rest.entries())
          t.ok(index === 0 || known(rest[index - 1]!.timeMs) <= known(one.timeMs), 'the rest by time')
        const best = Math.min(...choices.map(({ timeMs }) => known(timeMs)))
        const last = choices.find(({ name }) => name === before)
        if (last === undefined) t.equal(known(first.timeMs), best, 'the fastest without a past')
        else if (first === last) t.notOk(best < last.timeMs! * (1 - hysteresis), 'stays unless much slower')
        else if (last.timeMs === null) t.not(first.timeMs, null, 'something is known of the new one')
        else t.ok(first.timeMs !== null && first.timeMs <= last.timeMs * (1 - hysteresis))
        before = first.name
      }
    }),
  )
  t.end()
})
