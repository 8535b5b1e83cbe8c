import t from 'tap'
import {
  mostWaitingRows,
  ProbeRecorder,
  type ProbeRecorderOptions,
} from '../../../../src/controlplane/feeds/probes/probe-recorder.ts'
import { ControlError } from '../../../../src/controlplane/model/errors.ts'
import type { FeedRow } from '../../../../src/controlplane/model/feed-row.ts'
import { HandClock } from '../../timing/hand-clock.ts'

/** Whole milliseconds, so that microseconds are easily read. */
const start = 1_700_000_000_000

function setUp(options: Partial<ProbeRecorderOptions> = {}) {
  const clock = new HandClock()
  const state = { up: true, fails: null as Error | null }
  const rows: FeedRow[] = []
  const lost: number[] = []
  const errors: unknown[] = []
  const recorder = new ProbeRecorder({
    node: 'n1',
    write: async (batch) => {
      if (state.fails !== null) throw state.fails
      rows.push(...batch)
    },
    databaseUp: () => state.up,
    onLost: (count) => lost.push(count),
    onError: (error) => errors.push(error),
    now: () => start + clock.nowMs(),
    clock,
    ...options,
  })
  const probe = (member: string, ok = true, durationMs = 10) =>
    recorder.add({ pool: 'web', member }, { ok, durationMs })
  return { clock, state, rows, lost, errors, recorder, probe }
}

t.test('each probe is a row while there is room', async (t) => {
  const { clock, rows, recorder, probe, lost } = setUp()
  recorder.start()
  probe('a', true, 12.5)
  probe('a', false, 3000)
  await clock.advance(1000)
  probe('b')
  t.same(rows, [], 'they are written together')
  await clock.advance(4000)
  t.same(rows, [
    { entity: 'web/a@n1', micros: start * 1000, values: [1, 12.5, 12.5, 1] },
    { entity: 'web/a@n1', micros: start * 1000 + 1, values: [0, null, null, 1] },
    { entity: 'web/b@n1', micros: start * 1000 + 1_000_000, values: [1, 10, 10, 1] },
  ])
  probe('a')
  await recorder[Symbol.asyncDispose]()
  t.equal(rows.length, 4, 'the last ones at the stop')
  t.same(lost, [])
})

t.test('beyond that they are summed up, and turns go round', async (t) => {
  const { clock, rows, recorder, probe } = setUp({ rowsPerSecond: 10 })
  recorder.start()
  const members = Array.from({ length: 200 }, (_, nth) => `m${nth}`)
  let probes = 0
  for (let second = 0; second < 100; second++) {
    for (const [nth, member] of members.entries()) {
      probe(member, (nth + second) % 4 !== 0, nth % 2 === 0 ? 10 : 30)
      probes++
    }
    await clock.advance(1000)
  }
  t.ok(rows.length <= 10 * 100 + 50, `${rows.length} rows for ${probes} probes`)
  t.ok(rows.length >= 10 * 100, 'and as many as it may')
  const counts = new Map<string, number>()
  for (const { entity } of rows) counts.set(entity, (counts.get(entity) ?? 0) + 1)
  t.equal(counts.size, 200, 'every member has its turn')
  const each = [...counts.values()]
  t.ok(
    Math.max(...each) - Math.min(...each) <= 1,
    `as often as any other: ${Math.min(...each)} to ${Math.max(...each)}`,
  )
  const latest = rows.filter(({ entity }) => entity === 'web/m1@n1').at(-1)!
  t.ok(latest.values[3]! > 10, `${latest.values[3]} probes in a row`)
  t.equal(latest.values[1], 30)
  t.ok(Math.abs(latest.values[0]! - 0.75) < 0.1, 'three quarters of them succeeded')
  const summed = rows.reduce((sum, { values }) => sum + values[3]!, 0)
  t.ok(
    summed > probes * 0.75 && summed <= probes,
    `${summed} of ${probes} probes are in rows, the others in sums`,
  )
  const micros = rows.map((row) => `${row.entity} ${row.micros}`)
  t.equal(new Set(micros).size, micros.length, 'no two rows are of one entity and instant')
})

t.test('a database that is away', async (t) => {
  const { clock, state, rows, lost, errors, recorder, probe } = setUp()
  recorder.start()
  state.up = false
  probe('a')
  await clock.advance(60_000)
  state.up = true
  await clock.advance(5000)
  t.equal(rows.length, 1, 'what waited is kept with its own time')
  t.equal(rows[0]?.micros, start * 1000)

  state.fails = new ControlError('unavailable', 'it went away')
  probe('a')
  await clock.advance(5000)
  t.equal(rows.length, 1)
  state.fails = new Error('a bug')
  await clock.advance(5000)
  t.match(errors, [{ message: 'a bug' }])
  state.fails = null
  await clock.advance(5000)
  t.equal(rows.length, 2, 'nothing is lost by a failure')

  state.up = false
  const seconds = mostWaitingRows / 20 + 100
  for (let second = 0; second < seconds; second++) {
    for (let nth = 0; nth < 20; nth++) probe('a')
    await clock.advance(1000)
  }
  const lostSoFar = lost.reduce((sum, count) => sum + count, 0)
  t.ok(lostSoFar > 1500 && lostSoFar < 2500, `${lostSoFar} rows are told as lost`)
  state.up = true
  rows.length = 0
  await clock.advance(5000)
  t.equal(rows.length, mostWaitingRows, 'the newest ones are kept')
  state.up = false
  probe('a')
  await recorder[Symbol.asyncDispose]()
  t.equal(lost.at(-1), 1, 'what a stop could not keep is told')
})

t.test('a clock that is set', async (t) => {
  let nowMs = start
  const { recorder, rows, probe } = setUp({ now: () => nowMs })
  recorder.start()
  probe('a')
  nowMs -= 500
  probe('a')
  nowMs -= 3_600_000
  probe('a')
  await recorder[Symbol.asyncDispose]()
  t.same(
    rows.map(({ micros }) => micros - start * 1000),
    [0, 1, -3_600_500_000],
  )
})

t.test('what it costs the checker', async (t) => {
  const { recorder, clock } = setUp()
  const keys = Array.from({ length: 10_000 }, (_, nth) => ({ pool: 'web', member: `m${nth}` }))
  const verdict = { ok: true, durationMs: 10 }
  const before = process.threadCpuUsage()
  for (let round = 0; round < 20; round++) {
    for (const key of keys) recorder.add(key, verdict)
  }
  // Of CPU, of which a busy machine takes no more.
  const { user, system } = process.threadCpuUsage(before)
  const micros = (user + system) / (20 * keys.length)
  t.comment(`${micros.toFixed(2)} us a probe`)
  t.ok(micros < 50)
  t.equal(clock.nowMs(), 0)
  await recorder[Symbol.asyncDispose]()
})
