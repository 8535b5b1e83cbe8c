import t from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { FleetDrains } from '../../../src/controlplane/serve/fleet-drains.ts'
import type { HandedOutState } from '../../../src/controlplane/serve/handed-out.ts'
import { memberDefaults, poolChoice, poolDefaults, serviceDefaults } from '../model/defaults.ts'

const startMs = Date.parse('2026-05-01T12:00:00Z')
const key = { pool: 'web', member: 'a' }
const gone: HandedOutState = { answered: false, safeAt: new Date(startMs + 5_000) }

function setUp() {
  const state = { nowMs: startMs, others: [] as { id: string; revision: number }[] }
  const drains = new FleetDrains(
    () => state.others,
    () => new Date(state.nowMs),
  )
  return { state, drains, of: (here = gone) => drains.state('web', 'a', here) }
}

/** A catalog in which the member is drained since `since`. */
function drainedIn(revision: number, since = startMs, pending?: true): Catalog {
  const word = {
    ...key,
    state: 'drain' as const,
    until: null,
    reason: '',
    actor: 'ann',
    since: new Date(since),
  }
  const name = 'www.example.test'
  const service = {
    ...serviceDefaults,
    name,
    zone: 'example.test',
    ttlSeconds: 30,
    choices: [poolChoice('web')],
  }
  const members = [{ name: 'a', address: '192.0.2.1', host: null, ...memberDefaults }]
  return new Catalog({
    revision,
    monitors: new Map(),
    pools: new Map([['web', { name: 'web', ...poolDefaults, members }]]),
    services: new Map([[name, service]]),
    zones: new Map(),
    overrides: new Map([['web/a', pending === undefined ? word : { ...word, pending }]]),
  })
}

t.test('a node that lags is named, and its TTL counts from when it does no more', (t) => {
  const { state, drains, of } = setUp()
  state.others = [
    { id: 'one', revision: 7 },
    { id: 'two', revision: 6 },
  ]
  t.same(of(), gone, 'nothing is drained')
  drains.watch([key], drainedIn(7), false)
  t.same(of(), { answered: true, safeAt: null, answeredBy: ['two'] })
  const here = { answered: true, safeAt: null }
  t.same(of(here), here, 'this one answers with it, too')
  state.nowMs += 20_000
  state.others[1]!.revision = 9
  drains.look()
  const safeAt = new Date(state.nowMs + 30_000)
  t.same(of(), { answered: false, safeAt })
  drains.watch([key], drainedIn(12), false)
  t.same(of(), { answered: false, safeAt }, 'what others do meanwhile changes nothing about that')
  state.others.push({ id: 'late', revision: 5 })
  drains.look()
  t.same(
    of(),
    { answered: true, safeAt: null, answeredBy: ['late'] },
    'one that comes back with what it had does',
  )
  state.nowMs += 1_000
  state.others[2]!.revision = 12
  drains.look()
  t.same(of(), { answered: false, safeAt: new Date(state.nowMs + 30_000) })
  state.others[0]!.revision = 5
  drains.look()
  drains.forget([key])
  drains.watch([key], drainedIn(13), false)
  t.match(of(), { answeredBy: ['one', 'two'] }, 'another one of its name')
  t.end()
})

t.test('a word that waits for the database is known to nobody else', (t) => {
  const { state, drains, of } = setUp()
  state.others = [{ id: 'one', revision: 7 }]
  drains.watch([key], drainedIn(7, startMs, true), false)
  t.match(of(), { answered: true, answeredBy: ['one'] })
  drains.watch([key], drainedIn(8), false)
  t.match(of(), { answered: true, answeredBy: ['one'] })
  state.others = [{ id: 'one', revision: 8 }]
  drains.look()
  t.same(of(), { answered: false, safeAt: new Date(startMs + 30_000) })
  t.end()
})

t.test('nobody waits for nodes that are gone, nor for a drain of before the start that all know', (t) => {
  const { state, drains, of } = setUp()
  drains.watch([key], drainedIn(7), false)
  t.same(of(), gone, 'alone')
  drains.look()
  const later = setUp()
  later.state.others = [{ id: 'one', revision: 7 }]
  later.drains.watch([key], drainedIn(7), true)
  t.same(later.of(), gone)
  later.drains.look()
  t.same(later.of(), gone)
  const lagging = setUp()
  lagging.state.others = [{ id: 'one', revision: 3 }]
  lagging.drains.watch([key], drainedIn(7), true)
  lagging.drains.look()
  t.match(lagging.of(), { answeredBy: ['one'] })
  lagging.state.others = [{ id: 'two', revision: 8 }]
  lagging.drains.look()
  t.same(lagging.of(), { answered: false, safeAt: new Date(startMs + 30_000) })
  state.others = [{ id: 'late', revision: 0 }]
  t.same(of(), { answered: false, safeAt: new Date(startMs + 30_000) }, 'one that comes later')
  t.end()
})
