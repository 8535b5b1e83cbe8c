import t from 'tap'
import type { ServiceReport } from '../../../src/controlplane/serve/service-status.ts'
import { ServiceWatch } from '../../../src/controlplane/serve/service-watch.ts'

const www = 'www.example.test'

function setUp() {
  const watch = new ServiceWatch()
  const reports = new Map<string, ServiceReport>()
  const say = (condition: ServiceReport['condition'], pools: readonly string[], reason = 'so it is') => {
    reports.set(www, { condition, pools, reason })
    return watch.look([www, www], (name) => reports.get(name) ?? null)
  }
  return { watch, reports, say }
}

t.test('changes of the condition and of who answers, each once', async (t) => {
  const { watch, say } = setUp()
  t.equal(watch.conditionOf(www), null)
  t.same(say('up', ['eu']), [], 'what it is at first is no change')
  t.same(say('up', ['eu'], 'for another reason'), [])
  t.match(watch.conditionOf(www), { reason: 'for another reason' })
  const other = { service: www, from: 'up', to: 'up', reason: 'so it is', pools: ['us'], before: ['eu'] }
  t.same(say('up', ['us']), [other])
  t.match(say('down', ['us']), [{ from: 'up', to: 'down', pools: ['us'], before: ['us'] }])
  t.match(say('down', []), [{ from: 'down', to: 'down', pools: [], before: ['us'] }])
  t.match(say('up', ['eu']), [{ from: 'down', to: 'up', pools: ['eu'], before: [] }])
})

t.test(
  'a service of many pools is told with the first of them, and a change among the others is one',
  async (t) => {
    const { say } = setUp()
    const many = Array.from({ length: 100 }, (_, index) => `pool-${index + 100}`)
    say('up', many)
    const [change] = say('up', many.slice(0, 99))
    t.equal(change?.pools.length, 32)
    t.equal(change?.before.length, 32)
  },
)

t.test('a service that is gone, or another of its name, is looked at as if for the first time', async (t) => {
  const { watch, reports, say } = setUp()
  say('up', ['eu'])
  reports.clear()
  t.same(
    watch.look([www], (name) => reports.get(name) ?? null),
    [],
  )
  t.equal(watch.conditions().size, 0)
  t.same(say('down', []), [])
  watch.forget([www])
  t.same(say('up', ['eu']), [])
})
