import t from 'tap'
import { LastKnownAnswers } from '../../../src/controlplane/steering/last-known.ts'
import { answer, choicesOf, type World } from './world.ts'

const services: World['services'] = {
  www: { steer: 'weighted', choices: choicesOf('service inner', 'us', 'asia 0') },
  inner: { choices: choicesOf('eu', 'us') },
}

function remember(memory: LastKnownAnswers, eu: string, us: string, asia = 'a up') {
  memory.remember(answer({ members: { eu, us, asia }, services }).selection.judgement)
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
  t.same(memory.pools.get('eu'), ['f'])
  t.same(memory.pools.get('us'), ['u'], 'a pool that is down is as it was')
  const before = remember(memory, 'e down, f down', 'u up')
  t.same(memory.services.get('inner'), ['pool us'])
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
