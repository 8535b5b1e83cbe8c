import t from 'tap'
import { stopBudget } from '../../src/daemon/stop-budget.ts'

t.test('the shares of a stop leave some of its ten seconds to those that have none', async (t) => {
  const { totalMs, ...shares } = stopBudget
  t.equal(totalMs, 10_000)
  const shared = Object.values(shares).reduce((sum, share) => sum + share, 0)
  t.ok(shared <= totalMs - 1000, `${shared} ms`)
})
