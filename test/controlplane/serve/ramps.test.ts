import t from 'tap'
import { Ramps } from '../../../src/controlplane/serve/ramps.ts'

t.test('the step that is due next comes first, and each pool once', async (t) => {
  const stepped: string[][] = []
  let heard = Promise.withResolvers<void>()
  const ramps = new Ramps(
    (pools) => {
      stepped.push([...pools])
      heard.resolve()
    },
    () => new Date(),
  )
  t.teardown(() => ramps[Symbol.dispose]())
  const nowMs = Date.now()
  ramps.note('far', nowMs + 3_600_000)
  ramps.note('far', nowMs + 7_200_000)
  ramps.note('near', nowMs + 60_000)
  ramps.note('near', nowMs + 30)
  ramps.note('late', nowMs - 5000)
  await heard.promise
  t.same(stepped, [['late']], 'what is due already')
  heard = Promise.withResolvers()
  await heard.promise
  t.same(stepped, [['late'], ['near']])
  t.ok(Date.now() >= nowMs + 30)
  heard = Promise.withResolvers()
  ramps.note('near', Date.now())
  ramps.note('other', Date.now())
  await heard.promise
  t.same(stepped[2], ['near', 'other'], 'together')
})

t.test('a step that is noted while steps are told', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let steps = 0
  const ramps = new Ramps(
    (pools) => {
      t.same([...pools], ['web'])
      if (++steps === 3) resolve()
      else ramps.note('web', Date.now())
    },
    () => new Date(),
  )
  t.teardown(() => ramps[Symbol.dispose]())
  ramps.note('web', Date.now())
  await promise
})

t.test('after the end nothing is waited for', async (t) => {
  const ramps = new Ramps(
    () => t.fail('it has ended'),
    () => new Date(),
  )
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  ramps.note('web', Date.now() + 1000)
  t.equal(timers(), before + 1)
  ramps[Symbol.dispose]()
  t.equal(timers(), before)
  ramps.note('web', Date.now())
  t.equal(timers(), before)
})
