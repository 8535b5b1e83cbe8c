import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { changesSince } from '../../../../src/controlplane/store/changes.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { countRrsets, getRrset, listRrsets, streamRrsets } from '../../../../src/controlplane/store/rrsets.ts'
import { getService, putService } from '../../../../src/controlplane/store/services.ts'
import {
  deleteZone,
  getZoneHead,
  listAllZones,
  listZones,
  putZone,
} from '../../../../src/controlplane/store/zones.ts'
import { member, pool, put, refused, rrset, type Suite, service, soa, zone } from './samples.ts'

export const zonesSuite: Suite = async (t, database) => {
  const head = (apex: string) => database.read((tx) => getZoneHead(tx, apex))
  const all = async (apex: string) =>
    (await database.read((tx) => listRrsets(tx, apex, { limit: 100 }))).items

  await t.test('create, read, replace, delete', async (t) => {
    const first = zone('example.test', rrset('@', 'NS', 'ns1.example.test.'), rrset('www', 'A', '192.0.2.1'))
    const created = await database.write('ann', (write) => putZone(write, first, { ifNoneMatch: '*' }))
    t.match(created.result, { created: true, changed: true, revision: created.revision })
    const stored = await head('example.test')
    t.match(stored, { value: { apex: 'example.test', soa, ttlSeconds: 300 }, revision: created.revision })
    t.same(
      (await all('example.test')).map(({ value }) => value),
      first.rrsets,
    )

    const second = zone(
      'example.test',
      rrset('@', 'NS', 'ns1.example.test.'),
      rrset('www', 'A', '192.0.2.2', '192.0.2.3'),
    )
    const replaced = await database.write('ann', (write) =>
      putZone(write, second, { ifMatch: created.revision }),
    )
    t.equal(replaced.revision, created.revision + 1)
    t.match(replaced.result, { created: false, changed: true })
    t.ok((await head('example.test'))!.value.serial > stored!.value.serial, 'the serial rises')
    t.match(
      (await all('example.test')).map(({ revision }) => revision),
      [created.revision, replaced.revision],
      'an RRset that stays keeps its revision',
    )

    const same = await database.write('ann', (write) => putZone(write, second, {}))
    t.match(same, { revision: replaced.revision, result: { changed: false, revision: replaced.revision } })
    t.equal(
      (await head('example.test'))!.revision,
      replaced.revision,
      'putting the same again changes nothing',
    )

    const ttl = await put(database, (write) => putZone(write, { ...second, ttlSeconds: 60 }, {}))
    t.equal(ttl.changed, true, 'the head alone may change')

    const audit = await database.read((tx) => listAudit(tx, { limit: 1 }))
    t.match(audit.items[0], {
      action: 'zone.put',
      key: 'example.test',
      actor: 'tester',
      before: { ttl: '5m' },
    })

    await put(database, (write) => deleteZone(write, 'example.test', { ifMatch: ttl.revision }))
    t.equal(await head('example.test'), null)
    t.equal(await database.read((tx) => countRrsets(tx, 'example.test')), 0)
  })

  await t.test('a put and a delete demand the state that the client read', async (t) => {
    const { revision } = await put(database, (write) => putZone(write, zone('example.test'), {}))
    const again = zone('example.test', rrset('a', 'TXT', '"x"'))
    await refused(
      t,
      'stale',
      put(database, (write) => putZone(write, again, { ifNoneMatch: '*' })),
    )
    await refused(
      t,
      'stale',
      put(database, (write) => putZone(write, again, { ifMatch: revision + 1 })),
    )
    await refused(
      t,
      'stale',
      put(database, (write) => putZone(write, zone('other.test'), { ifMatch: '*' })),
    )
    await refused(
      t,
      'stale',
      put(database, (write) => deleteZone(write, 'example.test', { ifMatch: revision + 1 })),
    )
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteZone(write, 'other.test', {})),
    )
    await put(database, (write) => putZone(write, again, { ifMatch: '*' }))
    await put(database, (write) => deleteZone(write, 'example.test', { ifMatch: '*' }))
  })

  await t.test('pages in byte order, whatever the locale', async (t) => {
    const apexes = ['a-b.test', 'a.test', 'ab.test', 'test', 'xn--a.test', 'z_.test']
    await put(database, async (write) => {
      for (const apex of apexes.toReversed()) await putZone(write, zone(apex), {})
    })
    const seen: string[] = []
    for (let cursor: string | null = null, first = true; first || cursor !== null; first = false) {
      const page = await database.read((tx) => listZones(tx, { limit: 2, cursor }))
      t.ok(page.items.length <= 2)
      seen.push(...page.items.map(({ value }) => value.apex))
      cursor = page.nextCursor
    }
    t.same(seen, apexes)
    t.same(
      (await database.read(listAllZones)).map(({ value }) => value.apex),
      apexes,
    )
    await refused(
      t,
      'invalid',
      database.read((tx) => listZones(tx, { limit: 2, cursor: 'nonsense' })),
    )
    await put(database, async (write) => {
      for (const apex of apexes) await deleteZone(write, apex, {})
    })
  })

  await t.test('what may not stand together', async (t) => {
    const cname = rrset('www', 'CNAME', 'x.test.')
    const beside = zone('example.test', rrset('www', 'TXT', '"x"'), cname)
    const error = await refused(
      t,
      'conflict',
      put(database, (write) => putZone(write, beside, {})),
    )
    t.match(error.problems, [{ path: 'rrsets[1]', message: /www CNAME: the name also has TXT/ }])
    const apex = zone('example.test', rrset('@', 'CNAME', 'x.test.'))
    t.match(
      (
        await refused(
          t,
          'conflict',
          put(database, (write) => putZone(write, apex, {})),
        )
      ).problems,
      [{ path: 'rrsets[0]', message: /the apex has SOA and NS/ }],
    )
    const twice = zone('example.test', rrset('www', 'A', '192.0.2.1'), rrset('www', 'A', '192.0.2.2'))
    t.match(
      (
        await refused(
          t,
          'invalid',
          put(database, (write) => putZone(write, twice, {})),
        )
      ).problems,
      [{ path: 'rrsets[1]' }],
    )
    t.equal(await head('example.test'), null, 'nothing is half-done')
  })

  await t.test('the database refuses what the edge should have', async (t) => {
    const bad = [
      zone('Example.test'),
      zone('example.test.'),
      { ...zone('example.test'), ttlSeconds: -1 },
      { ...zone('example.test'), soa: { ...soa, expireSeconds: 2 ** 31 } },
      zone('example.test', rrset('WWW', 'A', '192.0.2.1')),
      zone('example.test', rrset('www', 'a', '192.0.2.1')),
      zone('example.test', rrset('@', 'SOA', '...')),
      zone('example.test', rrset('www', 'A')),
      zone('example.test', { ...rrset('www', 'A', '192.0.2.1'), ttlSeconds: -1 }),
      zone('example.test', rrset('www', 'TXT', '"\0"')),
    ]
    for (const value of bad)
      await refused(
        t,
        'invalid',
        put(database, (write) => putZone(write, value, {})),
      )
    t.same(await database.read(listAllZones), [])
  })

  await t.test('services follow the longest match', async (t) => {
    const zoneOf = async (name: string) => (await database.read((tx) => getService(tx, name)))?.zone
    await put(database, async (write) => {
      await putPool(write, pool('web', [member('a', '192.0.2.1')]), {})
      await putZone(write, zone('example.test', rrset('sub', 'TXT', '"x"')), {})
      await putService(write, service('www.sub.example.test', ['web']), {})
      await putService(write, service('www.example.test', ['web']), {})
    })
    t.equal(await zoneOf('www.sub.example.test'), 'example.test')

    const taken = zone('sub.example.test', rrset('www', 'A', '192.0.2.9'))
    const error = await refused(
      t,
      'conflict',
      put(database, (write) => putZone(write, taken, {})),
    )
    t.match(error.problems, [{ path: 'rrsets[0]', message: /www.sub.example.test is a service/ }])

    const split = await database.write('ann', (write) => putZone(write, zone('sub.example.test'), {}))
    t.equal(await zoneOf('www.sub.example.test'), 'sub.example.test')
    t.equal(await zoneOf('www.example.test'), 'example.test')
    const feed = await database.read((tx) => changesSince(tx, split.revision - 1, 100))
    t.same(
      feed?.changes.map(({ kind, key }) => `${kind} ${key}`),
      ['service www.sub.example.test', 'zone example.test', 'zone sub.example.test'],
    )

    const orphans = await refused(
      t,
      'conflict',
      put(database, (write) => deleteZone(write, 'example.test', {})),
    )
    t.match(orphans.problems, [{ path: 'services["www.example.test"]' }])
    t.match(orphans.message, 'www.example.test')

    const occluded = zone('example.test', rrset('www.sub', 'A', '192.0.2.9'))
    await put(database, (write) => putZone(write, occluded, {}))
    await refused(
      t,
      'conflict',
      put(database, (write) => deleteZone(write, 'sub.example.test', {})),
    )
    await put(database, (write) => putZone(write, zone('example.test'), {}))
    await put(database, (write) => deleteZone(write, 'sub.example.test', {}))
    t.equal(await zoneOf('www.sub.example.test'), 'example.test')
  })

  await t.test('the root zone', async (t) => {
    await put(database, (write) => putZone(write, zone('.', rrset('@', 'NS', 'a.root.')), {}))
    await put(database, (write) => putService(write, service('anything', ['web']), {}))
    t.equal((await database.read((tx) => getService(tx, 'anything')))?.zone, '.')
    const taken = zone('.', rrset('anything', 'AAAA', '2001:db8::1'))
    await refused(
      t,
      'conflict',
      put(database, (write) => putZone(write, taken, {})),
    )
    await put(database, (write) => deleteZone(write, 'example.test', {}))
    t.equal(
      (await database.read((tx) => getService(tx, 'www.example.test')))?.zone,
      '.',
      'the root takes orphans',
    )
    await refused(
      t,
      'conflict',
      put(database, (write) => deleteZone(write, '.', {})),
    )
  })

  await t.test('a zone of 20,000 RRsets', async (t) => {
    const many = Array.from({ length: 20_000 }, (_, i) => rrset(`h${i}`, 'TXT', `"${i}"`))
    await put(database, (write) => putZone(write, zone('big.test', ...many), {}))
    t.equal(await database.read((tx) => countRrsets(tx, 'big.test')), 20_000)
    const fewer = many.slice(1).with(7, rrset('h8', 'TXT', '"changed"'))
    const { revision } = await put(database, (write) => putZone(write, zone('big.test', ...fewer), {}))
    t.equal((await database.read((tx) => getRrset(tx, 'big.test', 'h8', 'TXT')))?.revision, revision)
    t.ok((await database.read((tx) => getRrset(tx, 'big.test', 'h9', 'TXT')))!.revision < revision)
    const streamed = await database.read(async (tx) => {
      const owners: string[] = []
      for await (const batch of streamRrsets(tx, 'big.test', 1_000)) {
        t.ok(batch.length <= 1_000)
        owners.push(...batch.map(({ owner }) => owner))
      }
      return owners
    })
    t.same(streamed, fewer.map(({ owner }) => owner).sort())
    const audit = await database.read((tx) => listAudit(tx, { limit: 1 }))
    t.match(audit.items[0]?.after, {
      status: { rrsets: { changed: 2, put: ['h8 TXT'], deleted: ['h0 TXT'] } },
    })
  })
}
