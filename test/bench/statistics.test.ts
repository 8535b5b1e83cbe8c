import t from 'tap'
import { median, percentile, spread, trend } from './statistics.ts'

t.test('medians and spread', async (t) => {
  t.equal(median([3]), 3)
  t.equal(median([9, 1, 4]), 4)
  t.equal(median([10, 2, 4, 3]), 3.5)
  t.same(spread([5, 1, 2]), { median: 2, min: 1, max: 5 })
  t.throws(() => median([]), RangeError)
})

t.test('percentiles lie between values', async (t) => {
  const values = Float64Array.from({ length: 101 }, (_, index) => index)
  t.equal(percentile(values, 0), 0)
  t.equal(percentile(values, 50), 50)
  t.equal(percentile(values, 99), 99)
  t.equal(percentile(values, 100), 100)
  t.equal(percentile([1, 2], 25), 1.25)
})

t.test('a trend is told from noise and from a saw tooth', async (t) => {
  const samples = (y: (x: number) => number) => Array.from({ length: 100 }, (_, x) => ({ x, y: y(x) }))
  const sawTooth = (x: number) => (x % 7) * 10

  const rising = trend(samples((x) => 3 * x + sawTooth(x)))
  t.ok(Math.abs(rising.slope - 3) < 0.3, `slope ${rising.slope}`)
  t.ok(rising.z > 3, `z ${rising.z}`)

  const flat = trend(samples((x) => 500 + sawTooth(x)))
  t.ok(Math.abs(flat.slope) < 0.3, `slope ${flat.slope}`)
  t.ok(Math.abs(flat.z) < 3, `z ${flat.z}`)

  const steps = trend(samples((x) => (x === 50 ? 1e9 : 7)))
  t.same({ slope: steps.slope, z: Math.abs(steps.z) < 3 }, { slope: 0, z: true }, 'an outlier is no trend')

  t.ok(trend(samples((x) => -x)).z < -3)
  t.throws(() => trend([{ x: 0, y: 0 }]), RangeError)
})
