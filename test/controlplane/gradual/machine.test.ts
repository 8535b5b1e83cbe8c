/** The course of a gradual change: the table of all that can happen to one, and what holds whatever happens. */
import fc from 'fast-check'
import t from 'tap'
import { type GradualInput, gradualInputs, turnOf } from '../../../src/controlplane/gradual/machine.ts'
import { type GradualPhase, gradualPhases } from '../../../src/controlplane/model/gradual.ts'

/** Of five steps two are taken, or all; what becomes of it: phase, steps taken, what is told, whether weights are written, the wait. */
const table: Readonly<Record<string, Readonly<Partial<Record<GradualInput, string>>>>> = {
  'running 2': {
    due: 'running 3 step writes whole',
    pause: 'paused 2 paused - none',
    finish: 'done 5 done writes none',
    'go-back': 'returned 2 returned writes none',
    fail: 'returned 2 returned writes none',
    halt: 'halted 2 halted - none',
  },
  'running 5': {
    due: 'done 5 done - none',
    pause: 'paused 5 paused - none',
    finish: 'done 5 done writes none',
    'go-back': 'returned 5 returned writes none',
    fail: 'returned 5 returned writes none',
    halt: 'halted 5 halted - none',
  },
  'paused 2': {
    resume: 'running 2 resumed - rest',
    finish: 'done 5 done writes none',
    'go-back': 'returned 2 returned writes none',
    fail: 'returned 2 returned writes none',
    halt: 'halted 2 halted - none',
  },
}

t.test('what becomes of a change', async (t) => {
  for (const phase of gradualPhases) {
    for (const step of [2, 5]) {
      for (const input of gradualInputs) {
        const turn = turnOf({ phase, step }, 5, input)
        const said =
          turn === null
            ? undefined
            : `${turn.phase} ${turn.step} ${turn.what} ${turn.writes ? 'writes' : '-'} ${turn.wait}`
        const expected = (table[`${phase} ${step}`] ?? (phase === 'paused' ? table['paused 2'] : {}))![input]
        t.equal(said, step === 5 ? expected?.replace(' 2 ', ' 5 ') : expected, `${phase} ${step}, ${input}`)
      }
    }
  }
})

t.test('whatever happens, it never skips a step by itself, and what has ended stays as it is', async () => {
  const ended = (phase: GradualPhase) => phase !== 'running' && phase !== 'paused'
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.constantFrom(...gradualInputs), { maxLength: 100 }),
      (steps, inputs) => {
        let at: { phase: GradualPhase; step: number } = { phase: 'running', step: 1 }
        for (const input of inputs) {
          const turn = turnOf(at, steps, input)
          if (ended(at.phase) && turn !== null) throw new Error(`${at.phase} became ${turn.phase}`)
          if (turn === null) continue
          const isWaiting = turn.wait !== 'none'
          if (isWaiting !== (turn.phase === 'running'))
            throw new Error('what runs waits, and nothing else does')
          if (turn.step < at.step || turn.step > steps) throw new Error(`step ${turn.step}`)
          if (input !== 'finish' && turn.step > at.step + 1) throw new Error(`skipped to ${turn.step}`)
          if (turn.phase === 'done' && turn.step !== steps) throw new Error('done before its last step')
          at = turn
        }
      },
    ),
  )
})
