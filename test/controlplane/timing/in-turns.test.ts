/** Long work in turns: each takes something, and others come between them. */
import t from 'tap'
import { inTurns } from '../../../src/controlplane/timing/in-turns.ts'

/** For a turn, however busy the machine is. */
function busy(): void {
  const cpuMs = () => process.threadCpuUsage().user / 1000
  const until = cpuMs() + 5
  while (cpuMs() < until);
}

t.test('what takes long is done in turns', async (t) => {
  const turns: number[][] = []
  let others = 0
  const counting = setInterval(() => others++)
  const done = inTurns([1, 2, 3, 4], (some) => {
    const turn: number[] = []
    turns.push(turn)
    for (const one of some) {
      turn.push(one)
      busy()
    }
  })
  t.same(turns, [[1]], 'the first at once')
  t.equal(await done, true)
  clearInterval(counting)
  t.same(turns.flat(), [1, 2, 3, 4])
  t.ok(others > 0, 'and others have had theirs')
})

t.test('what takes no longer than a turn is done in one', async (t) => {
  const taken: number[] = []
  const done = inTurns([1, 2, 2], (some) => void taken.push(...some))
  t.same(taken, [1, 2])
  t.equal(await done, false)
  t.equal(await inTurns([], () => {}), false)
})
