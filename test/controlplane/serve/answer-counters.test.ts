import t from 'tap'
import { AnswerCounters } from '../../../src/controlplane/serve/answer-counters.ts'
import { AnswerReader, allocateCounters, Counters } from '../../../src/dataplane/counters.ts'

t.test('what a process had counted before it was heard of is of nobody who is here', async (t) => {
  const heard: SharedArrayBuffer[] = []
  const answers = new AnswerCounters(() => new AnswerReader(heard))
  const slot = answers.slotOf('www', 'web', 'a')
  const buffer = allocateCounters()
  const worker = new Counters(buffer)
  for (let times = 0; times < 5; times++) worker.answer(slot)
  heard.push(buffer)
  answers.beginAnew()
  t.match(answers.read(), [{ member: 'a', count: 0 }])
  worker.answer(slot)
  t.match(answers.read(), [{ member: 'a', count: 1 }])
})

t.test('counts over all workers, and a slot that changes hands begins at 0', async (t) => {
  const buffers = [allocateCounters(), allocateCounters()]
  const workers = buffers.map((buffer) => new Counters(buffer))
  const answers = new AnswerCounters(() => new AnswerReader(buffers))
  const slot = answers.slotOf('www', 'web', 'a')
  t.equal(answers.slotOf('www', 'web', 'a'), slot)
  const other = answers.slotOf('www', 'web', 'b')
  t.not(other, slot)
  for (const worker of workers) worker.answer(slot)
  workers[0]!.answer(other)
  t.same(answers.read(), [
    { service: 'www', pool: 'web', member: 'a', count: 2 },
    { service: 'www', pool: 'web', member: 'b', count: 1 },
  ])
  answers.retain('www', (_pool, member) => member === 'b')
  t.same(answers.read(), [{ service: 'www', pool: 'web', member: 'b', count: 1 }])
  t.equal(answers.slotOf('api', 'web', 'a'), slot, 'the slot is used again')
  workers[1]!.answer(slot)
  t.match(answers.read().at(-1), { service: 'api', member: 'a', count: 1 })
  answers.retain('www', () => false)
  answers.retain('www', () => false)
  t.equal(answers.read().length, 1)
})
