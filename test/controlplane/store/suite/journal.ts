import { type SQL, sql } from '../../../../schema/drizzle.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { changesSince, isStillAt, stampOf, stampsAfter } from '../../../../src/controlplane/store/changes.ts'
import { appendEvents } from '../../../../src/controlplane/store/events.ts'
import { recentLookups, saveLookup } from '../../../../src/controlplane/store/lookups.ts'
import {
  deleteOverride,
  expireOverrides,
  getOverride,
  listOverrides,
  putOverride,
} from '../../../../src/controlplane/store/overrides.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { prune } from '../../../../src/controlplane/store/retention.ts'
import { currentRevision } from '../../../../src/controlplane/store/revision.ts'
import {
  createToken,
  findToken,
  listTokens,
  noteTokenUse,
  revokeToken,
} from '../../../../src/controlplane/store/tokens.ts'
import { member, pool, put, refused, type Suite } from './samples.ts'

export const journalSuite: Suite = async (t, database) => {
  const revisionNow = () => database.read(currentRevision)
  const feed = (revision: number, limit = 100) => database.read((tx) => changesSince(tx, revision, limit))

  await t.test('a glance tells whether there is anything to read', async (t) => {
    await database.write('ann', async (write) => write.change('pool', 'glanced'))
    const revision = await revisionNow()
    const stamp = await database.read((tx) => stampOf(tx, revision))
    const { rows } = await database.read((tx) =>
      tx.execute<{ id: string }>('select database_id as id from config_revision'),
    )
    const known = { revision, stamp }
    const { id } = rows[0]!
    t.equal(await isStillAt(database, known, id), true)
    t.equal(await isStillAt(database, known, null), true, 'of what is not known nothing is said')
    t.equal(await isStillAt(database, { revision, stamp: null }, id), true)
    t.equal(await isStillAt(database, { revision, stamp: 'another' }, id), false, 'another history')
    t.equal(await isStillAt(database, known, 'another'), false, 'another database')
    t.equal(await isStillAt(database, { revision: revision + 1, stamp }, id), false, 'it went back')
    t.equal(await isStillAt(database, { revision: revision - 1, stamp: null }, id), false)
    await database.write('ann', async (write) => write.change('pool', 'glanced'))
    t.equal(await isStillAt(database, known, id), false)
  })

  await t.test('a glance that fails leaves nothing behind', async (t) => {
    await t.rejects(database.glance('select from nowhere'))
    t.same(await database.glance('select 1 as one'), [{ one: 1 }])
    t.same(await database.glance('select 1 as one where false'), [])
    await t.rejects(database.glance(`insert into changes (revision, kind, key) values (0, 'pool', 'x')`))
    t.ok(await revisionNow())
  })

  await t.test('revisions and the change feed', async (t) => {
    const start = await revisionNow()
    const quiet = await database.write('ann', async () => 'nothing')
    t.same(quiet, { revision: start, result: 'nothing' }, 'no change, no revision')
    t.same(await feed(start), { revision: start, stamp: null, isLast: true, changes: [] })

    const first = await database.write('ann', async (write) => {
      t.throws(() => write.revision, /not known/)
      await write.held()
      t.equal(write.revision, start + 1)
      write.change('pool', 'b')
      write.change('pool', 'a')
      write.change('pool', 'a')
    })
    t.equal(first.revision, start + 1)
    await database.write('ann', async (write) => write.change('zone', 'example.test'))
    const stamp = await database.read((tx) => stampOf(tx, start + 2))
    t.ok(stamp)
    t.not(await database.read((tx) => stampOf(tx, start + 1)), stamp, 'each revision has its own')
    t.equal(await database.read((tx) => stampOf(tx, start + 3)), null)
    t.same(await database.read((tx) => stampsAfter(tx, start + 1)), new Map([[start + 2, stamp]]))
    t.same(await feed(start), {
      revision: start + 2,
      stamp,
      isLast: true,
      changes: [
        { revision: start + 1, kind: 'pool', key: 'a', owners: null },
        { revision: start + 1, kind: 'pool', key: 'b', owners: null },
        { revision: start + 2, kind: 'zone', key: 'example.test', owners: null },
      ],
    })
    t.match(await feed(start, 2), {
      revision: start + 1,
      isLast: false,
      changes: [{ key: 'a' }, { key: 'b' }],
    })
    t.equal(await feed(start, 1), null, 'a revision is never cut in two')
    t.equal(await feed(start + 3), null, 'the database is behind')

    const boom = database.write('ann', async (write) => {
      write.change('pool', 'c')
      throw new Error('boom')
    })
    await t.rejects(boom, { message: 'boom' })
    t.equal(await revisionNow(), start + 2, 'a write that throws leaves nothing')
  })

  await t.test('a change of a zone names the owners, unless anything else changed too', async (t) => {
    const { revision } = await database.write('ann', async (write) => {
      write.change('zone', 'a.test', ['@'])
      write.change('zone', 'a.test', ['www', '@'])
      write.change('zone', 'b.test', ['@'])
      write.change('zone', 'b.test')
      write.change('zone', 'c.test')
      write.change('zone', 'c.test', ['@'])
      write.change(
        'zone',
        'd.test',
        Array.from({ length: 201 }, (_, i) => `h${i}`),
      )
    })
    t.match(await feed(revision - 1), {
      changes: [
        { key: 'a.test', owners: ['@', 'www', '@'] },
        { key: 'b.test', owners: null },
        { key: 'c.test', owners: null },
        { key: 'd.test', owners: null },
      ],
    })
  })

  await t.test('a statement that failed is never committed, even when its error is swallowed', async (t) => {
    const start = await revisionNow()
    const swallowing = database.record(async (tx) => {
      await tx.execute(
        sql`insert into lookups (domain, client_ip, created_at, addresses) values ('x', '192.0.2.1', now(), '{}')`,
      )
      await tx.execute(sql`select 1 / 0`).catch(() => {})
    })
    await t.rejects(swallowing, { message: /rolled back/ })
    t.same(await database.read((tx) => recentLookups(tx, 20)), [])
    t.equal(await revisionNow(), start)
    await t.rejects(
      database.read((tx) => tx.execute(sql`delete from lookups`)),
      'a read only reads',
    )
  })

  await t.test('the audit log tells who did what, newest first', async (t) => {
    const start = await revisionNow()
    await database.write('ann', async (write) => {
      write.change('pool', 'web')
      write.audit('pool.put', 'web', null, { a: [1] })
      write.audit('pool.put', 'api', { text: 'x'.repeat(70_000) }, undefined)
    })
    await database.write('bob', async (write) =>
      write.audit('token.create', 'ci', null, { scopes: ['read'] }),
    )
    t.equal(await revisionNow(), start + 1, 'an audit entry alone changes no revision')
    const page = await database.read((tx) => listAudit(tx, { limit: 2 }))
    t.match(page.items, [
      { actor: 'bob', action: 'token.create', key: 'ci', revision: start + 1, after: { scopes: ['read'] } },
      {
        actor: 'ann',
        key: 'api',
        revision: start + 1,
        before: { omitted: /^700\d\d characters/ },
        after: null,
      },
    ])
    const rest = await database.read((tx) => listAudit(tx, { limit: 2, cursor: page.nextCursor }))
    t.match(rest.items[0], { action: 'pool.put', key: 'web', before: null, after: { a: [1] }, at: Date })
    await refused(
      t,
      'invalid',
      database.read((tx) => listAudit(tx, { limit: 2, cursor: 'WyJ4Il0' })),
    )
  })

  await t.test('an override is a change of its own, and ends at its time', async (t) => {
    await put(database, (write) =>
      putPool(write, pool('web', [member('a', '192.0.2.1'), member('b', '192.0.2.2')]), {}),
    )
    const drain = {
      pool: 'web',
      member: 'a',
      state: 'drain',
      until: new Date('2026-05-01T12:00:00Z'),
      reason: 'disk',
      actor: 'ann',
      since: new Date('2026-05-01T11:00:00Z'),
    } as const
    const forever = { ...drain, member: 'b', state: 'down', until: null } as const
    const start = await revisionNow()
    await put(database, (write) => putOverride(write, drain))
    await put(database, (write) => putOverride(write, forever))
    t.same(await database.read(listOverrides), [drain, forever])
    t.match((await feed(start))?.changes, [
      { kind: 'override', key: 'web/a' },
      { kind: 'override', key: 'web/b' },
    ])
    const up = { ...drain, state: 'up' } as const
    await put(database, (write) => putOverride(write, up))
    t.same(await database.read((tx) => getOverride(tx, 'web', 'a')), up)
    await refused(
      t,
      'not-found',
      put(database, (write) => putOverride(write, { ...drain, member: 'c' })),
    )
    await refused(
      t,
      'invalid',
      put(database, (write) => putOverride(write, { ...drain, state: 'odd' as 'up' })),
    )

    const early = new Date(drain.until.getTime() - 1)
    t.same(await put(database, (write) => expireOverrides(write, early)), [])
    t.same(await put(database, (write) => expireOverrides(write, drain.until)), [up])
    t.same(await database.read(listOverrides), [forever])
    await put(database, (write) => deleteOverride(write, 'web', 'b'))
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteOverride(write, 'web', 'b')),
    )
    t.same(
      (await database.read((tx) => listAudit(tx, { limit: 2 }))).items.map(({ action }) => action),
      ['override.delete', 'override.expire'],
    )
  })

  await t.test('a token is found by its secret until it is revoked', async (t) => {
    const secret = await database.record((tx) => createToken(tx, 'ci', ['write', 'read']))
    t.match(secret, /^pooldns_[\w-]{43}$/)
    const found = await database.read((tx) => findToken(tx, secret))
    t.match(found, { name: 'ci', scopes: ['read', 'write'], createdAt: Date, lastUsedAt: null })
    t.equal(await database.read((tx) => findToken(tx, `${secret}x`)), null)
    const dump = await database.read((tx) => tx.execute(sql`select * from tokens`))
    t.notMatch(JSON.stringify(dump.rows), secret, 'the secret is not kept')
    await refused(
      t,
      'conflict',
      database.record((tx) => createToken(tx, 'ci', ['read'])),
    )
    await refused(
      t,
      'invalid',
      database.record((tx) => createToken(tx, 'none', [])),
    )
    await refused(
      t,
      'invalid',
      database.record((tx) => createToken(tx, 'odd', ['admin' as 'read'])),
    )

    const noon = new Date('2026-05-01T12:00:00Z')
    const later = (ms: number) => new Date(noon.getTime() + ms)
    for (const [now, noted] of [
      [noon, noon],
      [later(59_000), noon],
      [later(61_000), later(61_000)],
    ] as const) {
      await database.record((tx) => noteTokenUse(tx, 'ci', now))
      t.same((await database.read(listTokens))[0]?.lastUsedAt, noted)
    }
    await database.record((tx) => revokeToken(tx, 'ci'))
    t.equal(await database.read((tx) => findToken(tx, secret)), null)
    await refused(
      t,
      'not-found',
      database.record((tx) => revokeToken(tx, 'ci')),
    )
  })

  await t.test('the audit log: entries stay as they are, for as long as was promised', async (t) => {
    const actors = async () =>
      (await database.read((tx) => listAudit(tx, { limit: 1_000 }))).items.map(({ actor }) => actor)
    const execute = (statement: SQL) => database.record((tx) => tx.execute(statement))
    // As one that the clock has caught up with.
    const old = sql`insert into audit_log (at, actor, action, key, revision, keep_until)
      select now() - interval '100 days', 'of old ' || n, 'pool.put', 'web', 0, now() - interval '1 second' from generate_series(1, 3) n`
    await execute(old)
    await database.write('ann', async (write) => write.audit('token.create', 'x', null, null))
    await execute(
      sql`insert into audit_log (at, actor, action, key, revision) values (now(), 'of a version of old', 'pool.put', 'web', 0)`,
    )
    const before = await actors()
    const { rows } = await database.read((tx) =>
      tx.execute(sql`select actor, round(extract(epoch from keep_until - at) / 86400)::int as days from audit_log
        order by id desc limit 2`),
    )
    t.same(rows, [
      { actor: 'of a version of old', days: 90 },
      { actor: 'ann', days: 90 },
    ])
    for (const statement of [
      sql`update audit_log set actor = 'nobody'`,
      sql`delete from audit_log`,
      sql`delete from audit_log where actor = 'ann'`,
      sql`truncate audit_log`,
    ]) {
      await t.rejects(execute(statement), { cause: { code: '42501' } })
    }
    t.same(await actors(), before)
    const limits = { events: 1_000, changes: 1_000, lookups: 1_000, history: 1_000, gradual: 1_000 }
    await database.record((tx) => prune(tx, { ...limits, auditLog: 4 }))
    t.same((await actors()).slice(0, 4), ['of a version of old', 'ann', 'of old 3', 'of old 2'])
    t.notOk((await actors()).includes('of old 1'), 'beyond the newest four, and past its time')
    await database.record((tx) => prune(tx, { ...limits, auditLog: 0 }))
    t.same(
      await actors(),
      before.filter((actor) => !actor.startsWith('of old')),
    )
  })

  await t.test('lookups, and pruning of what only grows', async (t) => {
    const lookup = (n: number) => ({
      domain: `d${n}.test`,
      clientIp: n % 2 === 0 ? '2001:db8::1' : '192.0.2.1',
      createdAt: new Date(Date.UTC(2026, 0, 1, 0, 0, n)),
      addresses: ['192.0.2.7', '2001:db8::7'],
    })
    await database.record(async (tx) => {
      for (let n = 0; n < 25; n++) await saveLookup(tx, lookup(n))
    })
    const recent = await database.read((tx) => recentLookups(tx, 20))
    t.same(
      recent,
      Array.from({ length: 20 }, (_, i) => lookup(24 - i)),
    )
    await database.record((tx) => saveLookup(tx, { ...lookup(25), clientIp: 'fe80::1%eth0' }))
    t.equal((await database.read((tx) => recentLookups(tx, 1)))[0]?.clientIp, 'fe80::1')

    const event = { kind: 'drained', node: 'n', pool: 'p', member: 'm', at: new Date() } as const
    await database.record((tx) => appendEvents(tx, Array(10).fill(event)))
    const start = await revisionNow()
    for (const name of ['a', 'b', 'c'])
      await database.write('ann', async (write) => write.change('pool', name))
    await database.record((tx) => prune(tx))
    t.equal((await feed(start))?.changes.length, 3, 'within the bounds nothing goes')
    await database.record((tx) =>
      prune(tx, { events: 3, auditLog: 2, changes: 2, lookups: 5, history: 1_000, gradual: 1_000 }),
    )
    const counts = await database.read((tx) =>
      tx.execute(sql`select (select count(*) from events)::int as events, (select count(*) from audit_log)::int as audit,
        (select count(*) from changes)::int as changes, (select count(*) from lookups)::int as lookups`),
    )
    const [{ audit, ...others }] = counts.rows as [{ audit: number }]
    t.same(others, { events: 3, changes: 2, lookups: 5 })
    t.ok(audit > 2, `the audit log is kept by time: ${audit} entries`)
    t.equal(await feed(start), null, 'a gap is told')
    t.equal((await feed(start + 1))?.changes.length, 2)
  })
}
