import fc from 'fast-check'
import t from 'tap'
import { rampShare } from '../../../src/controlplane/health/slow-start.ts'

const whole = { share: 1, nextMs: null }
const close = (left: number, right: number) => Math.abs(left - right) < 1e-9

t.test('the share rises in at most 20 steps, none shorter than a second', (t) => {
  t.strictSame(rampShare(1000, 0, 1000), whole, 'no slow start')
  t.strictSame(rampShare(null, 60_000, 1000), whole, 'up since before anybody can say')
  t.strictSame(rampShare(1000, 60_000, 1000), { share: 0.1, nextMs: 4000 }, 'steps of a twentieth')
  t.strictSame(rampShare(1000, 60_000, 3999), { share: 0.1, nextMs: 4000 })
  t.ok(close(rampShare(1000, 60_000, 4000).share, 0.145))
  t.ok(close(rampShare(1000, 60_000, 31_000).share, 0.55), 'half way')
  t.equal(rampShare(1000, 60_000, 60_999).nextMs, 61_000)
  t.strictSame(rampShare(1000, 60_000, 61_000), whole)
  t.equal(rampShare(0, 2500, 0).nextMs, 1000, 'never shorter than a second')
  t.equal(rampShare(0, 2500, 2100).nextMs, 2500, 'but for the last')
  t.strictSame(rampShare(0, 500, 499), { share: 0.1, nextMs: 500 })
  t.strictSame(rampShare(1000, 60_000, 0), { share: 0.1, nextMs: 4000 }, 'a clock that goes back')
  const upSinceMs = 170 / 7 // plus 1000, minus itself again, is less than 1000
  const { share, nextMs } = rampShare(upSinceMs, 10_000, upSinceMs + 1000)
  t.ok(close(share, 0.19), 'a step that is due has come')
  t.ok(close(nextMs!, upSinceMs + 2000))
  t.end()
})

t.test('from step to step it rises to the whole, in bounds', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 7_200_000 }),
      fc.double({ min: 0, max: 2e12, noNaN: true }),
      (slowStartMs, upSinceMs) => {
        let nowMs = upSinceMs
        let before = 0
        let steps = 0
        for (;;) {
          const { share, nextMs } = rampShare(upSinceMs, slowStartMs, nowMs)
          const line = slowStartMs === 0 ? 1 : 0.1 + (0.9 * (nowMs - upSinceMs)) / slowStartMs
          if (share <= before || Math.abs(share - line) > 1e-3) throw new Error(`${share}, the line ${line}`)
          if (nextMs === null) {
            if (share !== 1 || Math.abs(nowMs - upSinceMs - slowStartMs) > 1) throw new Error('the wrong end')
            break
          }
          const stepMs = nextMs - nowMs
          if (stepMs < 999.9 && Math.abs(nextMs - upSinceMs - slowStartMs) > 1)
            throw new Error('a short step')
          before = share
          nowMs = nextMs
          steps++
        }
        if (steps > 20) throw new Error(`${steps} steps`)
      },
    ),
  )
  t.end()
})

t.test('between steps nothing changes, and never above the line', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600_000 }),
      fc.integer({ min: 0, max: 700_000 }),
      (slowStartMs, elapsedMs) => {
        const { share, nextMs } = rampShare(0, slowStartMs, elapsedMs)
        t.ok(share <= Math.min(1, 0.1 + (0.9 * elapsedMs) / slowStartMs) + 1e-12)
        if (nextMs === null) return
        t.ok(nextMs > elapsedMs)
        t.equal(rampShare(0, slowStartMs, nextMs - 1).share, share)
      },
    ),
  )
  t.end()
})
