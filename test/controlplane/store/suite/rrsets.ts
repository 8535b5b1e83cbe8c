import { putPool } from '../../../../src/controlplane/store/pools.ts'
import {
  deleteRrset,
  getRrset,
  listRrsets,
  putRrset,
  streamRrsets,
} from '../../../../src/controlplane/store/rrsets.ts'
import { putService } from '../../../../src/controlplane/store/services.ts'
import { getZoneHead, putZone } from '../../../../src/controlplane/store/zones.ts'
import { member, pool, put, refused, rrset, type Suite, service, zone } from './samples.ts'

export const rrsetsSuite: Suite = async (t, database) => {
  const apex = 'example.test'
  const head = async () => (await database.read((tx) => getZoneHead(tx, apex)))!
  await put(database, async (write) => {
    await putZone(write, zone(apex, rrset('@', 'NS', 'ns1.example.test.')), {})
    await putPool(write, pool('web', [member('a', '192.0.2.1')]), {})
    await putService(write, service('svc.example.test', ['web']), {})
    await putService(write, service('example.test', ['web']), {})
  })

  await t.test('create, replace, delete', async (t) => {
    const before = await head()
    const value = { ...rrset('www', 'A', '192.0.2.1', '192.0.2.2'), ttlSeconds: 60 }
    const created = await database.write('ann', (write) => putRrset(write, apex, value, { ifNoneMatch: '*' }))
    t.match(created.result, { created: true, changed: true, revision: created.revision })
    t.same(await database.read((tx) => getRrset(tx, apex, 'www', 'A')), { value, revision: created.revision })
    const after = await head()
    t.equal(after.revision, created.revision, 'a zone changes with its RRsets')
    t.ok(after.value.serial > before.value.serial)

    const same = await put(database, (write) => putRrset(write, apex, value, {}))
    t.match(same, { changed: false, revision: created.revision })
    t.same(await head(), after)

    const next = { ...value, ttlSeconds: null }
    await refused(
      t,
      'stale',
      put(database, (write) => putRrset(write, apex, next, { ifMatch: 1 })),
    )
    const replaced = await put(database, (write) =>
      putRrset(write, apex, next, { ifMatch: created.revision }),
    )
    t.match(replaced, { created: false, changed: true })
    t.same((await database.read((tx) => getRrset(tx, apex, 'www', 'A')))?.value, next)

    await refused(
      t,
      'stale',
      put(database, (write) => deleteRrset(write, apex, 'www', 'A', { ifMatch: 1 })),
    )
    const serial = (await head()).value.serial
    await put(database, (write) => deleteRrset(write, apex, 'www', 'A', { ifMatch: replaced.revision }))
    t.ok((await head()).value.serial > serial)
    t.equal(await database.read((tx) => getRrset(tx, apex, 'www', 'A')), null)
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteRrset(write, apex, 'www', 'A', {})),
    )
    await refused(
      t,
      'not-found',
      put(database, (write) => putRrset(write, 'no.test', value, {})),
    )
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteRrset(write, 'no.test', 'www', 'A', {})),
    )
  })

  await t.test('what may not stand together', async (t) => {
    const tryPut = (owner: string, type: string, data: string) =>
      put(database, (write) => putRrset(write, apex, rrset(owner, type, data), {}))
    await tryPut('alias', 'CNAME', 'x.test.')
    await tryPut('alias', 'CNAME', 'y.test.')
    await refused(t, 'conflict', tryPut('alias', 'TXT', '"x"'))
    await tryPut('text', 'TXT', '"x"')
    await refused(t, 'conflict', tryPut('text', 'CNAME', 'x.test.'))
    await refused(t, 'conflict', tryPut('@', 'CNAME', 'x.test.'))
    for (const [owner, type, data] of [
      ['svc', 'A', '192.0.2.1'],
      ['svc', 'AAAA', '2001:db8::1'],
      ['svc', 'CNAME', 'x.test.'],
      ['@', 'A', '192.0.2.1'],
    ] as const) {
      const error = await refused(t, 'conflict', tryPut(owner, type, data))
      t.match(error.problems, [{ message: /is a service/ }])
    }
    await tryPut('svc', 'TXT', '"beside a service"')
    await tryPut('@', 'MX', '10 mail.example.test.')
  })

  await t.test('pages and stream by owner and type', async (t) => {
    const expected = ['* A', '@ MX', '@ NS', 'alias CNAME', 'svc TXT', 'text TXT']
    await put(database, (write) => putRrset(write, apex, rrset('*', 'A', '192.0.2.1'), {}))
    const seen: string[] = []
    for (let cursor: string | null = null, first = true; first || cursor !== null; first = false) {
      const page = await database.read((tx) => listRrsets(tx, apex, { limit: 4, cursor }))
      seen.push(...page.items.map(({ value }) => `${value.owner} ${value.type}`))
      cursor = page.nextCursor
    }
    t.same(seen, expected)
    const batches = await database.read((tx) => collect(streamRrsets(tx, apex, 3)))
    t.same(
      batches.map((batch) => batch.length),
      [3, 3],
    )
    t.same(
      batches.flat().map(({ owner, type }) => `${owner} ${type}`),
      expected,
    )
    t.same(await database.read((tx) => collect(streamRrsets(tx, 'no.test', 3))), [])
  })
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}
