import t from 'tap'
import { lineChart } from '../../src/commands/feed-chart.ts'

t.test('a line, with the greatest and the least value at its left', (t) => {
  t.same(lineChart([0, 1, 2, 3], 30, 4), ['3 |   *', '  |  *', '  | *', '0 |*'])
  t.same(lineChart([5, null, 5], 30, 3), ['5 |', '  |', '5 |* *'], 'no mark where nothing is known')
  t.same(lineChart([-1e308, 1.5e308], 30, 2), ['1.5e+308 | *', ' -1e+308 |*'])
  t.same(lineChart([1], 30, 3), [])
  t.same(lineChart([null, null], 30, 3), [])
  const wide = lineChart(
    Array.from({ length: 1_000 }, (_, nth) => nth),
    50,
    5,
  )
  t.ok(wide.every((row) => row.length <= 50))
  t.equal(wide.join('').replaceAll(/[^*]/g, '').length, 50 - '999'.length - 2)
  t.end()
})
