import { changesSince } from '../../../../src/controlplane/store/changes.ts'
import { loadHealth, saveHealth } from '../../../../src/controlplane/store/health.ts'
import { deleteMember, getMember, putMember } from '../../../../src/controlplane/store/members.ts'
import {
  deleteMonitor,
  getMonitor,
  listAllMonitors,
  listMonitors,
  putMonitor,
} from '../../../../src/controlplane/store/monitors.ts'
import { listOverrides, putOverride } from '../../../../src/controlplane/store/overrides.ts'
import {
  deletePool,
  getPool,
  listAllPools,
  listPools,
  putPool,
} from '../../../../src/controlplane/store/pools.ts'
import { member, monitor, pool, put, refused, type Suite } from './samples.ts'

const since = new Date('2026-01-02T03:04:05.678Z')

export const poolsSuite: Suite = async (t, database) => {
  await t.test('a monitor is created, replaced, listed and deleted', async (t) => {
    const web = monitor('web', {
      host: 'www.example.test',
      expectBody: { contains: 'ok', matches: '^o', lacks: 'ko', mismatches: null },
      expectCodes: [{ from: 200, to: 204 }],
    })
    const { revision } = await put(database, (write) => putMonitor(write, web, { ifNoneMatch: '*' }))
    t.same(await database.read((tx) => getMonitor(tx, 'web')), {
      value: web,
      revision,
      written: null,
      owner: null,
    })
    t.match(await put(database, (write) => putMonitor(write, web, {})), { changed: false, revision })
    const slower = { ...web, intervalMs: 20_000 }
    await refused(
      t,
      'stale',
      put(database, (write) => putMonitor(write, slower, { ifMatch: revision + 5 })),
    )
    t.match(await put(database, (write) => putMonitor(write, slower, { ifMatch: revision })), {
      created: false,
    })
    await put(database, (write) => putMonitor(write, monitor('api'), {}))
    const page = await database.read((tx) => listMonitors(tx, { limit: 1 }))
    t.match(page.items, [{ value: { name: 'api' } }])
    const rest = await database.read((tx) => listMonitors(tx, { limit: 1, cursor: page.nextCursor }))
    t.match(rest, { items: [{ value: slower }], nextCursor: null })
    t.equal((await database.read(listAllMonitors)).length, 2)

    for (const bad of [
      { port: 0 },
      { port: 65_536 },
      { timeoutMs: 10_001 },
      { intervalMs: 0 },
      { rise: 0 },
      { fall: 0 },
      { path: 'healthz' },
      { expectCodes: [] },
      { type: 'icmp' as 'http' },
      { name: 'Upper' },
      { name: 'a/b' },
    ]) {
      await refused(
        t,
        'invalid',
        put(database, (write) => putMonitor(write, monitor('bad', bad), {})),
      )
    }
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteMonitor(write, 'bad', {})),
    )
    await put(database, (write) => deleteMonitor(write, 'api', {}))
  })

  await t.test('a pool is created, replaced, listed and deleted, members and all', async (t) => {
    const fra1 = member('fra-1', '192.0.2.10', {
      weight: 65_535,
      probeAddress: '198.51.100.1',
      probePort: 8443,
    })
    const value = pool('web-eu', [fra1, member('fra-2', '2001:db8::11', { weight: 0 })], {
      monitor: 'web',
      select: 'weighted',
      answers: 1,
      minUp: 0.5,
    })
    const { revision } = await put(database, (write) => putPool(write, value, {}))
    t.same(await database.read((tx) => getPool(tx, 'web-eu')), {
      value,
      revision,
      written: null,
      owner: null,
    })
    t.same(await database.read((tx) => getMember(tx, 'web-eu', 'fra-1')), {
      value: fra1,
      revision,
      written: null,
    })
    t.match(await put(database, (write) => putPool(write, value, {})), { changed: false, revision })

    await put(database, (write) => putPool(write, pool('empty', []), {}))
    t.same(
      (await database.read(listAllPools)).map((stored) => stored.value),
      [pool('empty', []), value],
    )
    const page = await database.read((tx) => listPools(tx, { limit: 1 }))
    const rest = await database.read((tx) => listPools(tx, { limit: 1, cursor: page.nextCursor }))
    t.match([page.items, rest.items], [[{ value: { name: 'empty' } }], [{ value }]])

    const users = await refused(
      t,
      'conflict',
      put(database, (write) => deleteMonitor(write, 'web', {})),
    )
    t.match(users.problems, [{ path: 'pools.web-eu.monitor' }])
    const missing = pool('bad', [], { monitor: 'nope' })
    t.match(
      (
        await refused(
          t,
          'invalid',
          put(database, (write) => putPool(write, missing, {})),
        )
      ).problems,
      [{ path: 'monitor', message: 'there is no monitor nope' }],
    )
    for (const bad of [
      pool('bad', [], { minUp: 1.1 }),
      pool('bad', [], { answers: 0 }),
      pool('bad', [member('a', 'not an address')]),
      pool('bad', [member('a', '192.0.2.0/24')]),
      pool('bad', [member('a', '192.0.2.1', { weight: 65_536 })]),
      pool('bad', [member('a', '192.0.2.1', { weight: -1 })]),
      pool('bad', [member('a', '192.0.2.1', { probePort: 0 })]),
      pool('bad', [member('A', '192.0.2.1')]),
      pool('bad', [member('a', '192.0.2.1'), member('a', '192.0.2.2')]),
    ]) {
      await refused(
        t,
        'invalid',
        put(database, (write) => putPool(write, bad, {})),
      )
    }
    const double = pool('bad', [member('a', '192.0.2.1'), member('b', '192.0.2.1')])
    await refused(
      t,
      'conflict',
      put(database, (write) => putPool(write, double, {})),
    )
    t.equal(await database.read((tx) => getPool(tx, 'bad')), null, 'nothing is half-done')
  })

  await t.test('health and overrides of members that stay survive', async (t) => {
    const members = ['a', 'b', 'c', 'd'].map((name, i) => member(name, `192.0.2.${i}`))
    const [a, b, c, d] = members as [
      (typeof members)[0],
      (typeof members)[0],
      (typeof members)[0],
      (typeof members)[0],
    ]
    await put(database, (write) => putPool(write, pool('web', members), {}))
    await database.record((tx) =>
      saveHealth(
        tx,
        members.map(({ name }) => ({ pool: 'web', member: name, state: 'up', since, reason: 'status 200' })),
      ),
    )
    await put(database, async (write) => {
      for (const { name } of members) {
        await putOverride(write, {
          pool: 'web',
          member: name,
          state: 'drain',
          until: null,
          reason: '',
          actor: 'ann',
          since,
        })
      }
    })
    // a and b swap addresses, c gets another weight and moves to the front, d goes.
    const next = [
      { ...c, weight: 7 },
      { ...a, address: b.address },
      { ...b, address: a.address },
    ]
    const { revision } = await put(database, (write) => putPool(write, pool('web', next), {}))
    t.same((await database.read((tx) => getPool(tx, 'web')))?.value.members, next)
    const health = (await database.read(loadHealth)).filter((one) => one.pool === 'web')
    t.same(
      health.map((one) => one.member),
      ['c'],
      'what was measured at another address is forgotten',
    )
    const kept = (await database.read(listOverrides)).filter((one) => one.pool === 'web')
    t.same(
      kept.map((one) => one.member),
      ['a', 'b', 'c'],
    )
    const feed = await database.read((tx) => changesSince(tx, revision - 1, 100))
    t.same(
      feed?.changes.map(({ kind, key }) => `${kind} ${key}`),
      [`override web/${d.name}`, 'pool web'],
    )
  })

  await t.test('a single member is put and deleted without its pool', async (t) => {
    const before = (await database.read((tx) => getPool(tx, 'web')))!
    const e = member('e', '192.0.2.50')
    const { revision } = await put(database, (write) => putMember(write, 'web', e, { ifNoneMatch: '*' }))
    const after = (await database.read((tx) => getPool(tx, 'web')))!
    t.equal(after.revision, revision, 'a pool changes with its members')
    t.same(after.value.members, [...before.value.members, e], 'a new one comes last')
    t.match(await put(database, (write) => putMember(write, 'web', e, {})), { changed: false, revision })
    const heavier = { ...e, weight: 1 }
    await refused(
      t,
      'stale',
      put(database, (write) => putMember(write, 'web', heavier, { ifMatch: 1 })),
    )
    await put(database, (write) => putMember(write, 'web', heavier, { ifMatch: revision }))
    t.same(
      (await database.read((tx) => getPool(tx, 'web')))?.value.members.at(-1),
      heavier,
      'and keeps its place',
    )
    const taken = member('f', before.value.members[0]!.address!)
    await refused(
      t,
      'conflict',
      put(database, (write) => putMember(write, 'web', taken, {})),
    )
    await refused(
      t,
      'not-found',
      put(database, (write) => putMember(write, 'nope', e, {})),
    )
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteMember(write, 'web', 'nope', {})),
    )
    await put(database, (write) => deleteMember(write, 'web', 'e', { ifMatch: '*' }))
    t.equal(await database.read((tx) => getMember(tx, 'web', 'e')), null)
    await put(database, (write) => deletePool(write, 'web', {}))
    t.equal(await database.read((tx) => getPool(tx, 'web')), null)
    await refused(
      t,
      'not-found',
      put(database, (write) => deletePool(write, 'web', {})),
    )
  })

  await t.test('measured health is stored for members that are there', async (t) => {
    const one = (name: string, state: 'up' | 'down') => ({
      pool: 'web-eu',
      member: name,
      state,
      since,
      reason: 'status 503',
    })
    await database.record((tx) =>
      saveHealth(tx, [one('fra-1', 'up'), one('fra-2', 'up'), one('gone', 'up'), one('fra-1', 'down')]),
    )
    t.same(
      await database.read(loadHealth),
      [one('fra-1', 'down'), one('fra-2', 'up')],
      'the last word counts',
    )
    await database.record((tx) => saveHealth(tx, [one('fra-2', 'down')]))
    t.same(await database.read(loadHealth), [one('fra-1', 'down'), one('fra-2', 'down')])
    await database.record((tx) => saveHealth(tx, []))
    const hold = { sinceMs: 1, untilMs: 2.5, falls: 3 }
    const flaps = [
      { address: '192.0.2.1', path: '', hold, fallsMs: [0.5, 1], offences: 1 },
      { address: null, path: '/web', hold: null, fallsMs: [1], offences: 0 },
    ]
    await database.record((tx) => saveHealth(tx, [{ ...one('fra-1', 'down'), flaps }]))
    t.same(await database.read(loadHealth), [{ ...one('fra-1', 'down'), flaps }, one('fra-2', 'down')])
    await database.record((tx) => saveHealth(tx, [one('fra-1', 'up')]))
    t.same(await database.read(loadHealth), [one('fra-1', 'up'), one('fra-2', 'down')])
  })
}
