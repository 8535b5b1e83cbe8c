import fc from 'fast-check'
import t from 'tap'
import { type CompositePart, combine } from '../../../src/controlplane/health/composite.ts'
import type { CompositeMonitor } from '../../../src/controlplane/model/monitor.ts'
import { type HealthState, healthStates } from '../../../src/controlplane/model/observation.ts'

type Rule = Pick<CompositeMonitor, 'require' | 'invert'>

const letters = { u: 'up', d: 'down', '?': 'unknown' } as const

/** Parts named a, b, c and so on, from the first letters of their states. */
const partsOf = (states: string): CompositePart[] =>
  Array.from(states, (letter, index) => ({
    name: String.fromCharCode(97 + index),
    state: letters[letter as keyof typeof letters],
    reason: `is ${letter}`,
  }))

t.test('all, any, at least, inverted', (t) => {
  const cases: readonly [CompositeMonitor['require'], string, HealthState, string][] = [
    ['all', 'uu', 'up', 'a: is u, b: is u; 2 of 2 up, 2 needed'],
    ['all', 'ud', 'down', 'b: is d; 1 of 2 up, 2 needed'],
    ['all', '?d', 'down', 'b: is d; 0 of 2 up, 2 needed'],
    ['all', 'u?', 'unknown', 'b: is ?; 1 of 2 up, 2 needed'],
    ['any', 'ud', 'up', 'a: is u; 1 of 2 up, 1 needed'],
    ['any', '?u', 'up', 'b: is u; 1 of 2 up, 1 needed'],
    ['any', '?d', 'unknown', 'a: is ?; 0 of 2 up, 1 needed'],
    ['any', 'dd', 'down', 'a: is d, b: is d; 0 of 2 up, 1 needed'],
    [2, 'uud', 'up', 'a: is u, b: is u; 2 of 3 up, 2 needed'],
    [2, 'udd', 'down', 'b: is d, c: is d; 1 of 3 up, 2 needed'],
    [2, 'u?d', 'unknown', 'b: is ?; 1 of 3 up, 2 needed'],
    [2, '?dd', 'down', 'b: is d, c: is d; 0 of 3 up, 2 needed'],
    [4, 'uuu', 'down', '3 of 3 up, 4 needed'],
    [4, 'dddd?', 'down', 'a: is d, b: is d, c: is d, and 1 more; 0 of 5 up, 4 needed'],
    ['all', '', 'up', '0 of 0 up, 0 needed'],
    ['any', '', 'down', '0 of 0 up, 1 needed'],
  ]
  const swapped = { up: 'down', down: 'up', unknown: 'unknown' }
  for (const [require, states, state, reason] of cases) {
    const parts = partsOf(states)
    t.strictSame(combine({ require, invert: false }, parts), { state, reason }, `${require} of ${states}`)
    const after = combine({ require, invert: true }, parts)
    t.strictSame(
      after,
      { state: swapped[state], reason: `${reason}; inverted` },
      `not ${require} of ${states}`,
    )
  }
  t.end()
})

/** Every way in which the unknown parts may turn out, and what each comes to by counting. */
function outcomes({ require, invert }: Rule, states: readonly HealthState[]): Set<HealthState> {
  const open = states.indexOf('unknown')
  if (open >= 0) {
    const known = (state: HealthState) => outcomes({ require, invert }, states.with(open, state))
    return new Set([...known('up'), ...known('down')])
  }
  const isUp =
    require === 'all'
      ? states.every((state) => state === 'up')
      : require === 'any'
        ? states.includes('up')
        : states.filter((state) => state === 'up').length >= require
  return new Set<HealthState>([isUp === invert ? 'down' : 'up'])
}

t.test('is what it is however the unknown parts turn out', (t) => {
  const rule = fc.record({
    require: fc.oneof(fc.constantFrom('all' as const, 'any' as const), fc.integer({ min: 1, max: 8 })),
    invert: fc.boolean(),
  })
  fc.assert(
    fc.property(rule, fc.array(fc.constantFrom(...healthStates), { maxLength: 7 }), (rule, states) => {
      const possible = outcomes(rule, states)
      const [only] = possible
      const parts = states.map((state, index) => ({ name: `${index}`, state, reason: '' }))
      t.equal(combine(rule, parts).state, possible.size === 1 ? only : 'unknown')
    }),
    { numRuns: 500 },
  )
  t.end()
})

t.test('reasons are bounded and end with the whole count', (t) => {
  const parts = Array.from({ length: 40 }, (_, index) => ({
    name: `part-${index}`,
    state: 'down' as const,
    reason: 'x'.repeat(160),
  }))
  const { reason } = combine({ require: 'all', invert: true }, parts)
  t.equal(reason.length, 160)
  t.match(reason, /^part-0: x+…, and 37 more; 0 of 40 up, 40 needed; inverted$/)
  t.end()
})
