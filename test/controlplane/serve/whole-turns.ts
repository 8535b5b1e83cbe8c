/** Turns of planning in which all is planned that is due, however busy the machine is: what a step plans is one generation. */
import type { TakeTurn } from '../../../src/controlplane/serve/plan-turns.ts'

export const takeWhole: TakeTurn = (left) => {
  const all = [...left.keys()]
  left.clear()
  return all
}
