/** Readings of feeds, what they make of members and pools in the course of time, and what is told of that. */
import t from 'tap'
import { type FedOpinion, judgeReading } from '../../../src/controlplane/health/fed-check.ts'
import type { Capacity, FedWeight, ReadingKey } from '../../../src/controlplane/model/feed-use.ts'
import type { FeedMonitor } from '../../../src/controlplane/model/monitor.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import { FedStates } from '../../../src/controlplane/serve/fed-states.ts'
import { FedWatch } from '../../../src/controlplane/serve/fed-watch.ts'
import { FeedReadings } from '../../../src/controlplane/serve/readings.ts'
import { memberDefaults, poolDefaults } from '../model/defaults.ts'

const weightFeed: FedWeight = { feed: 'load', entity: '{member}', column: 'free', maxAgeMs: 60_000, scale: 1 }
const capacity: Capacity = { ...weightFeed, entity: '{pool}', column: 'used', limit: 100, back: 10 }
const pool: Pool = {
  name: 'eu',
  ...poolDefaults,
  select: 'weighted',
  capacity,
  members: [{ name: 'a', ...memberDefaults, address: '192.0.2.1', host: null, weightFeed }],
}
const pools = new Map([[pool.name, pool]])
const entities = ['a', 'eu'].map((entity) => ({ feed: 'load', entity }))
const key = (entity: string, column: string): ReadingKey => ({ feed: 'load', entity, column })

/** A clock that is set, and what goes by it. */
function world() {
  let nowMs = Date.UTC(2026, 0, 1)
  const readings = new FeedReadings(() => new Date(nowMs))
  const due: number[] = []
  const states = new FedStates({ readings, onAge: (_, atMs) => void due.push(atMs - nowMs) })
  const watch = new FedWatch()
  readings.want(entities)
  return {
    readings,
    states,
    due,
    now: () => nowMs,
    pass: (ms: number) => {
      nowMs += ms
    },
    take: (entity: string, values: Readonly<Record<string, number>> | null, aheadMs = 0) =>
      readings.take(
        [
          {
            feed: 'load',
            entity,
            at: values === null ? null : new Date(nowMs + aheadMs),
            values: new Map(Object.entries(values ?? {})),
          },
        ],
        nowMs,
      ),
    turns: () =>
      watch.look(['eu'], pools, states.at(nowMs)).map(({ what, member = '' }) => `${what} ${member}`),
    member: () => states.at(nowMs).fed(pool, pool.members[0]!).weight!,
    full: () => states.at(nowMs).full(pool),
  }
}

t.test('a value is waited for, missing, good, and too old', async (t) => {
  const w = world()
  t.match(w.member(), { state: 'waiting', weight: null })
  w.take('a', null)
  t.match(w.member(), { state: 'missing', weight: null })
  t.same(w.take('a', { free: 0 }).length, 1)
  t.match(w.member(), { state: 'good', weight: 0 }, '0 is a value')
  t.equal(w.due.at(-1), 60_001, 'it is looked at again when it is too old')
  t.same(w.take('a', { free: 0 }), [], 'the same row again')
  w.pass(60_000)
  t.match(w.member(), { state: 'good' })
  w.pass(1)
  t.match(w.member(), { state: 'stale', weight: null })
  w.take('a', { used: 3 })
  t.match(w.member(), { state: 'missing' }, 'a row without the column')
  t.same(w.take('b', { free: 1 }), [], 'nobody names it')
})

t.test('a time ahead of the clock makes no value good for longer', async (t) => {
  const w = world()
  w.take('a', { free: 7 }, 3_600_000)
  t.match(w.member(), { state: 'good', weight: 7 })
  w.pass(60_001)
  t.match(w.member(), { state: 'stale' })
})

t.test('what is remembered counts until anything has been read', async (t) => {
  const before = world()
  before.take('a', { free: 7 })
  const stored = before.readings.entries()
  const after = world()
  after.readings.restore(stored)
  after.readings.want(entities)
  t.match(after.member(), { state: 'good', weight: 7 })
  t.equal(after.readings.isKnown(key('eu', 'used')), false)
  after.take('eu', { used: 1 })
  after.readings.want([])
  after.readings.want(entities)
  t.match(after.member(), { state: 'waiting' })
})

t.test('turns are told once, and not what was so at first', async (t) => {
  const w = world()
  t.same(w.turns(), [])
  w.take('a', { free: 50 })
  w.take('eu', { used: 50 })
  t.same(w.turns(), [], 'nothing had been read')
  w.take('eu', { used: 150 })
  t.same(w.turns(), ['full '])
  w.take('eu', { used: 95 })
  t.same(w.turns(), [])
  t.equal(w.full().share, 50 / 150)
  t.equal(w.states.at(w.now(), true).full({ ...pool, capacity: { ...capacity, limit: 10 } }).share, 85 / 95)
  t.equal(w.full().share, 50 / 150, 'what is foreseen is not remembered')
  w.take('eu', { used: 50 })
  t.same(w.turns(), ['full-over '])
  w.pass(60_001)
  t.same(w.turns(), ['stale a', 'stale '])
  t.same(w.turns(), [])
  w.take('eu', { used: 150 })
  t.same(w.turns(), ['fresh ', 'full '])
})

t.test('a monitor stays with what it said where nothing can be read', async (t) => {
  const w = world()
  const monitor: FeedMonitor = { ...weightFeed, name: 'm', type: 'feed', min: 10, max: 90, back: 5 }
  const method = { kind: 'feed', monitor, key: key('a', 'free') } as const
  let said: FedOpinion | null = null
  const state = () => {
    said = judgeReading(method, said, w.readings, w.now())
    return said.state
  }
  t.equal(state(), 'unknown')
  w.take('a', null)
  t.equal(state(), 'down', 'there is none')
  w.take('a', { free: 12 })
  t.equal(state(), 'down', 'not far enough within')
  w.take('a', { free: 15 })
  t.equal(state(), 'up')
  w.take('a', { free: 10 })
  t.equal(state(), 'up')
  w.take('a', { free: 90.5 })
  t.equal(state(), 'down')
  w.take('a', { free: 50 })
  t.equal(state(), 'up')
  w.pass(60_001)
  t.equal(state(), 'up', 'nothing has been read since')
  w.take('eu', { used: 1 })
  t.equal(state(), 'down', 'it has, and there was nothing new')
})
