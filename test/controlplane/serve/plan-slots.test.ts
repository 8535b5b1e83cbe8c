import t from 'tap'
import { PlanSlots } from '../../../src/controlplane/serve/plan-slots.ts'

const configured = (...names: string[]) => new Map(names.map((name) => [name, null]))
const named = (...names: string[]) => names.map((name) => ({ name }))

t.test('a slot is not given to another service while an image names it', async (t) => {
  const slots = new PlanSlots()
  t.equal(slots.take('a.test'), 0)
  slots.hold(named('a.test'))
  slots.hold(named('a.test'))
  t.same(slots.free(configured()), [])
  t.same([...slots.leaving(configured())], ['a.test'])
  t.equal(slots.take('b.test'), 1)
  slots.letGo(named('a.test'))
  t.same(slots.free(configured('b.test')), [], 'another image names it')
  slots.letGo(named('a.test'))
  t.same([...slots.leaving(configured())], [])
  t.same(slots.free(configured('b.test')), [['a.test', 0]])
  t.equal(slots.take('c.test'), 0)
  t.equal(slots.serviceIn(0), 'c.test')
  t.equal(slots.serviceIn(7), undefined)
})

t.test('a service of the configuration keeps its slot though no image names it', async (t) => {
  const slots = new PlanSlots()
  slots.take('a.test')
  t.same(slots.free(configured('a.test')), [])
  t.same([...slots.leaving(configured('a.test'))], [])
})
