/** Who names whom: composite monitors, fallbacks of pools, services in services; and rows that somebody edited by hand. */
import { sql } from '../../../../schema/drizzle.ts'
import type { CompositeMonitor, Monitor } from '../../../../src/controlplane/model/monitor.ts'
import type { Service } from '../../../../src/controlplane/model/service.ts'
import type { Database, Write } from '../../../../src/controlplane/store/database.ts'
import {
  deleteMonitor,
  getMonitor,
  listAllMonitors,
  listMonitors,
  putMonitor,
} from '../../../../src/controlplane/store/monitors.ts'
import { deletePool, getPool, listAllPools, putPool } from '../../../../src/controlplane/store/pools.ts'
import {
  deleteService,
  getService,
  listAllServices,
  putService,
} from '../../../../src/controlplane/store/services.ts'
import { putZone } from '../../../../src/controlplane/store/zones.ts'
import { apply } from '../../../support/apply.ts'
import { poolChoice, serviceChoice, timingDefaults, tlsDefaults } from '../../model/defaults.ts'
import {
  hostMember,
  member,
  monitor,
  pool,
  put,
  refused,
  rrset,
  type Suite,
  service,
  zone,
} from './samples.ts'

const composite = (name: string, ...monitors: string[]): CompositeMonitor => ({
  name,
  type: 'composite',
  monitors,
  require: 'all',
  invert: false,
})

const nesting = (name: string, ...inner: string[]): Service => ({
  ...service(name, ['eu']),
  choices: [poolChoice('eu'), ...inner.map((one) => serviceChoice(one))],
})

const doing = (database: Database, work: (write: Write) => Promise<unknown>) => put(database, work)

export const referencesSuite: Suite = async (t, database) => {
  await t.test('monitors of every type', async (t) => {
    const others: Monitor[] = [
      {
        ...monitor('web', {
          headers: [
            ['x-b', '2'],
            ['z', '1'],
          ],
          body: 'x',
          method: 'PUT',
        }),
        flap: { changes: 3, withinMs: 1000, holdMs: 1000, maxHoldMs: 2000 },
      },
      {
        name: 'smtp',
        type: 'tcp',
        port: 25,
        send: null,
        expect: { contains: '220', matches: null, lacks: null, mismatches: null },
        tls: tlsDefaults,
        ...timingDefaults,
      },
      {
        name: 'dns',
        type: 'dns',
        port: 53,
        transport: 'tcp',
        qname: 'example.test.',
        qtype: 'SOA',
        expectRcodes: ['NOERROR'],
        expectData: [],
        ...timingDefaults,
      },
      { name: 'grpc', type: 'grpc', port: 50_051, service: 'x', tls: null, ...timingDefaults },
      { name: 'push', type: 'push', ttlMs: 5000 },
      { name: 'static', type: 'static', state: 'down' },
    ]
    for (const value of [...others, composite('all', 'web', 'smtp', 'push')]) {
      await doing(database, (write) => putMonitor(write, value, {}))
      const stored = await database.read((tx) => getMonitor(tx, value.name))
      t.same(stored?.value, value)
      t.match(await put(database, (write) => putMonitor(write, value, {})), { changed: false })
    }
  })

  await t.test('a composite monitor names monitors that are there, and leads back to none', async (t) => {
    const missing = await refused(
      t,
      'invalid',
      doing(database, (write) => putMonitor(write, composite('c', 'web', 'nope'), {})),
    )
    t.match(missing.problems, [{ path: 'monitors[1]', message: 'there is no monitor nope' }])
    await doing(database, (write) => putMonitor(write, composite('outer', 'all', 'grpc'), {}))
    const circle = await refused(
      t,
      'conflict',
      doing(database, (write) => putMonitor(write, composite('all', 'web', 'outer'), {})),
    )
    t.match(circle.problems, [{ path: 'monitors', message: /leads back to itself: (all|outer) -> / }])
    const used = await refused(
      t,
      'conflict',
      doing(database, async (write) => {
        await putPool(write, pool('p', [], { monitor: 'all' }), {})
        await deleteMonitor(write, 'all', {})
      }),
    )
    t.match(used.message, /^monitor all is used by pool p and monitor outer$/)
    t.match(used.problems, [{ path: 'pools.p.monitor' }, { path: 'monitors.outer.monitors' }])
    await doing(database, (write) => putMonitor(write, composite('outer', 'grpc'), {}))
    await doing(database, (write) => deleteMonitor(write, 'all', {}))
  })

  await t.test('a monitor that can not be read', async (t) => {
    await database.record((tx) =>
      tx.execute(sql`update monitors set settings = '{"port": "many", "path": 7}' where name = 'smtp'`),
    )
    const error = await refused(
      t,
      'invalid',
      database.read((tx) => getMonitor(tx, 'smtp')),
    )
    t.match(
      error.message,
      /^the settings of monitor smtp in the database can't be read: path is not for monitors/,
    )
    await refused(
      t,
      'invalid',
      database.read((tx) => listMonitors(tx, { limit: 100 })),
    )
    await refused(
      t,
      'invalid',
      database.read((tx) => listAllMonitors(tx)),
    )
    const told: string[] = []
    const rest = await database.read((tx) => listAllMonitors(tx, (message) => told.push(message)))
    t.notOk(rest.some(({ value }) => value.name === 'smtp'))
    t.ok(rest.some(({ value }) => value.name === 'web'))
    t.equal(await database.read((tx) => getMonitor(tx, 'smtp', (message) => told.push(message))), null)
    t.same(told, [error.message, error.message])
    const next = monitor('smtp')
    t.match(await put(database, (write) => putMonitor(write, next, {})), { created: false, changed: true })
    t.same((await database.read((tx) => getMonitor(tx, 'smtp')))?.value, next)
    await database.record((tx) =>
      tx.execute(sql`update monitors set settings = '{"a": 1}' where name = 'smtp'`),
    )
    await doing(database, (write) => deleteMonitor(write, 'smtp', {}))
  })

  await t.test('a pool names a fallback that is there, or comes along', async (t) => {
    const sorry = pool('sorry', [member('a', '192.0.2.9', { priority: 3 })])
    const eu = pool('eu', [member('a', '192.0.2.1')], {
      select: 'failover',
      unknown: 'down',
      whenAllDown: 'fallback',
      fallback: 'sorry',
      tiers: [
        { priority: 1, minUp: 0.5 },
        { priority: 20, minUp: 0 },
      ],
      hashPrefix: { ipv4: 8, ipv6: 56 },
      slowStartMs: 1500,
      location: { latitude: 50.5, longitude: -8.25 },
      quorum: 'majority',
    })
    const missing = await refused(
      t,
      'invalid',
      doing(database, (write) => putPool(write, eu, {})),
    )
    t.match(missing.problems, [{ path: 'fallback', message: 'there is no pool sorry' }])
    // Only a document has both of them come at once.
    await apply(database, {
      feeds: [],
      monitors: [],
      pools: [eu, { ...sorry, whenAllDown: 'fallback', fallback: 'eu' }],
      services: [],
      zones: [],
    })
    await doing(database, (write) => putPool(write, sorry, {}))
    for (const value of [eu, sorry]) {
      t.same((await database.read((tx) => getPool(tx, value.name)))?.value, value)
      t.match(await put(database, (write) => putPool(write, value, {})), { changed: false })
    }
    await refused(
      t,
      'invalid',
      doing(database, (write) => putPool(write, { ...eu, fallback: 'late' }, {})),
    )
    await refused(
      t,
      'invalid',
      doing(database, (write) => putPool(write, { ...eu, fallback: null }, {})),
    )
    await refused(
      t,
      'invalid',
      doing(database, (write) => putPool(write, { ...eu, fallback: 'eu' }, {})),
    )
    await refused(
      t,
      'invalid',
      doing(database, (write) =>
        putPool(write, pool('bad', [member('a', '192.0.2.1', { priority: 0 })]), {}),
      ),
    )
    const used = await refused(
      t,
      'conflict',
      doing(database, (write) => deletePool(write, 'sorry', {})),
    )
    t.match(used.message, /^pool sorry is used by pool eu$/)
    t.match(used.problems, [{ path: 'pools.eu.fallback', message: 'uses pool sorry' }])

    await database.record((tx) =>
      tx.execute(sql`update pools set settings = settings || '{"quorum": "most"}' where name = 'eu'`),
    )
    const error = await refused(
      t,
      'invalid',
      database.read((tx) => getPool(tx, 'eu')),
    )
    t.match(error.message, /^the settings of pool eu in the database can't be read: quorum must be one of/)
    const told: string[] = []
    const all = await database.read((tx) => listAllPools(tx, (message) => told.push(message)))
    t.match(
      all.find(({ value }) => value.name === 'eu')?.value,
      { select: 'failover', quorum: 'own', tiers: [], members: [{ name: 'a' }] },
      'it goes on with the defaults',
    )
    t.same(told, [error.message])
    t.match(await put(database, (write) => putPool(write, eu, {})), { changed: true })
    t.same((await database.read((tx) => getPool(tx, 'eu')))?.value, eu)
  })

  await t.test('services in services', async (t) => {
    await doing(database, (write) => putZone(write, zone('example.test', rrset('txt', 'TXT', '"x"')), {}))
    const inner = service('inner.example.test', ['eu'])
    const outer: Service = {
      ...service('outer.example.test', []),
      minTtlSeconds: 5,
      steer: 'geo',
      choices: [
        poolChoice('sorry', { weight: 0, bias: -7, location: { latitude: 1.5, longitude: -2.25 } }),
        serviceChoice('inner.example.test', { weight: 9 }),
        poolChoice('eu'),
      ],
      geo: {
        cidr: [
          ['10.0.0.0/8', [1, 0]],
          ['192.0.2.0/24', [0]],
          ['2001:db8::/32', [2]],
        ],
        asn: [
          [7, [0]],
          [64_500, [1]],
        ],
        subdivision: [['US-CA', [0]]],
        country: [['CH', [2]]],
        continent: [['EU', [0]]],
        default: [2, 1],
        beyond: 'any',
      },
      hashPrefix: { ipv4: 24, ipv6: 64 },
      hysteresis: 0,
    }
    const missing = await refused(
      t,
      'invalid',
      doing(database, (write) => putService(write, outer, {})),
    )
    t.match(missing.problems, [{ path: 'pools[1]', message: 'there is no service inner.example.test' }])
    await doing(database, (write) => putService(write, inner, {}))
    const { revision } = await put(database, (write) => putService(write, outer, {}))
    t.same(await database.read((tx) => getService(tx, outer.name)), {
      value: outer,
      zone: 'example.test',
      override: null,
      revision,
      written: null,
      owner: null,
    })
    t.match(await put(database, (write) => putService(write, outer, {})), { changed: false })

    const used = await refused(
      t,
      'conflict',
      doing(database, (write) => deleteService(write, inner.name, {})),
    )
    t.match(used.message, /^service inner\.example\.test is used by service outer\.example\.test$/)
    t.match(used.problems, [
      { path: 'services["outer.example.test"]', message: 'uses service inner.example.test' },
    ])
    const usedPool = await refused(
      t,
      'conflict',
      doing(database, (write) => deletePool(write, 'sorry', {})),
    )
    t.match(usedPool.message, /^pool sorry is used by service outer\.example\.test and pool eu$/)

    for (const bad of [
      { ...inner, minTtlSeconds: 31 },
      { ...inner, choices: [poolChoice('eu', { weight: 65_536 })] },
      { ...inner, choices: [poolChoice('eu', { bias: 100 })] },
    ]) {
      await refused(
        t,
        'invalid',
        doing(database, (write) => putService(write, bad, {})),
      )
    }
    await refused(
      t,
      'conflict',
      doing(database, (write) => {
        const twice = [serviceChoice('inner.example.test'), serviceChoice('inner.example.test')]
        return putService(write, { ...outer, steer: 'failover', geo: null, choices: twice }, {})
      }),
    )
  })

  await t.test('services that lead back, or too far', async (t) => {
    const name = (index: number) => `s${index}.example.test`
    const self = await refused(
      t,
      'conflict',
      doing(database, (write) => putService(write, nesting(name(0), name(0)), {})),
    )
    t.match(self.problems, [{ path: 'pools', message: `leads back to itself: ${name(0)} -> ${name(0)}` }])
    await doing(database, async (write) => {
      await putService(write, nesting(name(15)), {})
      for (let i = 14; i >= 0; i--) await putService(write, nesting(name(i), name(i + 1)), {})
    })
    const circle = await refused(
      t,
      'conflict',
      doing(database, (write) => putService(write, nesting(name(15), name(9)), {})),
    )
    t.match(circle.message, /leads back to itself: s\d+\.example\.test -> /)
    await doing(database, (write) => putService(write, nesting('tail.example.test'), {}))
    const deep = await refused(
      t,
      'conflict',
      doing(database, (write) => putService(write, nesting(name(15), 'tail.example.test'), {})),
    )
    t.match(deep.message, /leads through more than 16 names: s0\.example\.test -> .* -> tail\.example\.test$/)
    await doing(database, (write) => putService(write, nesting(name(9), 'tail.example.test'), {}))
  })

  await t.test('a service that can not be read', async (t) => {
    await database.record((tx) =>
      tx.execute(
        sql`update services set settings = '{"geo": {"country": {"CH": ["mars"]}}}' where steer = 'geo'`,
      ),
    )
    const error = await refused(
      t,
      'invalid',
      database.read((tx) => getService(tx, 'outer.example.test')),
    )
    t.match(error.message, /^the settings of service outer\.example\.test .* "mars" is not in pools$/)
    const told: string[] = []
    const all = await database.read((tx) => listAllServices(tx, (message) => told.push(message)))
    t.same(told, [error.message])
    t.match(
      all.find(({ value }) => value.name === 'outer.example.test')?.value,
      {
        steer: 'failover',
        geo: null,
        choices: [{ name: 'sorry' }, { name: 'inner.example.test' }, { name: 'eu' }],
      },
      'it goes on without its rules',
    )
    const next = service('outer.example.test', ['eu'])
    t.match(await put(database, (write) => putService(write, next, {})), { created: false, changed: true })
  })

  await t.test('a CNAME that a service only leads to', async (t) => {
    const alias = pool('alias', [hostMember('a', 'lb.example.')], { hosts: 'cname' })
    const via = pool('via', [], { whenAllDown: 'fallback', fallback: 'alias' })
    await doing(database, async (write) => {
      await putPool(write, alias, {})
      await putPool(write, { ...via, whenAllDown: null, fallback: null }, {})
      await putService(write, service('deep.example.test', ['via']), {})
      await putService(write, nesting('middle.example.test', 'deep.example.test'), {})
      await putService(write, nesting('example.test', 'middle.example.test'), {})
    })
    const apex = [{ path: 'services["example.test"]', message: /pool alias answers with a CNAME/ }]
    const whole = [
      () => doing(database, (write) => putPool(write, via, {})),
      () => doing(database, (write) => putService(write, service('deep.example.test', ['alias']), {})),
      () =>
        doing(database, (write) =>
          putService(
            write,
            service('deep.example.test', ['eu'], { whenAllDown: 'fallback', fallback: 'alias' }),
            {},
          ),
        ),
      () => doing(database, (write) => putPool(write, { ...pool('via', []), hosts: 'cname' }, {})),
    ]
    for (const [index, attempt] of whole.entries()) {
      const { problems } = await refused(t, 'conflict', attempt())
      t.match(problems, index === 3 ? [{ path: 'services["example.test"]' }] : apex)
    }
    await doing(database, (write) => putService(write, service('example.test', ['eu']), {}))
    await doing(database, (write) => putPool(write, via, {}))
    const fallback = { whenAllDown: 'fallback' as const, fallback: 'via' }
    await doing(database, (write) => putService(write, service('example.test', ['eu'], fallback), {}))
    t.pass('a fallback is served whole, so its own one has no say')
    const beside = await refused(
      t,
      'conflict',
      doing(database, (write) => putService(write, nesting('txt.example.test', 'middle.example.test'), {})),
    )
    t.match(beside.problems, [{ path: '', message: /stand beside the TXT/ }])
    // One pool in two parts: the service falls back to it through another, and leads to it by name.
    await doing(database, (write) =>
      putPool(write, pool('first', [], { whenAllDown: 'fallback', fallback: 'via' }), {}),
    )
    await doing(database, (write) => putService(write, service('deep.example.test', ['via']), {}))
    const choices = [poolChoice('first'), serviceChoice('deep.example.test')]
    const twice = await refused(
      t,
      'conflict',
      doing(database, (write) => putService(write, { ...service('example.test', []), choices }, {})),
    )
    t.match(twice.problems, [{ path: '', message: /pool alias answers with a CNAME/ }])
  })

  await t.test('the nearest of places that somebody knows', async (t) => {
    const here = { latitude: 1, longitude: 2 }
    const nearest = { ...service('near.example.test', ['near']), steer: 'nearest' as const }
    await doing(database, (write) => putPool(write, pool('near', []), {}))
    const nowhere = await refused(
      t,
      'conflict',
      doing(database, (write) => putService(write, nearest, {})),
    )
    t.match(nowhere.problems, [{ path: 'pools', message: /has no entry with a location/ }])
    await doing(database, (write) => putPool(write, pool('near', [], { location: here }), {}))
    await doing(database, (write) => putService(write, nearest, {}))
    await refused(
      t,
      'conflict',
      doing(database, (write) => putPool(write, pool('near', []), {})),
    )
    const choices = [poolChoice('near', { location: here })]
    await doing(database, (write) => putService(write, { ...nearest, choices }, {}))
    await doing(database, (write) => putPool(write, pool('near', []), {}))
  })

  await t.test('a whole configuration, whatever its order', async (t) => {
    const swap = (name: string, fallback: string) => pool(name, [], { whenAllDown: 'fallback', fallback })
    const configuration = {
      feeds: [],
      monitors: [composite('z1', 'z2', 'z3'), composite('z2', 'z3'), monitor('z3')],
      pools: [swap('one', 'two'), swap('two', 'one')],
      services: [
        nesting('a.example.test', 'b.example.test', 'c.example.test'),
        nesting('b.example.test', 'c.example.test'),
        nesting('c.example.test'),
      ],
      zones: [],
    }
    await apply(database, configuration)
    t.same((await database.read((tx) => getMonitor(tx, 'z1')))?.value, configuration.monitors[0])
    t.same((await database.read((tx) => getPool(tx, 'one')))?.value, configuration.pools[0])
    t.same((await database.read((tx) => getService(tx, 'a.example.test')))?.value, configuration.services[0])
    const circle = {
      ...configuration,
      services: [nesting('x.example.test', 'y.example.test'), nesting('y.example.test', 'x.example.test')],
    }
    await refused(t, 'conflict', apply(database, circle))
  })
}
