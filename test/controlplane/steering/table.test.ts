/** Holds steering against the table of policies and situations. */
import t from 'tap'
import {
  type PoolSituation,
  poolSituations,
  poolTable,
  poolWorld,
  type ServiceSituation,
  serviceSituations,
  serviceTable,
  serviceWorld,
} from './table.ts'
import { answer } from './world.ts'

t.test('every policy of a pool answers in every situation as the table says', async (t) => {
  for (const row of poolTable) {
    for (const situation of Object.keys(poolSituations) as PoolSituation[]) {
      t.equal(answer(poolWorld(row, situation)).text, row.answers[situation], `${row.policy}: ${situation}`)
    }
  }
})

t.test('every policy of a service answers in every situation as the table says', async (t) => {
  for (const row of serviceTable) {
    for (const situation of Object.keys(serviceSituations) as ServiceSituation[]) {
      t.equal(
        answer(serviceWorld(row, situation)).text,
        row.answers[situation],
        `${row.policy}: ${situation}`,
      )
    }
  }
})
