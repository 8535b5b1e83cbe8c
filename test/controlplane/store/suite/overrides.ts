import { sql } from '../../../../schema/drizzle.ts'
import type { Override } from '../../../../src/controlplane/model/override.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { changesSince } from '../../../../src/controlplane/store/changes.ts'
import { deleteMember, listMemberNames } from '../../../../src/controlplane/store/members.ts'
import {
  deleteOverride,
  expireOverrides,
  getOverride,
  listOverrides,
  maxPatterns,
  overridesFor,
  pageOverrides,
  putOverride,
} from '../../../../src/controlplane/store/overrides.ts'
import { deletePool, putPool } from '../../../../src/controlplane/store/pools.ts'
import { currentRevision } from '../../../../src/controlplane/store/revision.ts'
import { member, pool, put, refused, type Suite } from './samples.ts'

const since = new Date('2026-05-01T11:00:00Z')
const now = new Date('2026-05-01T12:00:00Z')

const override = (key: string, change: Partial<Override> = {}): Override => {
  const [poolName, memberName] = key.split('/') as [string, string]
  const word = { state: 'drain', until: null, reason: 'disk', actor: 'ann', since } as const
  return { pool: poolName, member: memberName, ...word, ...change }
}

const keys = (overrides: readonly Override[]) => overrides.map((one) => `${one.pool}/${one.member}`)

export const overridesSuite: Suite = async (t, database) => {
  const fra = member('fra-1', '192.0.2.1')
  const lon = member('lon-1', '192.0.2.2')
  const set = (...overrides: Override[]) =>
    put(database, async (write) => {
      for (const one of overrides) await putOverride(write, one)
    })
  const stored = async () => keys(await database.read(listOverrides))
  await put(database, async (write) => {
    await putPool(write, pool('web-eu', [fra, lon]), {})
    await putPool(write, pool('web-us', [member('nyc-1', '192.0.2.3')]), {})
  })

  await t.test('patterns need no member; a member by name must be there', async (t) => {
    const before = await database.read(currentRevision)
    const pattern = override('web-*/fra-?')
    await set(pattern)
    t.same(await database.read((tx) => getOverride(tx, 'web-*', 'fra-?')), pattern)
    t.equal(await database.read((tx) => getOverride(tx, 'web-eu', 'fra-1')), null, 'only as it was set')
    t.match((await database.read((tx) => changesSince(tx, before, 10)))?.changes, [
      { kind: 'override', key: 'web-*/fra-?' },
    ])
    t.match((await database.read((tx) => listAudit(tx, { limit: 1 }))).items, [
      { action: 'override.put', key: 'web-*/fra-?', before: null, after: { state: 'drain' } },
    ])
    await set(override('gone/*'))
    await refused(t, 'not-found', set(override('web-eu/nobody')))
    await refused(t, 'not-found', set(override('gone/fra-1')))
    await refused(t, 'invalid', set(override('Web-*/fra-*')))
    t.same(await stored(), ['gone/*', 'web-*/fra-?'])
  })

  await t.test('those that may hold a member', async (t) => {
    await set(override('web-eu/fra-1'), override('web-eu/lon-1'), override('web-us/nyc-1'))
    const found = await database.read((tx) => overridesFor(tx, 'web-eu', 'fra-1'))
    t.same(keys(found).sort(), ['gone/*', 'web-*/fra-?', 'web-eu/fra-1'])
    t.same(await database.read(listMemberNames), [
      { pool: 'web-eu', member: 'fra-1' },
      { pool: 'web-eu', member: 'lon-1' },
      { pool: 'web-us', member: 'nyc-1' },
    ])
  })

  await t.test('pages, without what has ended', async (t) => {
    await set(override('web-eu/*', { until: now }), override('*/*', { until: new Date(now.getTime() + 1) }))
    const pages: string[][] = []
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<typeof pageOverrides>> = await database.read((tx) =>
        pageOverrides(tx, { limit: 2, cursor }, now),
      )
      pages.push(keys(page.items))
      cursor = page.nextCursor
    } while (cursor !== null)
    t.same(pages, [
      ['*/*', 'gone/*'],
      ['web-*/fra-?', 'web-eu/fra-1'],
      ['web-eu/lon-1', 'web-us/nyc-1'],
    ])
    await refused(
      t,
      'invalid',
      database.read((tx) => pageOverrides(tx, { limit: 2, cursor: 'odd' }, now)),
    )
  })

  await t.test('a pattern ends by itself', async (t) => {
    t.same(keys(await put(database, (write) => expireOverrides(write, now))), ['web-eu/*'])
    t.match((await database.read((tx) => listAudit(tx, { limit: 1 }))).items, [
      { action: 'override.expire', key: 'web-eu/*', before: { until: now.toISOString() }, after: null },
    ])
  })

  await t.test('what is of one member goes with it, patterns for others stay', async (t) => {
    const before = await database.read(currentRevision)
    await put(database, (write) => deleteMember(write, 'web-eu', 'lon-1', {}))
    t.same(await stored(), ['*/*', 'gone/*', 'web-*/fra-?', 'web-eu/fra-1', 'web-us/nyc-1'])
    const { changes } = (await database.read((tx) => changesSince(tx, before, 10)))!
    t.same(
      changes.map(({ kind, key }) => `${kind} ${key}`),
      ['override web-eu/lon-1', 'pool web-eu'],
    )
    const moved = pool('web-eu', [{ ...fra, address: '192.0.2.9' }], { minUp: 0.5 })
    await put(database, (write) => putPool(write, moved, {}))
    await set(override('web-us/*'), override('web-us/nyc-?'), override('web-eu/*'))
    const beforePool = await database.read(currentRevision)
    await put(database, (write) => deletePool(write, 'web-us', {}))
    t.same(
      await stored(),
      ['*/*', 'gone/*', 'web-*/fra-?', 'web-eu/*', 'web-eu/fra-1'],
      'that of a pool, too',
    )
    const { changes: ofPool } = (await database.read((tx) => changesSince(tx, beforePool, 10)))!
    t.same(
      ofPool.map(({ kind, key }) => `${kind} ${key}`),
      ['override web-us/*', 'override web-us/nyc-1', 'override web-us/nyc-?', 'pool web-us'],
    )
    await put(database, (write) => deletePool(write, 'web-eu', {}))
    t.same(await stored(), ['*/*', 'gone/*', 'web-*/fra-?'])
  })

  await t.test('there are only so many patterns', async (t) => {
    const room = maxPatterns - (await stored()).length
    await database.record((tx) =>
      tx.execute(sql`
        insert into overrides (pool, member, state, until, reason, actor, since)
        select 'p-' || n, '*', 'drain', null, '', 'ann', now() from generate_series(1, ${room}::int) n`),
    )
    const refusal = await refused(t, 'conflict', set(override('one-more/*')))
    t.match(refusal.message, /1000 overrides by patterns.*delete one first/)
    await set(override('p-1/*', { state: 'down' }))
    t.match(await database.read((tx) => getOverride(tx, 'p-1', '*')), { state: 'down' }, 'one that is there')
    await put(database, (write) => putPool(write, pool('web', [fra]), {}))
    await set(override('web/fra-1'))
    await put(database, (write) => deleteOverride(write, 'p-1', '*'))
    await set(override('one-more/*'))
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteOverride(write, 'p-1', '*')),
    )
  })
}
