/**
 * The course of a gradual change, as rows. Nothing else decides what becomes of one: operators, the time, failures and the
 * writes of others are inputs, and `turnOf` is the only function that answers them.
 *
 *                      ┌──due, steps are left──┐
 *                      ▼                       │
 *     (start) ───▶  running ───────────────────┘
 *                    │  ▲ │
 *              pause │  │ └──due, the last step was taken──▶ done
 *                    ▼  │ resume
 *                   paused
 *
 *     running, paused ──finish──▶ done         the weights of the document, at once
 *     running, paused ──go-back──▶ returned    the weights of before, at once
 *     running, paused ──fail──▶ returned       the same, since what gains traffic has failed
 *     running, paused ──halt──▶ halted         nothing is written: somebody else has, or nothing can be
 *
 * `done`, `returned` and `halted` are ends. The start takes the first step. Each step is watched for as long as the others, the
 * last one too, so a change is done when all of its time is over.
 */
import type { GradualPhase, GradualTurn, GradualWait } from '../model/gradual.ts'

export const gradualInputs = ['due', 'pause', 'resume', 'finish', 'go-back', 'fail', 'halt'] as const
export type GradualInput = (typeof gradualInputs)[number]

export interface Position {
  readonly phase: GradualPhase
  /** Steps that were taken. */
  readonly step: number
}

export interface Turn extends Position {
  readonly what: GradualTurn
  /** Whether the weights become those of the position. */
  readonly writes: boolean
  readonly wait: GradualWait
}

interface Row extends Omit<Turn, 'step'> {
  readonly from: readonly GradualPhase[]
  readonly input: GradualInput
  /** Whether the last step has been taken; left out where that does not matter. */
  readonly last?: boolean
  readonly step: 'same' | 'next' | 'last'
}

const active = ['running', 'paused'] as const
const none = { writes: false, wait: 'none', step: 'same' } as const

const rows: readonly Row[] = [
  {
    from: ['running'],
    input: 'due',
    last: false,
    phase: 'running',
    what: 'step',
    writes: true,
    wait: 'whole',
    step: 'next',
  },
  { from: ['running'], input: 'due', last: true, phase: 'done', what: 'done', ...none },
  { from: ['running'], input: 'pause', phase: 'paused', what: 'paused', ...none },
  { from: ['paused'], input: 'resume', phase: 'running', what: 'resumed', ...none, wait: 'rest' },
  { from: active, input: 'finish', phase: 'done', what: 'done', writes: true, wait: 'none', step: 'last' },
  { from: active, input: 'go-back', phase: 'returned', what: 'returned', ...none, writes: true },
  { from: active, input: 'fail', phase: 'returned', what: 'returned', ...none, writes: true },
  { from: active, input: 'halt', phase: 'halted', what: 'halted', ...none },
]

/** @returns null when the input means nothing to a change that is where this one is */
export function turnOf({ phase, step }: Position, steps: number, input: GradualInput): Turn | null {
  const row = rows.find(
    (each) =>
      each.from.includes(phase) && each.input === input && (each.last ?? step === steps) === (step === steps),
  )
  if (row === undefined) return null
  const taken = { same: step, next: step + 1, last: steps }[row.step]
  return { phase: row.phase, step: taken, what: row.what, writes: row.writes, wait: row.wait }
}
