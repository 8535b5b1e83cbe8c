import t from 'tap'
import { Ending, orStopped } from '../../../../src/controlplane/health/probes/ending.ts'
import { fault } from '../../../../src/controlplane/health/verdict.ts'

t.test(
  'work ends once, with what comes first of its result and a stop, and lets go of what it holds',
  async (t) => {
    const late = fault('timeout', 'late')
    let closed = 0
    const begin = (stop: AbortController) => new Ending<number>(stop.signal, () => closed++)
    const stop = new AbortController()
    const [first, second] = [begin(stop), begin(stop)]
    first.finish(1)
    t.strictSame([first.over, second.over, closed], [true, false, 1])
    stop.abort(late)
    second.finish(2)
    t.strictSame([await first.result, await second.result, closed], [1, late, 2])
    t.equal(await begin(stop).result, late, 'stopped before it began')
  },
)

t.test('what can not be called off is left behind', async (t) => {
  const stop = new AbortController()
  const late = fault('timeout', 'late')
  t.equal(await orStopped(Promise.resolve(1), stop.signal), 1)
  await t.rejects(orStopped(Promise.reject(new Error('no')), stop.signal), { message: 'no' })
  const work = Promise.withResolvers<number>()
  const waiting = orStopped(work.promise, stop.signal)
  stop.abort(late)
  t.equal(await waiting, late)
  work.reject(new Error('nobody hears this'))
  t.equal(await orStopped(new Promise(() => {}), stop.signal), late, 'stopped before it began')
})
