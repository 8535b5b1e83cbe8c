/** Answers over time, from counts that only grow until a process is started again. */
import t from 'tap'
import { linesOf, noted, type Series } from '../../src/console/answer-series.ts'
import type { SharesReply } from '../../src/controlplane/api/operations/traffic.ts'

const at = (second: number) => new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString()
const reply = (second: number, counts: Readonly<Record<string, number>>): SharesReply => ({
  at: at(second),
  groups: [],
  moreGroups: 0,
  counted: Object.entries(counts).map(([key, count]) => {
    const [pool, member] = key.split('/') as [string, string]
    return { service: 'www.example.test', pool, member, count }
  }),
  moreCounted: 0,
})
const after = (...replies: readonly SharesReply[]) =>
  replies.reduce<Series | undefined>((series, each) => noted(series, each), undefined)!

t.test('rates are differences, from the second look on', async (t) => {
  t.same(after(reply(0, { 'a/1': 100 })).points, [])
  const { points } = after(reply(0, { 'a/1': 100 }), reply(10, { 'a/1': 150, 'a/2': 20 }))
  t.same(
    [...points[0]!.rates],
    [
      ['a/1', 5],
      ['a/2', 2],
    ],
  )
})

t.test('looks that follow each other at once are one', async (t) => {
  const { points } = after(reply(0, { 'a/1': 0 }), reply(1, { 'a/1': 9 }), reply(4, { 'a/1': 12 }))
  t.same(
    points.map(({ rates }) => rates.get('a/1')),
    [3],
  )
})

t.test('a process that was started again tells nothing for once', async (t) => {
  const { points } = after(reply(0, { 'a/1': 100 }), reply(5, { 'a/1': 5 }), reply(10, { 'a/1': 15 }))
  t.same(
    points.map(({ rates }) => rates.get('a/1')),
    [undefined, 2],
  )
})

t.test('of many members the pools are told, without a leap where there are more of them', async (t) => {
  const few = Object.fromEntries(Array.from({ length: 6 }, (_, nth) => [`a/${nth}`, 1_000]))
  const { points } = after(reply(0, few), reply(10, { ...few, 'b/1': 10 }))
  t.same([...points[0]!.rates].sort(), [
    ['a', 0],
    ['b', 1],
  ])
})

t.test('what is kept has a bound', async (t) => {
  const { points } = after(...Array.from({ length: 400 }, (_, nth) => reply(nth * 6, { 'a/1': nth })))
  t.equal(points.length, 300)
})

t.test('the busiest have a line each, the others one together', async (t) => {
  const rates = (entries: readonly (readonly [string, number])[]) => ({ at: 0, rates: new Map(entries) })
  const pools = Array.from({ length: 8 }, (_, nth) => [`p${nth}`, nth] as const)
  const lines = linesOf([rates(pools), rates([['p7', 1]])])
  t.same(lines, [
    { name: 'p3', values: [3, 0] },
    { name: 'p4', values: [4, 0] },
    { name: 'p5', values: [5, 0] },
    { name: 'p6', values: [6, 0] },
    { name: 'p7', values: [7, 1] },
    { name: '3 others', values: [3, 0] },
  ])
  t.same(linesOf([]), [])
})
