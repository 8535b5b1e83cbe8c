import type { HealthState } from '../model.ts'

/**
 * The rise/fall machine: turns the verdicts of one member's probes into its measured state.
 *
 * States: `unknown`, `up`, `down`. Beside the state the machine keeps the streak: how many verdicts in a row, up
 * to now, have contradicted the state.
 *
 *   state    verdict   streak so far        then
 *   unknown  success   -                    up, streak 0
 *   unknown  failure   -                    down, streak 0
 *   up       success   any                  up, streak 0
 *   up       failure   streak + 1 <  fall   up, streak + 1
 *   up       failure   streak + 1 >= fall   down, streak 0
 *   down     failure   any                  down, streak 0
 *   down     success   streak + 1 <  rise   down, streak + 1
 *   down     success   streak + 1 >= rise   up, streak 0
 *
 * - The first verdict decides alone: a new member, or a new daemon, must not serve (or withhold) blindly for
 *   `fall` (or `rise`) intervals. A state that comes back from the store is not unknown: it is a state like any other
 *   and takes a full streak to leave, so a restart in the middle of one lost packet moves nothing.
 * - `rise` and `fall` are parameters of the verdict and not of the machine, so they may change at any time. A streak
 *   that a lowered threshold has overtaken counts at the next verdict: only verdicts cause transitions.
 * - There is no way back to `unknown`.
 *
 * The machine is a pure function over immutable values; time, reasons and events are the checker's.
 */
export interface Measurement {
  readonly state: HealthState
  /** Verdicts in a row that contradict `state`; always below the threshold of the verdict that came last. */
  readonly streak: number
}

/** Where a member begins that nothing is known of. */
export const unmeasured: Measurement = { state: 'unknown', streak: 0 }

/** How many consecutive verdicts it takes to leave a state; both at least 1. */
export interface Thresholds {
  readonly rise: number
  readonly fall: number
}

const steadyUp: Measurement = { state: 'up', streak: 0 }
const steadyDown: Measurement = { state: 'down', streak: 0 }

/** @returns the measurement of a state without a streak, such as one from the store */
export function measured(state: HealthState): Measurement {
  switch (state) {
    case 'unknown':
      return unmeasured
    case 'up':
      return steadyUp
    case 'down':
      return steadyDown
    default:
      return state satisfies never
  }
}

/** @returns the measurement after one more verdict; a transition happened when its state differs */
export function advance(current: Measurement, success: boolean, thresholds: Thresholds): Measurement {
  const said = success ? steadyUp : steadyDown
  if (current.state === 'unknown' || current.state === said.state) return said
  const streak = current.streak + 1
  const needed = success ? thresholds.rise : thresholds.fall
  return streak >= needed ? said : { state: current.state, streak }
}
