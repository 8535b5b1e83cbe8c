/** Names of feeds and of columns, and how many feeds there may be. */
import t from 'tap'
import { mostFeeds } from '../../../src/controlplane/model/feed.ts'
import { columnBreaches, feedColumnsOf, feedCountBreaches } from '../../../src/controlplane/rules/feeds.ts'

const feeds = feedColumnsOf([
  { name: 'load', columns: [{ name: 'cpu' }, { name: 'memory' }] },
  { name: 'wide', columns: Array.from({ length: 20 }, (_, nth) => ({ name: `column_${nth}` })) },
])

t.test('what is named must be there, and the nearest is told', async (t) => {
  const at = ['members', 'a', 'weight']
  const told = (feed: string, column: string) =>
    columnBreaches(feeds, { kind: 'pools', name: 'web' }, [{ feed, column, at }])
  t.same(told('load', 'memory'), [])
  t.same(told('lod', 'cpu'), [
    {
      code: 'invalid',
      kind: 'pools',
      name: 'web',
      at: [...at, 'feed'],
      message: 'there is no feed lod; did you mean load?',
      missing: { kind: 'feeds', name: 'lod' },
    },
  ])
  t.match(told('other', 'cpu'), [{ message: 'there is no feed other' }])
  t.match(told('load', 'cpus'), [
    {
      at: [...at, 'column'],
      message: 'in feed load there is no column cpus, known here: cpu, memory; did you mean cpu?',
    },
  ])
  t.same(told('probes', 'latency'), [], 'nobody declares what is built in')
  t.match(told('prob', 'up'), [{ message: 'there is no feed prob; did you mean probes?' }])
  t.match(told('probes', 'latancy'), [
    {
      at: [...at, 'column'],
      message: /^in feed probes there is no column latancy, known here: up, .*; did you mean latency\?$/,
    },
  ])
  t.match(told('wide', 'x'), [{ message: /known here: column_0, .*column_9, \.\.\.$/ }])
})

t.test('feeds beyond the bound are told once', async (t) => {
  const some = (count: number) =>
    feedColumnsOf(Array.from({ length: count }, (_, nth) => ({ name: `f${nth}`, columns: [] })))
  t.same(feedCountBreaches(some(mostFeeds)), [])
  t.same(
    feedCountBreaches(some(mostFeeds + 2)).map(({ name, message }) => `${name} ${message}`),
    ['f1000 would be one feed too many: there would be 1002, and 1000 may be'],
  )
})
