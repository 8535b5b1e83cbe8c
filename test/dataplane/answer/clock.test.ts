import t from 'tap'
import { Clock } from '../../../src/dataplane/answer/clock.ts'

t.test('the time stands between two ticks', async (t) => {
  const clock = new Clock()
  const before = Date.now()
  clock.nowMs = 0
  t.equal(clock.nowMs, 0)
  clock.tick()
  t.ok(clock.nowMs >= before && clock.nowMs <= Date.now())
})
