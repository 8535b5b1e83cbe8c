/** Servers in virtual time (`test/simulation`): what must hold whatever fails, and in what order. */
import { scenario } from '../../simulation/scenario.ts'
import { Simulation } from '../../simulation/simulation.ts'
import { type Target, targetOf } from '../target.ts'

export function nodes(): Target {
  return targetOf(4, scenario, async (drawn) => {
    await using simulation = new Simulation(drawn)
    return await simulation.run(drawn.steps)
  })
}
