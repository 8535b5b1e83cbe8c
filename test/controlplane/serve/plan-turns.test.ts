/** Turns of planning: what is planned first, what others wait for, and that nothing is planned twice or left. */
import { setImmediate as immediate } from 'node:timers/promises'
import t from 'tap'
import { PlanTurns } from '../../../src/controlplane/serve/plan-turns.ts'

/** As long as a service that takes a turn by itself, however busy the machine is. */
function busy(): void {
  const cpuMs = () => process.threadCpuUsage().user / 1000
  const until = cpuMs() + 5
  while (cpuMs() < until);
}

/** Each service takes a turn. */
function setUp() {
  const planned: string[][] = []
  const turns: PlanTurns = new PlanTurns(async (services) => {
    const turn: string[] = []
    planned.push(turn)
    for (const service of services) {
      turn.push(service)
      turns.planned(service)
      busy()
    }
  })
  return { turns, planned }
}

t.test('what takes long is done in turns, and others come between them', async (t) => {
  const { turns, planned } = setUp()
  t.equal(turns.running, null)
  const all = turns.plan(new Set(['a', 'b', 'c', 'd']))
  t.same(planned, [['a']], 'the first turn is at once')
  t.ok(turns.running)
  await immediate()
  t.ok(planned.length < 4, 'the event loop has its turn')
  const before = planned.flat().length
  const verdict = turns.plan(['z'])
  t.same(planned.flat().slice(before), ['z'], 'another verdict waits for none of those that are due')
  await verdict
  t.ok(turns.running, 'nor to be served')
  await all
  t.equal(turns.running, null)
  t.same(planned.flat().toSorted(), ['a', 'b', 'c', 'd', 'z'])
})

t.test('what is due and is planned otherwise, or asked for again, is planned once', async (t) => {
  const { turns, planned } = setUp()
  const both = [turns.plan(['a', 'b', 'c']), turns.plan(['c', 'b', 'd'])]
  t.same(planned, [['a'], ['c']])
  turns.planned('d')
  await Promise.all(both)
  t.same(planned, [['a'], ['c'], ['b']])
})

t.test('the first turn may do more than the others', async (t) => {
  const { turns, planned } = setUp()
  const first: string[] = []
  await turns.plan(['a', 'b'], {
    first: async (services) => {
      for (const service of services) {
        first.push(service)
        busy()
      }
    },
  })
  t.same(first, ['a'])
  t.same(planned, [['b']])
})

t.test('what is to be done at the end is done in the turn of the last one', async (t) => {
  const { turns, planned } = setUp()
  const seen: string[][] = []
  const last = async () => void seen.push(planned.flat())
  await turns.plan(['a'], { last })
  t.same(seen.splice(0), [['a']])
  const step = turns.plan(['b', 'c', 'd'], { last })
  const later = turns.plan(['c', 'e', 'f'])
  turns.planned('d')
  await step
  t.notOk(seen.flat().includes('f'), 'what others have to plan is not waited for')
  await later
  t.same(planned.flat().toSorted(), ['a', 'b', 'c', 'e', 'f'])
  await t.rejects(turns.plan(['g', 'h'], { last: () => Promise.reject(new Error('no worker')) }), {
    message: 'no worker',
  })
})
