import t from 'tap'
import { LastKnownAnswers } from '../../../src/controlplane/steering/last-known.ts'
import { answer, choicesOf, type World } from './world.ts'

const services: World['services'] = {
  www: { steer: 'weighted', choices: choicesOf('service inner', 'us', 'asia 0') },
  inner: { choices: choicesOf('eu', 'us') },
}

const minuteMs = 60_000

function remember(memory: LastKnownAnswers, eu: string, us: string, asia = 'a up', atMs = 0) {
  memory.settle(atMs)
  memory.remember(answer({ members: { eu, us, asia }, services }).selection.judgement, atMs)
  return memory.entries()
}

t.test('each pool and each service is remembered as it was when it was up', async (t) => {
  const memory = new LastKnownAnswers()
  t.same(remember(memory, 'e up, f up', 'u up'), {
    pools: [
      ['eu', ['e', 'f']],
      ['us', ['u']],
      ['asia', ['a']],
    ],
    services: [
      ['www', ['service inner', 'pool us']],
      ['inner', ['pool eu']],
    ],
  })
  remember(memory, 'e down, f up', 'u down')
  t.same(memory.pools.get('us'), ['u'], 'a pool that is down is as it was')
  const before = remember(memory, 'e down, f down', 'u up')
  t.same(memory.used.get('inner'), ['pool us'])
  t.same(
    remember(memory, 'e down, f down', 'u down', 'a down'),
    before,
    'nothing is up, so nothing is learned',
  )
  t.same(JSON.parse(JSON.stringify(before)), before)
  const other = new LastKnownAnswers()
  other.restore(before)
  t.same(other.entries(), before)
})

t.test('what was never measured is no knowledge, but better than none', async (t) => {
  const memory = new LastKnownAnswers()
  remember(memory, 'e unknown, f unknown', 'u up')
  t.same(memory.pools.get('eu'), ['e', 'f'])
  remember(memory, 'e up, f down', 'u up')
  remember(memory, 'e unknown, f unknown', 'u up')
  t.same(memory.pools.get('eu'), ['e'])
})

t.test('only what the configuration has is kept', async (t) => {
  const memory = new LastKnownAnswers()
  remember(memory, 'e up', 'u up')
  memory.retain(new Set(['us']), new Set(['inner']))
  t.same(memory.entries(), { pools: [['us', ['u']]], services: [['inner', ['pool eu']]] })
})

t.test('what dies one by one is remembered as it was before that, for an hour', async (t) => {
  const memory = new LastKnownAnswers()
  const at = (minute: number, eu: string, us = 'u up') => {
    remember(memory, eu, us, 'a up', minute * minuteMs)
    return [memory.pools.get('eu'), memory.services.get('inner'), memory.services.get('www')]
  }
  const inner = ['pool eu']
  const www = ['service inner', 'pool us']
  t.same(at(0, 'e up, f up, g up'), [['e', 'f', 'g'], inner, www])
  t.same(at(1, 'e down, f up, g up'), [['e', 'f', 'g'], inner, www])
  t.same(at(2, 'e down, f down, g up'), [['e', 'f', 'g'], inner, www])
  t.same(at(3, 'e down, f down, g down'), [['e', 'f', 'g'], inner, www])
  t.same(at(4, 'e down, f down, g down', 'u down'), [['e', 'f', 'g'], inner, www])
  t.same(
    at(1000, 'e down, f down, g down', 'u down'),
    [['e', 'f', 'g'], inner, ['pool asia']],
    'no hour runs but for what is up',
  )
  // What comes back alone takes an hour to be all that there is.
  t.same(at(1001, 'e down, f down, g up', 'u up'), [['e', 'f', 'g'], inner, www])
  t.same(at(1060, 'e down, f down, g up', 'u up'), [['e', 'f', 'g'], inner, www])
  t.same(at(1061, 'e down, f down, g down', 'u up'), [['g'], inner, www], 'it had stood for an hour')
  t.same(
    at(1062, 'e up, f down, g up', 'u up'),
    [['e', 'g'], inner, www],
    'nothing that is remembered is missing',
  )
})

t.test('what comes and goes does not keep what is dead for ever', async (t) => {
  const memory = new LastKnownAnswers()
  remember(memory, 'e up, f up, g up', 'u up')
  for (let minute = 1; minute <= 61; minute++)
    remember(memory, `e down, f ${minute % 2 === 0 ? 'up' : 'down'}, g up`, 'u up', 'a up', minute * minuteMs)
  t.notOk(memory.pools.get('eu')?.includes('e'))
})

t.test('what an operator takes out, and what is passed over though it is up, has not failed', async (t) => {
  const memory = new LastKnownAnswers()
  remember(memory, 'e up, f up', 'u up')
  remember(memory, 'e drained, f up', 'u up')
  t.same(memory.pools.get('eu'), ['f'])
  remember(memory, 'e drained, f drained', 'u up')
  t.same(memory.services.get('inner'), ['pool us'], 'all of it is drained')
  remember(memory, 'e up, f up', 'u up')
  const inner = () => memory.services.get('inner')
  remember(memory, 'f down', 'u up', 'a up', minuteMs)
  t.same(inner(), ['pool eu'])
  remember(memory, 'f down', 'u up', 'a up', 61 * minuteMs)
  t.same(inner(), ['pool us'])
  remember(memory, 'f up', 'u up', 'a up', 62 * minuteMs)
  t.same(inner(), ['pool eu'], 'the first choice is back: the other is not wanted any more')
})

t.test('a service whose first choice nobody had measured', async (t) => {
  const memory = new LastKnownAnswers()
  remember(memory, 'e unknown', 'u up')
  t.same(memory.services.get('inner'), ['pool eu'])
  t.same(memory.entries().services, [], 'a guess is not written down')
  remember(memory, 'e down', 'u up')
  t.same(memory.services.get('inner'), ['pool us'])
})
