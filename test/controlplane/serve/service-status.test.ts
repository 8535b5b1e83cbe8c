import t from 'tap'
import { serviceReport, serviceStatus } from '../../../src/controlplane/serve/service-status.ts'
import { answer, choicesOf, type World } from '../steering/world.ts'

const status = (eu: string, us: string, www: World['services'][string] = {}) => {
  const services = { www: { choices: choicesOf('eu', 'us'), ...www } }
  const { selection } = answer({ members: { eu, us }, services })
  return serviceStatus({ ipv4: selection, ipv6: selection })
}

t.test('the state of a service in a few words', async (t) => {
  t.equal(serviceStatus(undefined), null)
  t.same(status('e up, f down', 'u up'), { state: 'up', pool: 'eu', reason: '1 of 2 members answer' })
  t.same(
    status('e up, f down', 'u up', { steer: 'weighted' }),
    { state: 'up', pool: null, reason: 'eu: 1 of 2 members answer; us: 1 of 1 members answer' },
    'of several pools',
  )
  t.same(status('e down', 'u down'), { state: 'down', pool: 'eu', reason: 'every pool is down: serve-all' })
  t.same(status('e down', 'u down', { whenAllDown: 'nodata' }), {
    state: 'down',
    pool: null,
    reason: 'every pool is down: nodata',
  })
})

t.test('what a service comes to, and who answers for it', async (t) => {
  const report = (eu: string, us: string, www: World['services'][string] = {}, of: Partial<World> = {}) => {
    const services = { www: { choices: choicesOf('eu', 'us'), ...www } }
    const { selection } = answer({ members: { eu, us }, services, ...of })
    return serviceReport({ ipv4: selection, ipv6: selection })
  }
  t.equal(serviceReport(undefined), null)
  t.same(report('e up, f down', 'u up'), {
    condition: 'up',
    pools: ['eu'],
    reason: '1 of 2 members answer',
  })
  t.match(report('e down', 'u up'), { condition: 'up', pools: ['us'] })
  t.match(report('e up', 'u up', { steer: 'weighted' }), { condition: 'up', pools: ['eu', 'us'] })
  t.match(report('e down', 'u down'), { condition: 'down', pools: ['eu'] }, 'though something is answered')
  t.match(report('e down', 'u down', { whenAllDown: 'nodata' }), { condition: 'down', pools: [] })
})
