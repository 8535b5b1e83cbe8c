/**
 * The two lanes from a real PostgreSQL to answers. The compile thread is a real one behind a gate, which a test closes for as
 * long as a zone is to take; answers come from the serving state that the workers would have.
 */

import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { CompileThread } from '../../../src/controlplane/compile/compile-thread.ts'
import type { CompileOrder } from '../../../src/controlplane/compile/zone-images.ts'
import { Follower, type FollowerOptions } from '../../../src/controlplane/follow/follower.ts'
import type { Override } from '../../../src/controlplane/model/override.ts'
import { AnswerCounters } from '../../../src/controlplane/serve/answer-counters.ts'
import { HandedOut } from '../../../src/controlplane/serve/handed-out.ts'
import { ImagePump } from '../../../src/controlplane/serve/image-pump.ts'
import { LocationMaps } from '../../../src/controlplane/serve/location-maps.ts'
import { Planner } from '../../../src/controlplane/serve/planner.ts'
import { PoolWatch } from '../../../src/controlplane/serve/pool-watch.ts'
import { Publisher } from '../../../src/controlplane/serve/publisher.ts'
import { ServiceWatch } from '../../../src/controlplane/serve/service-watch.ts'
import { Database, type Write } from '../../../src/controlplane/store/database.ts'
import { putOverride } from '../../../src/controlplane/store/overrides.ts'
import { deletePool, putPool } from '../../../src/controlplane/store/pools.ts'
import { deleteRrset, putRrset } from '../../../src/controlplane/store/rrsets.ts'
import { deleteService, putService } from '../../../src/controlplane/store/services.ts'
import { deleteZone, putZone } from '../../../src/controlplane/store/zones.ts'
import { orAborted } from '../../../src/controlplane/timing/clock.ts'
import { OwnZones } from '../../../src/dataplane/answer/own-zones.ts'
import { AnswerReader } from '../../../src/dataplane/counters.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { type PostgresProxy, startPostgresProxy } from '../../support/postgres-proxy.ts'
import { takeWhole } from '../serve/whole-turns.ts'
import { member, pool, rrset, service, zone } from '../store/suite/samples.ts'

const server = await startPostgres()
t.teardown(() => server.stop())

/** A compile thread that waits at a gate before it is asked. */
class GatedCompiler extends CompileThread {
  /** What it was asked for: `apex` for a whole zone, `apex:owner,...` for an edit, `-apex` for one that is gone. */
  readonly asked: string[] = []
  #gate: { readonly apex: string; readonly opened: Promise<void>; readonly reached: () => void } | null = null
  /** A zone that can't be compiled, whatever the reason. */
  keeps: string | null = null

  /** Lets nothing of a zone by until it is opened. */
  close(apex: string): { readonly reached: Promise<void>; readonly open: () => void } {
    const [opened, reached] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    this.#gate = { apex, opened: opened.promise, reached: reached.resolve }
    const open = () => {
      this.#gate = null
      opened.resolve()
    }
    return { reached: reached.promise, open }
  }

  override async take(...[order, rows, signal]: Parameters<CompileThread['take']>) {
    this.asked.push(...askedFor(order))
    const gate = this.#gate
    if (gate !== null && order.jobs.some(({ zone: { apex } }) => apex === gate.apex)) {
      gate.reached()
      await orAborted(gate.opened, signal)
    }
    const finish = await super.take(order, rows, signal)
    return async () => {
      const { keeps } = this
      const compiled = await finish()
      if (compiled.images.every(([apex]) => apex !== keeps)) return compiled
      const bad = { apex: keeps!, owner: '', type: '', message: `zone ${keeps} can't be compiled` }
      const images = compiled.images.filter(([apex]) => apex !== keeps)
      return { ...compiled, images, bad: [bad], kept: [keeps!] }
    }
  }
}

function askedFor({ jobs, gone }: CompileOrder): string[] {
  const text = ({ zone: { apex }, edit }: CompileOrder['jobs'][number]) =>
    edit === null ? apex : `${apex}:${edit.owners}`
  return [...jobs.map(text), ...gone.map((apex) => `-${apex}`)]
}

const drain = (poolName: string, memberName: string): Override => ({
  pool: poolName,
  member: memberName,
  state: 'drain',
  until: null,
  reason: '',
  actor: 'ann',
  since: new Date(),
})

/**
 * A node on a database of its own that serves `large.test`, and `small.test` with a service on two members.
 *
 * @param way to the database, for a node that is far away
 */
async function setUp(
  t: Test,
  way: (url: string) => Promise<string> = async (url) => url,
  options: Partial<FollowerOptions> = {},
) {
  const url = await server.createDatabase()
  const database = await Database.open({ url: await way(url), dataDir: '/nowhere' })
  t.teardown(() => database.stop())
  await database.ready(patience())
  const compiler = new GatedCompiler({ directory: t.testdir({}), version: '1.0.0', memory: null, graceMs: 0 })
  t.teardown(() => compiler.stop())
  const state = new ServingState()
  const own = new OwnZones(state)
  const looks: (() => void)[] = []
  const pump = new ImagePump(async (update) => {
    state.apply(update)
    for (const look of looks) look()
  })
  const locations = new LocationMaps({
    areas: () => Promise.reject(new Error('there is no location data')),
    onProblem: (problem) => t.fail(problem),
  })
  const now = () => new Date()
  const planner = new Planner({
    answers: new AnswerCounters(() => new AnswerReader([])),
    facts: { measured: () => 'up', lastKnown: () => null, vitals: () => null, latencyMs: () => null },
    resolution: () => t.fail('there is no host') as never,
    locations,
    now,
    onRamp: () => {},
  })
  const publisher = new Publisher({
    pump,
    planner,
    locations,
    handedOut: new HandedOut(now),
    pools: new PoolWatch(),
    services: new ServiceWatch(),
    onServices: () => {},
    onPools: () => {},
    onServed: () => {},
    takeTurn: takeWhole,
    onError: (what) => t.fail(what),
  })
  const errors: unknown[] = []
  const looked: unknown[] = []
  const follower = new Follower({
    database,
    publisher,
    compiler,
    locations,
    amend: (catalog) => catalog,
    known: async () => null,
    onCatalog: () => {},
    onZones: () => {},
    onFailBack: () => {},
    origin: () => null,
    onOrigin: () => {},
    onBreak: () => t.fail('the database is the same'),
    onBad: (message) => t.fail(message),
    onLook: (error) => looked.push(error),
    onError: (error) => errors.push(error),
    ...options,
  })
  t.teardown(() => follower.stop())
  const write = async (work: (write: Write) => Promise<unknown>) => {
    return (await database.write('tester', work)).revision
  }
  const served = (revision: number) => publisher.reached(revision, patience())
  await write(async (unit) => {
    await putZone(unit, zone('large.test', rrset('a', 'A', '192.0.2.7')), {})
    await putZone(unit, zone('small.test', rrset('a', 'A', '192.0.2.8')), {})
    await putPool(unit, pool('web', [member('m1', '192.0.2.1'), member('m2', '192.0.2.2')]), {})
    await putService(unit, service('www.small.test', ['web']), {})
  })
  follower.start()
  await follower.loaded
  compiler.asked.length = 0
  const ask = (name: string) => [...own.lookupA(name).addresses].sort()
  return { ask, compiler, database, errors, follower, looked, looks, publisher, served, url, write }
}

/** A write that replaces a zone, so that it is read whole. */
const replace =
  (apex: string, address: string, ...more: string[]) =>
  (write: Write) =>
    putZone(
      write,
      zone(apex, rrset('a', 'A', address), ...more.map((owner) => rrset(owner, 'A', address))),
      {},
    )

t.test('an override is served while a zone is compiled, and so is an edit of another one', async (t) => {
  const { ask, compiler, follower, publisher, served, write } = await setUp(t)
  t.same(ask('www.small.test'), ['192.0.2.1', '192.0.2.2'])
  const gate = compiler.close('large.test')
  const imported = await write(replace('large.test', '192.0.2.99'))
  let isServed = false
  const zoneServed = served(imported).then(() => {
    isServed = true
  })
  await gate.reached
  t.same(compiler.asked.splice(0), ['large.test'])

  await served(await write((unit) => putOverride(unit, drain('web', 'm1'))))
  t.same(ask('www.small.test'), ['192.0.2.2'])
  t.same(compiler.asked, [], 'nothing is asked of the compile thread for it')
  await served(await write((unit) => putRrset(unit, 'small.test', rrset('a', 'A', '192.0.2.9'), {})))
  t.same(ask('a.small.test'), ['192.0.2.9'])
  t.same(compiler.asked, ['small.test:a'])

  t.notOk(isServed)
  t.same(ask('a.large.test'), ['192.0.2.7'])
  t.equal(publisher.revision, imported - 1, 'what is served whole')
  t.match(follower.compiled, { revision: imported - 1, stamp: String })
  gate.open()
  await zoneServed
  t.same(ask('a.large.test'), ['192.0.2.99'])
  t.equal(publisher.revision, imported + 2)
})

t.test(
  'a zone that is written while it is compiled is compiled next, for all that was written',
  async (t) => {
    const { ask, compiler, served, write } = await setUp(t)
    const gate = compiler.close('large.test')
    const first = served(await write(replace('large.test', '192.0.2.99')))
    await gate.reached
    let last = 0
    for (const number of [1, 2, 3, 4, 5]) {
      last = await write((unit) => putRrset(unit, 'large.test', rrset(`n${number}`, 'A', '192.0.2.5'), {}))
    }
    const rest = served(last)
    await served(await write((unit) => putOverride(unit, drain('web', 'm1'))))
    gate.open()
    await first
    await rest
    t.same(ask('n5.large.test'), ['192.0.2.5'])
    t.same(compiler.asked, ['large.test', 'large.test:n1,n2,n3,n4,n5'])
  },
)

t.test('an edit does not wait for a zone that is compiled and changed in the same look', async (t) => {
  const { compiler, database, served, write } = await setUp(t)
  const gate = compiler.close('large.test')
  await write(replace('large.test', '192.0.2.99'))
  await gate.reached
  // Two writes of another node, of which this one hears at once.
  const { rows } = await database.record((tx) =>
    tx.execute<{ revision: string }>(sql`
      with bumped as (update config_revision set revision = revision + 2 returning revision),
      told as (
        insert into changes (revision, kind, key, owners, stamp)
        select revision - 1, 'zone', 'large.test', array['a'], 'first' from bumped
        union all select revision, 'zone', 'small.test', array['a'], 'second' from bumped
      )
      select revision from bumped`),
  )
  const edited = Number(rows[0]!.revision)
  await served(edited)
  gate.open()
  await served(edited - 1)
})

t.test('a service that is written with its zone is served with it', async (t) => {
  const { ask, compiler, served, write } = await setUp(t)
  const gate = compiler.close('new.test')
  const revision = await write(async (unit) => {
    await putZone(unit, zone('new.test'), {})
    await putService(unit, service('www.new.test', ['web']), {})
  })
  let isServed = false
  const both = served(revision).then(() => {
    isServed = true
  })
  await gate.reached
  await served(await write((unit) => putOverride(unit, drain('web', 'm1'))))
  t.notOk(isServed)
  gate.open()
  await both
  t.same(ask('www.new.test'), ['192.0.2.2'])
})

t.test('a service that comes into a zone that is compiled waits for its image', async (t) => {
  const { ask, compiler, served, write } = await setUp(t)
  const gate = compiler.close('large.test')
  await write(replace('large.test', '192.0.2.99'))
  await gate.reached
  const created = served(await write((unit) => putService(unit, service('www.large.test', ['web']), {})))
  await served(await write((unit) => putOverride(unit, drain('web', 'm1'))))
  t.same(ask('www.large.test'), [])
  gate.open()
  await created
  t.same(ask('www.large.test'), ['192.0.2.2'])
})

t.test('the slot of a service that is gone stays its own while an image names it', async (t) => {
  const { ask, compiler, publisher, served, write } = await setUp(t)
  await served(
    await write(async (unit) => {
      await putPool(unit, pool('old', [member('m1', '192.0.2.50')]), {})
      await putService(unit, service('old.large.test', ['old']), {})
    }),
  )
  t.same(ask('old.large.test'), ['192.0.2.50'])
  const slot = publisher.planSlots.take('old.large.test')
  const gate = compiler.close('large.test')
  await write(replace('large.test', '192.0.2.99'))
  await gate.reached
  const gone = served(
    await write(async (unit) => {
      await deleteService(unit, 'old.large.test', {})
      await deletePool(unit, 'old', {})
    }),
  )
  await served(await write((unit) => putService(unit, service('new.small.test', ['web']), {})))
  t.not(publisher.planSlots.take('new.small.test'), slot)
  t.same(ask('new.small.test'), ['192.0.2.1', '192.0.2.2'])
  t.same(ask('old.large.test'), ['192.0.2.50'], 'answered as before, though its pool is gone too')
  gate.open()
  await gone
  t.same(ask('old.large.test'), [])
  await served(await write((unit) => putService(unit, service('next.small.test', ['web']), {})))
  t.equal(publisher.planSlots.take('next.small.test'), slot, 'free again')
})

t.test('a zone that is deleted while it is compiled goes at once, and stays away', async (t) => {
  const { ask, compiler, follower, publisher, served, write } = await setUp(t)
  const gate = compiler.close('large.test')
  await write(replace('large.test', '192.0.2.99'))
  await gate.reached
  const deleted = await write((unit) => deleteZone(unit, 'large.test', {}))
  await served(deleted)
  t.same(ask('a.large.test'), [])
  gate.open()
  const recreated = await write(replace('large.test', '192.0.2.100'))
  await served(recreated)
  t.same(ask('a.large.test'), ['192.0.2.100'])
  t.equal(publisher.revision, recreated)
  t.match(follower.compiled, { revision: recreated })
})

t.test(
  'a zone that is deleted before its order reached the compile thread leaves no image there',
  async (t) => {
    const { compiler, served, write } = await setUp(t)
    const gate = compiler.close('large.test')
    await write(replace('large.test', '192.0.2.99'))
    await gate.reached
    await served(await write((unit) => deleteZone(unit, 'large.test', {})))
    const heavy = await write(replace('small.test', '192.0.2.100'))
    gate.open()
    await served(heavy)
    // The light turn behind the one in which the zone goes.
    await served(await write((unit) => putRrset(unit, 'small.test', rrset('b', 'A', '192.0.2.101'), {})))
    await compiler.persist()
    const { zones } = await compiler.load()
    t.same(
      zones.map(({ zone: { apex } }) => apex),
      ['small.test'],
    )
  },
)

t.test('a service that changes its zone is in one of them at any time', async (t) => {
  const { ask, looks, served, write } = await setUp(t)
  const seen: number[] = []
  looks.push(() => seen.push(ask('www.small.test').length))
  await served(await write((unit) => putZone(unit, zone('www.small.test'), {})))
  await served(await write((unit) => deleteZone(unit, 'www.small.test', {})))
  t.ok(seen.length >= 2)
  t.ok(
    seen.every((count) => count === 2),
    seen.join(),
  )
})

t.test('an RRset that becomes a service in one write is one of them at any time', async (t) => {
  const { ask, looks, served, write } = await setUp(t)
  const seen: string[] = []
  looks.push(() => seen.push(ask('a.small.test').join()))
  const revision = await write(async (unit) => {
    await deleteRrset(unit, 'small.test', 'a', 'A', {})
    await putService(unit, service('a.small.test', ['web']), {})
  })
  await served(revision)
  t.same([...new Set(seen)], ['192.0.2.8', '192.0.2.1,192.0.2.2'].slice(seen[0] === '192.0.2.8' ? 0 : 1))
})

t.test(
  'after the death of the compile thread everything is compiled anew, and served as it is',
  async (t) => {
    const { ask, compiler, errors, follower, served, write } = await setUp(t)
    const gate = compiler.close('large.test')
    const imported = served(await write(replace('large.test', '192.0.2.99')))
    await gate.reached
    const job = { zone: { ...zone('x.test'), serial: 1 }, services: [], edit: null }
    async function* broken() {
      yield [{ apex: 'x.test', text: 'no JSON' }]
    }
    const order = { revision: 1, stamp: null, jobs: [job], gone: [] }
    await t.rejects(compiler.compile(order, broken()), { message: /JSON/ })
    t.equal(compiler.epoch, 1)
    t.equal(follower.compiled, null)
    await served(await write((unit) => putOverride(unit, drain('web', 'm1'))))
    t.same(ask('www.small.test'), ['192.0.2.2'])
    gate.open()
    const edited = await write((unit) => putRrset(unit, 'small.test', rrset('a', 'A', '192.0.2.9'), {}))
    await served(edited)
    await imported
    t.same([ask('a.large.test'), ask('a.small.test')], [['192.0.2.99'], ['192.0.2.9']])
    t.match(follower.compiled, { revision: edited })
    t.same(errors, [])
  },
)

t.test('a gap in the changes: settings first, then the zones', async (t) => {
  const { ask, compiler, database, follower, publisher, served, write } = await setUp(t)
  const gate = compiler.close('large.test')
  await database.record((tx) => tx.execute(sql`update config_revision set revision = revision + 5`))
  const revision = await write((unit) => putOverride(unit, drain('web', 'm1')))
  await gate.reached
  // Settings are handed over before the zones are compiled; the next look finds them served.
  await served(await write((unit) => putPool(unit, pool('other', []), {})))
  t.same(ask('www.small.test'), ['192.0.2.2'])
  t.equal(follower.compiled, null)
  t.ok(publisher.revision < revision)
  gate.open()
  // Behind all that was read again, even if a look came before the write of the override.
  await served(await write(replace('large.test', '192.0.2.99')))
  t.match(follower.compiled, { revision: publisher.progress.settings.revision })
})

t.test('a stop does not wait for what is compiled', async (t) => {
  const { compiler, errors, follower, write } = await setUp(t)
  const gate = compiler.close('large.test')
  await write(replace('large.test', '192.0.2.99'))
  await gate.reached
  await follower.stop()
  t.same(errors, [])
})

t.test('looks that fail are told, and the one that does not', async (t) => {
  const { database, errors, follower, looked, served, write } = await setUp(t)
  const said = async (is: (error: unknown) => boolean) => {
    const from = looked.length
    // Each is a look of its own: the next comes within a second.
    while (!looked.slice(from).some(is)) await setTimeout(50, undefined, { signal: patience() })
  }
  await database.record((tx) => tx.execute(sql`alter table changes rename column stamp to gone`))
  await said((error) => error instanceof Error && /stamp/.test(`${error.message} ${error.cause}`))
  t.ok(errors.length > 0)
  await database.record((tx) => tx.execute(sql`alter table changes rename column gone to stamp`))
  await said((error) => error === null)
  await served(await write((unit) => putPool(unit, pool('other', []), {})))
  t.ok(follower.hasLoaded)
})

t.test('zones that changed are read together, however far away the database is', async (t) => {
  let proxy: PostgresProxy
  const { ask, compiler, served, url } = await setUp(t, async (url) => {
    // Longer than it takes to send what is sent together: what leaves after an answer counts as if it had waited for it.
    proxy = await startPostgresProxy(url, { delayMs: 300 })
    t.teardown(() => proxy[Symbol.asyncDispose]())
    return proxy.through(url)
  })
  const near = await Database.open({ url, dataDir: '/nowhere' })
  t.teardown(() => near.stop())
  await near.ready(patience())
  const write = async (work: (write: Write) => Promise<unknown>) =>
    served((await near.write('tester', work)).revision)
  const changed = 40
  const each = async (count: number, work: (apex: string) => Promise<unknown>) => {
    for (let number = 0; number < count; number++) await work(`z${number}.test`)
  }
  /** Of what reads. */
  const tripsOf = async (work: (write: Write) => Promise<unknown>) => {
    const before = proxy.transactions.length
    await write(work)
    return proxy.transactions
      .slice(before)
      .filter(({ begin }) => begin.includes('read only'))
      .reduce((sum, { roundTrips }) => sum + roundTrips, 0)
  }
  // So many that those which change are not read with all others.
  await write((unit) => each(5 * changed, (apex) => replace(apex, '192.0.2.1')(unit)))
  compiler.asked.length = 0
  const whole = await tripsOf((unit) => each(changed, (apex) => replace(apex, '192.0.2.2', 'b')(unit)))
  t.equal(compiler.asked.filter((what) => /^z\d+\.test$/.test(what)).length, changed)
  t.same(ask('b.z7.test'), ['192.0.2.2'])
  t.ok(whole < changed / 2, `${whole} round trips`)
  const edits = await tripsOf((unit) =>
    each(changed, (apex) => putRrset(unit, apex, rrset('a', 'A', '192.0.2.3'), {})),
  )
  t.equal(compiler.asked.filter((what) => /^z\d+\.test:a$/.test(what)).length, changed)
  t.same(ask('a.z7.test'), ['192.0.2.3'])
  t.ok(edits < changed / 2, `${edits} round trips`)
})

/** A node that reads soon again what it can't use, and says of it what it is told. */
async function setUpSoon(t: Test) {
  const told: string[] = []
  const options = { badEveryMs: 50, onBad: (message: string) => told.push(message) }
  const { database, follower, ...node } = await setUp(t, undefined, options)
  await database.record((tx) =>
    tx.execute(sql`
      do $$ declare c record; begin for c in select conrelid::regclass as tab, conname from pg_constraint
        where connamespace = 'public'::regnamespace and contype = 'c'
        loop execute format('alter table %s drop constraint %I', c.tab, c.conname); end loop; end $$`),
  )
  const edit = (statement: string) => database.record((tx) => tx.execute(sql.raw(statement)))
  /** Leaves a change, so that nodes read what it is of at once. */
  const change = async (kind: string, key: string, statement: string) => {
    // In one transaction, as every change is: what was broken is read with its revision and not before.
    await edit(`${statement}; with bumped as (update config_revision set revision = revision + 1 returning revision)
      insert into changes (revision, kind, key, stamp) select revision, '${kind}', '${key}', 'by hand' from bumped`)
  }
  const until = async (is: () => boolean) => {
    const signal = patience()
    while (!is()) {
      signal.throwIfAborted()
      await setTimeout(10)
    }
  }
  return { ...node, follower, told, edit, change, until }
}

t.test(
  'rows that somebody broke are used when they have been healed by SQL, which leaves no change',
  async (t) => {
    const { ask, change, edit, follower, publisher, served, told, until, write } = await setUpSoon(t)
    await served(await write((unit) => putOverride(unit, drain('web', 'm1'))))
    const changes = [
      [
        'zone',
        'large.test',
        `update rrsets set data = '{nonsense}' where zone = 'large.test' and owner = 'a'`,
      ],
      ['zone', 'small.test', `update zones set serial = -1 where apex = 'small.test'`],
      ['pool', 'web', `update members set weight = -1 where name = 'm2'`],
      ['override', 'web/m1', `update overrides set state = 'evil'`],
    ] as const
    const revision = publisher.revision + changes.length
    for (const [kind, key, statement] of changes) await change(kind, key, statement)
    await until(() => follower.badRows.length === 4 && publisher.revision === revision)
    t.same(ask('a.large.test'), ['192.0.2.7'], 'the last good stays')
    await edit(`update rrsets set data = '{192.0.2.60}' where zone = 'large.test' and owner = 'a'`)
    await until(() => ask('a.large.test')[0] === '192.0.2.60')
    await edit(`update zones set serial = 77 where apex = 'small.test'`)
    await until(() => publisher.catalog.zones.get('small.test')?.serial === 77)
    await edit(`update members set weight = 100, address = '192.0.2.22' where name = 'm2'`)
    await until(() => ask('www.small.test').includes('192.0.2.22'))
    t.same(ask('www.small.test'), ['192.0.2.1', '192.0.2.22'])
    t.equal(follower.badRows.length, 1)
    await edit(`update overrides set state = 'drain'`)
    await until(() => follower.badRows.length === 0)
    await until(() => ask('www.small.test').length === 1)
    t.same([told.length, publisher.revision], [4, revision], 'each was told once', { told })
  },
)

t.test('a zone that could not be compiled is compiled before anybody writes to it again', async (t) => {
  const { ask, compiler, follower, served, told, until, write } = await setUpSoon(t)
  compiler.keeps = 'small.test'
  await served(await write((unit) => putRrset(unit, 'small.test', rrset('a', 'A', '192.0.2.9'), {})))
  t.same([ask('a.small.test'), told], [['192.0.2.8'], ["zone small.test can't be compiled"]])
  compiler.keeps = null
  await until(() => follower.badRows.length === 0)
  t.same(ask('a.small.test'), ['192.0.2.9'])
})
