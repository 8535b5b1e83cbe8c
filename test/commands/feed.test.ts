import t from 'tap'
import { beginOf, olderText } from '../../src/commands/feed.ts'

t.test('who asks for the last hour again within a minute asks for the same rows, and for no fewer', (t) => {
  const now = Date.UTC(2026, 0, 1, 12, 0, 20)
  const hour = 3_600_000
  t.equal(beginOf(now, hour), Date.UTC(2026, 0, 1, 11))
  t.equal(beginOf(now + 39_999, hour), beginOf(now, hour))
  t.equal(beginOf(now, 30 * 24 * hour) % 60_000, 0, 'a minute at the most, however long ago')
  t.equal(beginOf(now + 1_999, 120_000), now - 120_000, 'of two minutes two seconds')
  t.equal(beginOf(now + 999, 5_000), now - 5_000)
  t.equal(beginOf(now + 999, 1), now, 'and never less than one')
  t.end()
})

t.test('where no row is as young as was asked for, it is said how old they are', (t) => {
  const now = new Date('2026-01-03T00:00:00Z')
  const text = (time: string) => olderText(Date.parse(time), now)
  t.equal(text('2026-01-01T23:00:00Z'), 'but up to 2026-01-01T23:00:00.000Z: --since 2d has some')
  t.match(text('2026-01-03T00:00:01Z'), / 1d /, 'by a clock that is ahead')
  t.end()
})
