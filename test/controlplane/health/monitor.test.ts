import fc from 'fast-check'
import t from 'tap'
import { advance, type Measurement, measured, unmeasured } from '../../../src/controlplane/health/monitor.ts'
import { type HealthState, healthStates } from '../../../src/controlplane/model.ts'

/** A verdict, and the thresholds that hold when it comes. */
interface Step {
  readonly success: boolean
  readonly rise: number
  readonly fall: number
}

const steps = fc.array(
  fc.record({
    success: fc.boolean(),
    rise: fc.integer({ min: 1, max: 5 }),
    fall: fc.integer({ min: 1, max: 5 }),
  }),
  { maxLength: 60 },
)

/**
 * The model keeps no streak: it looks back over everything that was said since the state was entered. The state is left
 * when the latest verdicts, as many as the threshold of the last one, all contradict it.
 */
function statesByHistory(start: HealthState, history: readonly Step[]): HealthState[] {
  let state = start
  let since: boolean[] = []
  return history.map(({ success, rise, fall }) => {
    since.push(success)
    const needed = state === 'unknown' ? 1 : state === 'up' ? fall : rise
    const latest = since.slice(-needed)
    const against = state === 'unknown' ? [success] : latest.filter((one) => one !== (state === 'up'))
    if (against.length === needed) {
      state = success ? 'up' : 'down'
      since = []
    }
    return state
  })
}

t.test('agrees with a model that looks back over the whole history', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...healthStates), steps, (start, history) => {
      let now: Measurement = measured(start)
      const states = history.map((step) => {
        now = advance(now, step.success, step)
        return now.state
      })
      t.strictSame(states, statesByHistory(start, history))
    }),
    { numRuns: 500 },
  )
  t.end()
})

t.test('properties', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...healthStates), steps, (start, history) => {
      let now: Measurement = measured(start)
      for (const step of history) {
        const before = now
        now = advance(before, step.success, step)
        t.not(now.state, 'unknown')
        t.ok(now.streak < (now.state === 'up' ? step.fall : step.rise), 'the streak is below the threshold')
        if (now.state !== before.state)
          t.equal(now.state, step.success ? 'up' : 'down', 'never against the verdict')
        if ((now.state === 'up') === step.success) t.equal(now.streak, 0, 'agreement ends the streak')
      }
    }),
  )
  t.end()
})

t.test('by hand', (t) => {
  const run = (start: Measurement, said: string, rise: number, fall: number): string => {
    let now = start
    const states = Array.from(said, (one) => {
      now = advance(now, one === '+', { rise, fall })
      return now.state.slice(0, 1)
    })
    return states.join('')
  }
  t.equal(run(unmeasured, '+', 5, 5), 'u', 'the first verdict decides')
  t.equal(run(unmeasured, '-', 5, 5), 'd')
  t.equal(run(measured('up'), '--+---+', 2, 3), 'uuuuudd', 'one success starts the count anew')
  t.equal(run(measured('down'), '+-++', 2, 3), 'dddu')
  t.equal(run(measured('up'), '-', 1, 1), 'd')
  const failing = advance(measured('up'), false, { rise: 2, fall: 3 })
  t.equal(
    advance(failing, false, { rise: 2, fall: 2 }).state,
    'down',
    'a lowered threshold counts at the next verdict',
  )
  t.equal(advance(failing, true, { rise: 2, fall: 1 }).state, 'up', 'and only then')
  t.end()
})
