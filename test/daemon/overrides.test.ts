import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { Catalog } from '../../src/controlplane/catalog/catalog.ts'
import { nothingEnded } from '../../src/controlplane/model/births.ts'
import { ControlError } from '../../src/controlplane/model/errors.ts'
import type { Override } from '../../src/controlplane/model/override.ts'
import type { DaemonEvent, Ground } from '../../src/daemon/announce.ts'
import { EndingOverrides } from '../../src/daemon/overrides.ts'

const override: Override = {
  pool: 'web',
  member: 'fra-1',
  state: 'drain',
  until: new Date(1000),
  reason: 'disks',
  actor: 'ann',
  since: new Date(0),
}

/** A database in which one override has ended. */
function fakeGround(database: { up: boolean; fails?: Error }) {
  const told = new EventEmitter()
  let writes = 0
  const write = async () => {
    writes++
    if (database.fails !== undefined) throw database.fails
    return { revision: 1, result: [override] }
  }
  const ground = {
    database: Object.assign(database, { write }),
    announce: (event: DaemonEvent) => void told.emit('told', event),
    log: { error: (...said: readonly unknown[]) => void told.emit('logged', ...said) },
  } as unknown as Ground
  return { ground, told, writes: () => writes }
}

t.test(
  'what ended while the daemon was down is deleted, and told, when the configuration is there',
  async (t) => {
    const { ground, told, writes } = fakeGround({ up: true })
    using overrides = new EndingOverrides(ground)
    overrides.hears['database-available']({ kind: 'database-available' })
    t.equal(writes(), 0, 'not from a database that may not have been migrated')
    const next = once(told, 'told')
    overrides.start()
    const event = { kind: 'override', pool: 'web', member: 'fra-1', what: 'expired', state: 'drain' }
    t.match(await next, [{ kind: 'operated', events: [{ ...event, at: override.until }] }])
  },
)

t.test('what ends while the database is away is deleted when it comes back', async (t) => {
  const database = { up: false }
  const { ground, told, writes } = fakeGround(database)
  using overrides = new EndingOverrides(ground)
  overrides.start()
  overrides.hears['overrides-ended']({ kind: 'overrides-ended', services: [], overrides: [override] })
  t.equal(writes(), 0)
  database.up = true
  const next = once(told, 'told')
  overrides.hears['database-available']({ kind: 'database-available' })
  t.match(await next, [{ kind: 'operated' }])
})

/** Says which overrides there are. */
function tellOf(overrides: EndingOverrides, ...among: readonly Override[]): void {
  const { services } = Catalog.empty
  const catalog = {
    services,
    overrides: new Map(among.map((one) => [one.member, one])),
  } as unknown as Catalog
  overrides.hears.catalog({
    kind: 'catalog',
    before: Catalog.empty,
    catalog,
    ended: nothingEnded,
    stored: null,
  })
}

t.test('the end of an override is told at its time, and a deletion that fails is logged', async (t) => {
  const fails = new ControlError('conflict', 'the row is locked')
  const { ground, told } = fakeGround({ up: true, fails })
  using overrides = new EndingOverrides(ground)
  const ended = once(told, 'told')
  tellOf(overrides, override)
  t.same(await ended, [{ kind: 'overrides-ended', overrides: [override], services: [] }])
  const failed = once(told, 'logged')
  overrides.start()
  t.same(await failed, [{ err: fails }, 'ended overrides were not deleted'])
})

t.test('what could not be deleted is tried again, though no other override ends', async (t) => {
  const database: Parameters<typeof fakeGround>[0] = { up: true }
  // As while another server holds its lock: it is there all the time.
  database.fails = new ControlError('unavailable', 'the database is not available: lock timeout')
  const { ground, told, writes } = fakeGround(database)
  told.on('logged', () => t.fail('that it is busy is no fault'))
  using overrides = new EndingOverrides(ground, undefined, 10)
  const next = once(told, 'told')
  overrides.start()
  while (writes() < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  delete database.fails
  t.match(await next, [{ kind: 'operated', events: [{ kind: 'override', what: 'expired' }] }])
  const tries = writes()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(writes(), tries)
})

t.test('each override that has an end is told at it, the soonest first', async (t) => {
  const { ground, told } = fakeGround({ up: true })
  using overrides = new EndingOverrides(ground)
  const inMs = (ms: number) => new Date(Date.now() + ms)
  const [late, never, soon] = [inMs(60), null, inMs(20)].map((until, index) => ({
    ...override,
    member: `fra-${index}`,
    until,
  }))
  tellOf(overrides, late!, never!, soon!)
  const ended: Override[][] = []
  // On a busy machine both may be due when it is looked.
  while (ended.flat().length < 2) {
    const [event] = (await once(told, 'told')) as [Extract<DaemonEvent, { kind: 'overrides-ended' }>]
    t.equal(event.kind, 'overrides-ended')
    ended.push([...event.overrides])
  }
  const eventOf = (override: Override) => ended.findIndex((each) => each.includes(override))
  t.ok(0 <= eventOf(soon!) && eventOf(soon!) <= eventOf(late!))
})

t.test('an override beyond the reach of a timer does not end at once', async (t) => {
  const { ground, told } = fakeGround({ up: true })
  told.on('told', () => t.fail('it has not ended'))
  let now = 0
  using overrides = new EndingOverrides(ground, () => new Date(now))
  tellOf(overrides, { ...override, until: new Date(2 ** 40) })
  now = 1000
  await new Promise(setImmediate)
})
