import fc from 'fast-check'
import t from 'tap'
import {
  advance,
  explain,
  failBack,
  forget,
  type Measurement,
  measured,
  nearChange,
  nextProbeMs,
  unmeasured,
} from '../../../src/controlplane/health/monitor.ts'
import type { Judging } from '../../../src/controlplane/model/monitor.ts'
import { type HealthState, healthStates } from '../../../src/controlplane/model/observation.ts'
import { timingDefaults } from '../model/defaults.ts'
import { HistoryModel } from './monitor-model.ts'

const judgingWith = (changes: Partial<Judging> = {}): Judging => ({
  ...timingDefaults,
  rise: 2,
  fall: 3,
  ...changes,
})

/** Verdicts `+` and `-` one second apart from `startMs`, `!` for a fail-back; the first letters of the states after each. */
function run(start: Measurement, said: string, judging: Judging, startMs = 0): [string, Measurement] {
  let now = start
  const states = Array.from(said, (one, index) => {
    const atMs = startMs + index * 1000
    now = one === '!' ? failBack(now, atMs) : advance(now, one === '+', judging, atMs)
    return now.state.slice(0, 1)
  })
  return [states.join(''), now]
}

const states = (...args: Parameters<typeof run>): string => run(...args)[0]

// The specification, row by row as in the machine's comment. The situations below are all combinations of what the
// conditions look at, on both sides of each threshold.

type Event = 'success' | 'failure' | 'failBack'

interface Situation {
  readonly current: Measurement
  readonly judging: Judging
}

const nowMs = 1_000_000
const held = ({ current }: Situation) =>
  current.hold !== null && nowMs < current.hold.untilMs && current.hand !== 'given'
const handNeeded = ({ current, judging }: Situation) =>
  current.hand === 'needed' && judging.failBack === 'manual'
const inARow = ({ current }: Situation) =>
  current.state === 'up' ? current.clearing + 1 : current.streak + 1
const delayed = ({ current, judging }: Situation) =>
  nowMs - (current.answeringMs ?? nowMs) < judging.failBackDelayMs
const waitsLong = ({ current }: Situation) => ['flap', 'delay', 'manual'].includes(current.waiting ?? '')
const otherwise = () => true

const up = { state: 'up', sinceMs: nowMs, streak: 0, clearing: 0, waiting: null, hold: null, hand: 'none' }
const waits = (waiting: string) => (situation: Situation) => ({
  state: 'down',
  waiting,
  streak: inARow(situation),
  answeringMs: situation.current.answeringMs ?? nowMs,
})

type Row = readonly [
  HealthState,
  Event,
  (situation: Situation) => boolean,
  object | ((situation: Situation) => object),
]

const downRows = (state: HealthState): Row[] => [
  [state, 'success', (s) => inARow(s) < s.judging.rise, waits('rise')],
  [state, 'success', ({ current }) => current.hand === 'given', up],
  [state, 'success', held, waits('flap')],
  [state, 'success', delayed, waits('delay')],
  [state, 'success', handNeeded, waits('manual')],
  [state, 'success', otherwise, up],
]

const table: readonly Row[] = [
  ['unknown', 'success', (s) => !held(s) && !handNeeded(s), up],
  ...downRows('unknown').filter((_row, index) => index !== 1 && index !== 5),
  ['unknown', 'failure', otherwise, { state: 'down', streak: 0, waiting: null, sinceMs: nowMs }],
  ['up', 'success', ({ current }) => current.streak === 0, ({ current }) => current],
  [
    'up',
    'success',
    (s) => inARow(s) < s.judging.clear,
    (s) => ({ state: 'up', streak: s.current.streak, clearing: inARow(s) }),
  ],
  ['up', 'success', otherwise, { state: 'up', streak: 0, clearing: 0 }],
  [
    'up',
    'failure',
    ({ current, judging }) => current.streak + 1 < judging.fall,
    ({ current }) => ({ state: 'up', streak: current.streak + 1, clearing: 0 }),
  ],
  ['up', 'failure', otherwise, { state: 'down', streak: 0, hand: 'needed', waiting: null, sinceMs: nowMs }],
  ['down', 'failure', otherwise, { state: 'down', streak: 0, answeringMs: null, waiting: null }],
  ...downRows('down'),
  ['up', 'failBack', otherwise, ({ current }) => current],
  ['down', 'failBack', waitsLong, up],
  ['down', 'failBack', otherwise, { state: 'down', hand: 'given', hold: null }],
  ['unknown', 'failBack', otherwise, { state: 'unknown', hand: 'given', hold: null }],
]

function* situations(state: HealthState): Generator<Situation> {
  const hold = (untilMs: number) => ({ sinceMs: nowMs - 500, untilMs, falls: 3 })
  const flap = { changes: 2, withinMs: 10_000, holdMs: 1000, maxHoldMs: 8000 }
  for (const streak of state === 'unknown' ? [0] : [0, 1, 2])
    for (const clearing of state === 'up' ? [0, 1, 2] : [0])
      for (const waiting of state === 'down' && streak > 0
        ? (['rise', 'flap', 'delay', 'manual'] as const)
        : [null])
        for (const untilMs of state === 'up' ? [null] : [null, nowMs, nowMs + 1])
          for (const hand of state === 'up' ? (['none'] as const) : (['none', 'needed', 'given'] as const))
            for (const threshold of [1, 2, 3])
              for (const failBackDelayMs of [0, 100, 101])
                for (const policy of ['auto', 'manual'] as const)
                  yield {
                    current: {
                      ...unmeasured,
                      state,
                      sinceMs: 1,
                      streak,
                      clearing,
                      waiting,
                      hand,
                      answeringMs: state === 'down' && streak > 0 ? nowMs - 100 : null,
                      hold: untilMs === null ? null : hold(untilMs),
                    },
                    judging: judgingWith({
                      rise: threshold,
                      fall: threshold,
                      clear: threshold,
                      failBack: policy,
                      failBackDelayMs,
                      flap,
                    }),
                  }
}

t.test('does what its table says, in every situation that the table tells apart', (t) => {
  const used = new Set<Row>()
  let seen = 0
  for (const state of healthStates) {
    for (const situation of situations(state)) {
      for (const event of ['success', 'failure', 'failBack'] as const) {
        const row = table.find(([from, what, when]) => from === state && what === event && when(situation))
        if (row === undefined) throw new Error(`no row for ${state} ${event} ${JSON.stringify(situation)}`)
        used.add(row)
        seen++
        const { current, judging } = situation
        const after =
          event === 'failBack'
            ? failBack(current, nowMs)
            : advance(current, event === 'success', judging, nowMs)
        const expected = typeof row[3] === 'function' ? row[3](situation) : row[3]
        const got = Object.fromEntries(Object.keys(expected).map((key) => [key, Reflect.get(after, key)]))
        if (JSON.stringify(got) !== JSON.stringify({ ...expected })) {
          t.same(got, expected, `${event} of ${JSON.stringify(situation)}`)
        }
      }
    }
  }
  t.ok(seen > 3000, `${seen} situations`)
  t.equal(used.size, table.length, 'each row was needed')
  t.end()
})

const judgings: fc.Arbitrary<Judging> = fc.record({
  rise: fc.integer({ min: 1, max: 4 }),
  fall: fc.integer({ min: 1, max: 4 }),
  clear: fc.integer({ min: 1, max: 4 }),
  recheckMs: fc.constant(null),
  failBack: fc.constantFrom('auto', 'auto', 'manual'),
  failBackDelayMs: fc.constantFrom(0, 0, 3, 10),
  flap: fc.option(
    fc.record({
      changes: fc.integer({ min: 0, max: 3 }),
      withinMs: fc.integer({ min: 1, max: 40 }),
      holdMs: fc.integer({ min: 1, max: 20 }),
      maxHoldMs: fc.integer({ min: 20, max: 100 }),
    }),
  ),
})

const events = fc.array(
  fc.record({
    what: fc.oneof(
      { weight: 10, arbitrary: fc.constant('+') },
      { weight: 10, arbitrary: fc.constant('-') },
      { weight: 1, arbitrary: fc.constant('!') },
    ),
    afterMs: fc.integer({ min: 0, max: 9 }),
  }),
  { maxLength: 120 },
)

t.test('agrees with a model that looks back over the whole history', (t) => {
  const reached = new Set<string>()
  fc.assert(
    fc.property(fc.constantFrom(...healthStates), judgings, events, (start, judging, history) => {
      const model = new HistoryModel(start, judging)
      let now = measured(start)
      let atMs = 0
      for (const { what, afterMs } of history) {
        atMs += afterMs
        now = what === '!' ? failBack(now, atMs) : advance(now, what === '+', judging, atMs)
        const { state, waiting, heldUntilMs } = model.after(what, atMs)
        if (now.state !== state || now.waiting !== waiting) {
          t.same([now.state, now.waiting], [state, waiting], `at ${atMs} ms`)
          throw new Error('the model says otherwise')
        }
        if (state === 'down' && now.hold !== null && now.hold.untilMs !== heldUntilMs)
          throw new Error(`held until ${now.hold.untilMs} and not ${heldUntilMs}`)
        reached.add(`${state} ${waiting} ${heldUntilMs !== null && atMs < heldUntilMs}`)
      }
    }),
    { numRuns: 3000 },
  )
  for (const one of ['up null false', 'down flap true', 'down delay false', 'down manual false'])
    t.ok(reached.has(one), one)
  t.end()
})

t.test('properties, with parameters that change at every event', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(events, judgings), { maxLength: 20 }), (phases) => {
      let now = unmeasured
      let atMs = 0
      for (const [history, judging] of phases) {
        for (const { what, afterMs } of history) {
          atMs += afterMs
          const before = now
          now = what === '!' ? failBack(now, atMs) : advance(now, what === '+', judging, atMs)
          if (what !== '!' && now.state === 'unknown') throw new Error('no verdict leads to unknown')
          if (now.state !== before.state) {
            if (now.sinceMs !== atMs || (now.streak !== 0 && before.state !== 'unknown'))
              throw new Error('a new state begins now and without a streak')
            if (now.state === 'down' && before.state === 'up' && what !== '-')
              throw new Error('fell by nothing')
            if (now.state === 'up' && what === '-') throw new Error('rose by a failure')
          }
          if (now.waiting !== null && (now.state !== 'down' || now.streak === 0))
            throw new Error('only what answers and is down waits')
          const fell = before.state === 'up' && now.state === 'down'
          if (fell && now.fallsMs.length > (judging.flap?.changes ?? -1) + 1)
            throw new Error('more falls than are needed')
          if (what !== '!' && judging.flap === null && now.hold !== null)
            throw new Error('held without a limit')
          if ((explain(now, judging, atMs) ?? '').length > 120) throw new Error('too long a text')
        }
      }
    }),
  )
  t.end()
})

t.test('sequences of verdicts that were worked out by hand lead where they should', (t) => {
  const plain = judgingWith()
  t.equal(states(unmeasured, '+', judgingWith({ rise: 5, fall: 5 })), 'u', 'the first verdict decides')
  t.equal(states(unmeasured, '-', judgingWith({ rise: 5, fall: 5 })), 'd')
  t.equal(states(measured('up'), '--+---+', plain), 'uuuuudd', 'one success starts the count anew')
  t.equal(states(measured('down'), '+-++', plain), 'dddu')
  t.equal(states(measured('up'), '-', judgingWith({ fall: 1 })), 'd')
  const [, failing] = run(measured('up'), '-', plain)
  t.equal(
    states(failing, '-', judgingWith({ fall: 2 })),
    'd',
    'a lowered threshold counts at the next verdict',
  )
  t.equal(states(failing, '+', judgingWith({ fall: 1 })), 'u', 'and only then')
  t.equal(advance(measured('up'), true, plain, 5), measured('up'), 'nothing new is the same object')
  t.equal(advance(measured('down'), false, plain, 5), measured('down'))
  t.end()
})

t.test('failures count until enough successes in a row forget them', (t) => {
  const leaky = judgingWith({ fall: 3, clear: 3 })
  t.equal(states(measured('up'), '-+-++-', leaky), 'uuuuud', 'isolated failures add up')
  t.equal(states(measured('up'), '-+-+++--+-', leaky), 'uuuuuuuuud', 'until enough successes come in a row')
  t.equal(run(measured('up'), '-+-+++', leaky)[1].streak, 0, 'which forget them all')
  t.end()
})

t.test('fail-back delay and fail-back by hand', (t) => {
  const delayed = judgingWith({ failBackDelayMs: 4000 })
  t.equal(states(measured('down'), '+++++', delayed), 'ddddu', 'four seconds after the first success')
  t.equal(states(measured('down'), '++-+++++', delayed), 'dddddddu', 'a failure starts it anew')
  t.equal(states(unmeasured, '+', delayed), 'u', 'not for a new one')
  const manual = judgingWith({ failBack: 'manual' })
  t.equal(states(measured('up'), '---++++!', manual), 'uudddddu')
  t.equal(states(measured('up'), '---!-++', manual), 'uuddddu', 'given before it answers')
  t.equal(states(measured('up'), '---+!+', manual), 'uudddu', 'or before it answers often enough')
  t.equal(states(measured('up'), '---!++---++', manual), 'uuddduuuddd', 'once only')
  t.equal(states(unmeasured, '-++', manual), 'ddu', 'what has never been up needs no hand')
  t.equal(states(measured('down'), '+++', manual), 'ddd', 'what the store calls down does')
  const [, down] = run(measured('up'), '---++', manual)
  t.equal(states(forget(down), '++', manual), 'dd', 'nor does another address let it in')
  t.equal(states(forget(failBack(down, 0)), '+', manual), 'u')
  t.equal(states(forget(measured('up')), '+', manual), 'u')
  t.equal(states(down, '+', judgingWith(), 5000), 'u', 'settings that ask for no hand any more')
  t.end()
})

t.test('a member that falls too often is held down, twice as long each time, up to the longest', (t) => {
  const flap = { changes: 2, withinMs: 60_000, holdMs: 5000, maxHoldMs: 15_000 }
  const judging = judgingWith({ rise: 1, fall: 1, flap })
  const [said, third] = run(measured('up'), '-+-+-+++++', judging)
  t.equal(said, 'dududddddu', 'the third fall holds it for five seconds')
  t.strictSame(run(measured('up'), '-+-+-', judging)[1].hold, { sinceMs: 4000, untilMs: 9000, falls: 3 })
  let [, now] = run(third, '-', judging, 10_000)
  t.equal(now.hold?.untilMs, 20_000, 'twice as long')
  ;[, now] = run(advance(now, true, judging, 20_000), '-', judging, 21_000)
  t.equal(now.hold?.untilMs, 36_000, 'and no longer than the longest')
  t.equal(now.offences, 2)
  ;[, now] = run(advance(now, true, judging, 36_000), '-', judging, 36_000 + 60_000)
  t.equal(now.hold, null, 'a long good time')
  t.equal(now.offences, 1, 'forgets one offence')
  t.strictSame(now.fallsMs, [96_000])

  const [, heldNow] = run(measured('up'), '-+-+-', judging)
  t.equal(failBack(heldNow, 5000).hold, null, 'a hand ends the hold')
  t.equal(states(failBack(heldNow, 5000), '+', judging, 5000), 'u')
  t.equal(states(heldNow, '+', judgingWith({ rise: 1 }), 5000), 'u', 'so does taking away the limit')
  t.equal(run(heldNow, '-', judgingWith(), 5000)[1].fallsMs.length, 0)
  const shorter = judgingWith({ rise: 1, flap: { ...flap, holdMs: 1000, maxHoldMs: 2000 } })
  t.equal(states(heldNow, '++', shorter, 5000), 'du', 'a limit that was lowered ends it sooner')
  t.equal(states(forget(heldNow), '+++++', judging, 5000), 'ddddu', 'another address does not')
  t.end()
})

t.test('a failure that counts against up brings the next probe sooner', (t) => {
  const judging = judgingWith({ recheckMs: 1000, clear: 2 })
  const next = (said: string, start: HealthState = 'up') =>
    nextProbeMs(run(measured(start), said, judging)[1], judging, 10_000)
  t.equal(next(''), 10_000)
  t.equal(next('-'), 1000)
  t.equal(next('-+'), 1000, 'while failures count')
  t.equal(next('-++'), 10_000)
  t.equal(next('---'), 10_000)
  t.equal(next('+', 'down'), 10_000, 'coming back is not urgent')
  t.equal(next('', 'unknown'), 10_000)
  const [, failing] = run(measured('up'), '-', judging)
  t.equal(nextProbeMs(failing, judging, 500), 500, 'never later than the interval')
  t.equal(nextProbeMs(failing, judgingWith(), 500), 500)
  t.end()
})

t.test('a member is near a change while verdicts count and nothing is in their way', (t) => {
  const judging = judgingWith({ failBack: 'manual' })
  t.notOk(nearChange(unmeasured, judging, 0))
  t.notOk(nearChange(measured('up'), judging, 0))
  t.ok(nearChange(run(measured('up'), '-', judging)[1], judging, 0))
  t.notOk(nearChange(measured('down'), judging, 0))
  const [, answering] = run(measured('down'), '+', judging)
  t.notOk(nearChange(answering, judging, 0), 'a hand is in the way')
  t.ok(nearChange(answering, judgingWith(), 0))
  const flap = { changes: 0, withinMs: 60_000, holdMs: 60_000, maxHoldMs: 60_000 }
  const flapping = judgingWith({ fall: 1, flap })
  const [, heldNow] = run(measured('up'), '-+', flapping)
  t.notOk(nearChange(heldNow, flapping, 59_999))
  t.ok(nearChange(heldNow, flapping, 60_000))
  t.end()
})

t.test('an explanation says what counts against a state and what is waited for', (t) => {
  const noon = Date.parse('2026-11-24T12:00:00Z')
  const flap = { changes: 1, withinMs: 600_000, holdMs: 190_000, maxHoldMs: 86_400_000 }
  const manual = { failBack: 'manual' } as const
  const cases: readonly [HealthState, string, Partial<Judging>, number, string | null][] = [
    ['unknown', '', {}, 0, null],
    ['unknown', '!', {}, 0, 'fail-back by hand was given, waits for an answer'],
    ['up', '+', {}, 0, null],
    ['up', '-', {}, 0, '1 of 3 failures'],
    ['up', '--+', { clear: 5 }, 0, '2 of 3 failures; 1 of 5 successes to forget them'],
    ['up', '---', {}, 0, null],
    ['down', '++', { rise: 3 }, 0, '2 of 3 successes'],
    ['down', '++', { rise: 3, ...manual }, 0, '2 of 3 successes, then waits for fail-back by hand'],
    ['down', '++', manual, 0, 'answers again; waits for fail-back by hand'],
    ['down', '!', manual, 0, 'fail-back by hand was given, waits for an answer'],
    ['down', '!+', manual, 0, '1 of 2 successes'],
    ['down', '++', { failBackDelayMs: 300_000 }, 1000, 'answers again; waits until 12:05:00 UTC'],
    ['down', '++', { failBackDelayMs: 300_000 }, 300_000, 'answers again; up with the next success'],
    [
      'down',
      '++',
      { failBackDelayMs: 300_000, ...manual },
      1000,
      'answers again; waits until 12:05:00 UTC, then waits for fail-back by hand',
    ],
    [
      'down',
      '+++',
      { failBackDelayMs: 86_400_000 },
      1000,
      'answers again; waits until 2026-11-25 12:00:00 UTC',
    ],
    [
      'up',
      '-+-',
      { rise: 1, fall: 1, flap },
      3000,
      'held down until 12:03:12 UTC after 2 changes within 10m',
    ],
    [
      'up',
      '-+-+',
      { rise: 1, fall: 1, flap },
      3000,
      'held down until 12:03:12 UTC after 2 changes within 10m',
    ],
    ['up', '-+-+', { rise: 1, fall: 1, flap }, 192_000, 'answers again; up with the next success'],
    ['up', '-+-', { rise: 1, fall: 1, flap }, 192_000, null],
  ]
  for (const [state, said, changes, afterMs, expected] of cases) {
    const judging = judgingWith(changes)
    const [, now] = run(measured(state), said, judging, noon)
    t.equal(explain(now, judging, noon + afterMs), expected, `${state} ${said}`)
  }
  const byHand = judgingWith({ rise: 1, fall: 1, flap: { ...flap, changes: 0 }, ...manual })
  t.equal(
    explain(run(measured('up'), '-', byHand, noon)[1], byHand, noon),
    'held down until 12:03:10 UTC after 1 change within 10m, then waits for fail-back by hand',
  )
  t.end()
})
