import t from 'tap'
import { type DrainedMember, DrainWatch } from '../../../src/controlplane/serve/drain-watch.ts'
import type { HandedOutState } from '../../../src/controlplane/serve/handed-out.ts'

const a = { pool: 'web', member: 'a' }
const b = { pool: 'web', member: 'b' }

function setUp() {
  const states = new Map<string, HandedOutState>()
  const told: DrainedMember[] = []
  let wake = () => {}
  const clock = { ms: 0, real: false }
  const watch = new DrainWatch({
    state: (_, member) => states.get(member) ?? { answered: false, safeAt: null },
    onDrained: (members) => {
      told.push(...members)
      wake()
    },
    now: () => new Date(clock.real ? Date.now() : clock.ms),
  })
  t.teardown(() => watch[Symbol.dispose]())
  const reached = (count: number) =>
    new Promise<void>((resolve) => {
      wake = () => {
        if (told.length >= count) resolve()
      }
      wake()
    })
  return { states, told, clock, watch, reached }
}

const answered: HandedOutState = { answered: true, safeAt: null }
const safeAt = (ms: number): HandedOutState => ({ answered: false, safeAt: new Date(ms) })

t.test('each drained member is told when it is safe, the next by a timer', async (t) => {
  const { states, told, clock, watch, reached } = setUp()
  clock.real = true
  watch.watch([])
  states.set('a', answered).set('b', answered)
  watch.watch([a, b])
  t.same(told, [])
  const [late, soon] = [Date.now() + 60, Date.now() + 20]
  states.set('a', safeAt(late)).set('b', safeAt(soon))
  watch.look()
  await reached(2)
  // One look of a late timer tells of both, by their names.
  told.sort((one, other) => one.at.getTime() - other.at.getTime())
  t.same(told, [
    { ...b, at: new Date(soon) },
    { ...a, at: new Date(late) },
  ])
  t.ok(Date.now() >= late)
  watch.look()
  watch.watch([a, b])
  t.equal(told.length, 2, 'once')
})

t.test('one that nobody can have is told at once', async (t) => {
  const { told, clock, watch } = setUp()
  clock.ms = 7
  watch.watch([])
  watch.watch([a])
  t.same(told, [{ ...a, at: new Date(7) }])
})

t.test('a drain that ends tells nothing; a new one does', async (t) => {
  const { states, told, clock, watch } = setUp()
  watch.watch([])
  states.set('a', safeAt(10))
  watch.watch([a])
  watch.watch([])
  clock.ms = 11
  watch.look()
  t.same(told, [])
  watch.watch([a])
  t.same(told, [{ ...a, at: new Date(10) }])
  watch.watch([])
  watch.watch([a])
  t.equal(told.length, 2)
})

t.test('one that is answered again is told again', async (t) => {
  const { states, told, clock, watch } = setUp()
  watch.watch([])
  watch.watch([a])
  states.set('a', answered)
  watch.look()
  states.set('a', safeAt(10))
  clock.ms = 10
  watch.look()
  t.same(told, [
    { ...a, at: new Date(0) },
    { ...a, at: new Date(10) },
  ])
})

t.test('a start tells of those alone that may not have been told of', async (t) => {
  const { states, told, clock, watch } = setUp()
  clock.ms = 50
  states.set('b', safeAt(40))
  watch.watch([a, b])
  t.same(told, [{ ...b, at: new Date(40) }])
})
