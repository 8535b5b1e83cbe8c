import t from 'tap'
import { ControlError } from '../../../src/controlplane/model/errors.ts'
import type { LoggedQuery } from '../../../src/controlplane/model/logged-query.ts'
import {
  batchQueries,
  mostTakenOctets,
  mostWaitingQueries,
  QueryRecorder,
} from '../../../src/controlplane/queries/query-recorder.ts'
import { allocateTapRing, TapReader } from '../../../src/dataplane/tap-ring.ts'
import { Served } from '../../dataplane/answer/served.ts'
import { query } from '../../support/dns-client.ts'
import { HandClock } from '../timing/hand-clock.ts'

const lookMs = 250

/** A recorder of what a worker leaves, all of which it takes at a look. */
function setUp() {
  const ring = allocateTapRing()
  const queryLog = { queries: false, responses: true, every: 1, identity: '', version: '' }
  const served = new Served([{ apex: 'one.test', lines: [] }], [], { queryLog: ring, settings: { queryLog } })
  const reader = new TapReader(ring)
  const clock = new HandClock()
  const state = { up: true, fails: null as Error | null }
  const batches: (readonly LoggedQuery[])[] = []
  const taken: number[] = []
  const lost: number[] = []
  const errors: unknown[] = []
  const recorder = new QueryRecorder({
    take: async (most) => {
      const frames = reader.read().slice()
      reader.take(frames.length)
      taken.push(most)
      return [frames]
    },
    store: async (queries) => {
      if (state.fails !== null) throw state.fails
      batches.push(queries)
    },
    databaseUp: () => state.up,
    kept: { ipv4: 24, ipv6: 56 },
    onLost: (count) => lost.push(count),
    onError: (error) => errors.push(error),
    clock,
  })
  recorder.start()
  const request = query('a.one.test', 'A')
  const ask = (times: number) => {
    for (let i = 0; i < times; i++) served.respond(request)
  }
  return { clock, state, batches, taken, lost, errors, recorder, ask }
}

t.test('what has come is stored at each look, and at the stop, in batches', async (t) => {
  const { clock, batches, taken, lost, recorder, ask } = setUp()
  ask(2)
  t.same(batches, [])
  await clock.advance(lookMs)
  t.match(batches, [[{ name: 'a.one.test' }, { name: 'a.one.test' }]])
  ask(batchQueries + 1)
  await recorder[Symbol.asyncDispose]()
  t.same(
    batches.map(({ length }) => length),
    [2, batchQueries, 1],
  )
  t.same(new Set(taken), new Set([mostTakenOctets]))
  t.same(lost, [])
})

t.test('while the database is away so many wait, and no more are taken', async (t) => {
  const { clock, state, batches, taken, lost, recorder, ask } = setUp()
  state.up = false
  for (let i = 0; i < 5; i++) {
    ask(mostWaitingQueries / 4)
    await clock.advance(lookMs)
  }
  t.equal(taken.length, 4)
  state.up = true
  state.fails = new ControlError('unavailable', 'away')
  await clock.advance(lookMs)
  state.fails = null
  await clock.advance(lookMs)
  t.equal(batches.flat().length, mostWaitingQueries)
  await clock.advance(lookMs)
  t.equal(batches.flat().length, mostWaitingQueries * 1.25, 'what was left meanwhile')
  state.up = false
  ask(3)
  await recorder[Symbol.asyncDispose]()
  t.same(lost, [3], 'the stop came before the database')
})

t.test('what is refused is not tried again', async (t) => {
  const { clock, state, batches, lost, errors, recorder, ask } = setUp()
  state.fails = new Error('refused')
  ask(batchQueries + 1)
  await clock.advance(lookMs)
  t.same(lost, [batchQueries])
  t.match(errors, [{ message: 'refused' }])
  state.fails = null
  await clock.advance(lookMs)
  t.equal(batches.flat().length, 1)
  await recorder[Symbol.asyncDispose]()
})
