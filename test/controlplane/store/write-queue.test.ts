import t from 'tap'
import { ControlError } from '../../../src/controlplane/model/errors.ts'
import { WriteQueue } from '../../../src/controlplane/store/write-queue.ts'

t.test('one at a time, in order, whatever fails', async (t) => {
  const queue = new WriteQueue()
  const log: string[] = []
  const step = (name: string) =>
    queue.run(async () => {
      log.push(`${name} starts`)
      await Promise.resolve()
      log.push(`${name} ends`)
      if (name === 'b') throw new Error('b failed')
      return name
    })
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(step))
  t.same(log, ['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends'])
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

t.test('a queue that is full refuses the next write, and takes it again later', async (t) => {
  const queue = new WriteQueue()
  const gate = Promise.withResolvers<void>()
  const waiting = Array.from({ length: 1_000 }, () => queue.run(() => gate.promise))
  await t.rejects(
    queue.run(async () => {}),
    { code: 'unavailable', message: 'too many writes are waiting' },
  )
  gate.resolve()
  await Promise.all(waiting)
  t.equal(await queue.run(async () => 'again'), 'again')
})

t.test(
  'those that wait behind a write that waited for nothing fail with it, and later ones try again',
  async (t) => {
    const queue = new WriteQueue()
    const gate = Promise.withResolvers<string>()
    const away = new ControlError('unavailable', 'the database is not available: timeout exceeded', {
      mayHaveChanged: true,
    })
    let ran = 0
    const first = queue.run(() => gate.promise)
    const behind = [1, 2].map(() => queue.run(async () => ran++))
    gate.reject(away)
    await t.rejects(first, { message: /timeout/, mayHaveChanged: true })
    for (const each of behind) await t.rejects(each, { code: 'unavailable', mayHaveChanged: false })
    t.equal(ran, 0)
    t.equal(await queue.run(async () => 'tried'), 'tried')
  },
)
