import t from 'tap'
import { BatchClock } from '../../../src/dataplane/answer/batch-clock.ts'

t.test('the time stands between two ticks', async (t) => {
  const clock = new BatchClock()
  const before = Date.now()
  clock.nowMs = 0
  t.equal(clock.nowMs, 0)
  clock.tick()
  t.ok(clock.nowMs >= before && clock.nowMs <= Date.now())
})
