import type { Rrset } from '../../../../src/controlplane/model/zone.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import {
  deleteRrset,
  getRrset,
  listRrsets,
  packedAt,
  putRrset,
  streamPacked,
  streamRrsets,
} from '../../../../src/controlplane/store/rrsets.ts'
import { deleteService, putService } from '../../../../src/controlplane/store/services.ts'
import { deleteZone, getZoneHead, putZone } from '../../../../src/controlplane/store/zones.ts'
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
    t.same(await database.read((tx) => getRrset(tx, apex, 'www', 'A')), {
      value,
      revision: created.revision,
      written: null,
    })
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

  await t.test('nothing is below a DNAME', async (t) => {
    const tryPut = (owner: string, type: string, data: string) =>
      put(database, (write) => putRrset(write, apex, rrset(owner, type, data), {}))
    const refusedFor = async (owner: string, type: string, data: string, message: RegExp) => {
      const error = await refused(t, 'conflict', tryPut(owner, type, data))
      t.match(error.problems?.[0], { message }, `${owner} ${type}`)
    }
    await tryPut('a.b.moved', 'TXT', '"x"')
    await refusedFor('moved', 'DNAME', 'x.test.', /a.b.moved TXT: (b.)?moved has a DNAME/)
    await refusedFor('b.moved', 'DNAME', 'x.test.', /a.b.moved TXT: (b.)?moved has a DNAME/)
    await refusedFor('@', 'DNAME', 'x.test.', /@ has a DNAME, below which nothing can be/)
    await put(database, (write) => deleteRrset(write, apex, 'a.b.moved', 'TXT', {}))
    // One label that ends in ".moved", and another name that ends in the same letters.
    await tryPut('a\\.moved', 'TXT', '"x"')
    await tryPut('unmoved', 'TXT', '"x"')
    await tryPut('moved', 'DNAME', 'x.test.')
    await tryPut('moved', 'A', '192.0.2.1')
    await tryPut('moved', 'DNAME', 'y.test.')
    await refusedFor('a.moved', 'A', '192.0.2.1', /moved has a DNAME/)
    await refusedFor('a.b.moved', 'DNAME', 'x.test.', /moved has a DNAME/)
    await refusedFor('moved', 'NS', 'x.test.', /belongs to the zone below/)
    for (const owner of ['moved', 'unmoved', 'a\\.moved']) {
      const type = owner === 'moved' ? 'DNAME' : 'TXT'
      await put(database, (write) => deleteRrset(write, apex, owner, type, {}))
    }
    await tryPut('moved', 'NS', 'x.test.')
    await refusedFor('moved', 'DNAME', 'x.test.', /belongs to the zone below/)
    await put(database, (write) => deleteRrset(write, apex, 'moved', 'NS', {}))
    await put(database, (write) => deleteRrset(write, apex, 'moved', 'A', {}))
  })

  await t.test('no service is below a DNAME', async (t) => {
    const dname = rrset('moved', 'DNAME', 'x.test.')
    const ns = rrset('@', 'NS', 'ns1.example.test.')
    const tryZone = (name: string, ...rrsets: Rrset[]) =>
      put(database, (write) => putZone(write, zone(name, ...rrsets), {}))
    const tryService = (name: string) =>
      put(database, (write) => putService(write, service(name, ['web']), {}))
    await tryZone('below.test', ns, dname)
    const late = await refused(t, 'conflict', tryService('a.b.moved.below.test'))
    t.match(late.problems?.[0], {
      path: '',
      message: /^a.b.moved.below.test is a service below the DNAME at moved.below.test/,
    })
    await tryService('moved.below.test')
    await tryZone('below.test', ns)
    await tryService('a.moved.below.test')
    const early = await refused(t, 'conflict', tryZone('below.test', ns, dname))
    t.match(early.problems?.[0], { path: 'rrsets[1]', message: /a.moved.below.test is a service/ })
    const one = put(database, (write) => putRrset(write, 'below.test', dname, {}))
    t.match((await refused(t, 'conflict', one)).problems?.[0], { message: /a.moved.below.test is a service/ })
    // A zone of its own takes the service out of the way, and can't be deleted while the DNAME stands.
    await tryZone('a.moved.below.test', ns)
    await tryZone('below.test', ns, dname)
    const handedOver = put(database, (write) => deleteZone(write, 'a.moved.below.test', {}))
    await refused(t, 'conflict', handedOver)
    for (const name of ['a.moved.below.test', 'moved.below.test']) {
      await put(database, (write) => deleteService(write, name, {}))
    }
    for (const name of ['a.moved.below.test', 'below.test']) {
      await put(database, (write) => deleteZone(write, name, {}))
    }
  })

  await t.test('no service is at a zone cut or below', async (t) => {
    const top = rrset('@', 'NS', 'ns1.example.test.')
    const cut = rrset('sub', 'NS', 'ns1.example.test.')
    const tryZone = (name: string, ...rrsets: Rrset[]) =>
      put(database, (write) => putZone(write, zone(name, ...rrsets), {}))
    const tryService = (name: string) =>
      put(database, (write) => putService(write, service(name, ['web']), {}))
    const names = ['sub.cut.test', 'a.sub.cut.test', '*.sub.cut.test', 'a.b.sub.cut.test']
    await tryZone('cut.test', top, cut)
    for (const name of names) {
      const late = await refused(t, 'conflict', tryService(name))
      t.match(late.problems, [
        { path: '', message: `${name} is a service at or below the NS of sub.cut.test, and whoever asks` },
      ])
    }
    for (const name of ['cut.test', '*.cut.test', 'notsub.cut.test']) {
      await tryService(name)
      await put(database, (write) => deleteService(write, name, {}))
    }
    for (const name of names) {
      await tryZone('cut.test', top)
      await tryService(name)
      const early = await refused(t, 'conflict', tryZone('cut.test', top, cut))
      t.match(early.problems?.[0], { path: 'rrsets[1]', message: /is a service at or below the NS/ })
      const one = put(database, (write) => putRrset(write, 'cut.test', cut, {}))
      t.match((await refused(t, 'conflict', one)).problems?.[0], {
        path: '',
        message: `${name} is a service`,
      })
      await put(database, (write) => deleteService(write, name, {}))
    }
    // With a zone of its own below the cut, the service is answered by that, which then can't be deleted.
    await tryZone('cut.test', top, cut)
    await tryZone('sub.cut.test', top)
    await tryService('a.sub.cut.test')
    await refused(
      t,
      'conflict',
      put(database, (write) => deleteZone(write, 'sub.cut.test', {})),
    )
    const around = put(database, (write) => putRrset(write, 'sub.cut.test', rrset('a', 'NS', 'ns.x.'), {}))
    await refused(t, 'conflict', around)
    await put(database, (write) => putRrset(write, 'cut.test', rrset('more', 'NS', 'ns.x.'), {}))
    await put(database, (write) => deleteService(write, 'a.sub.cut.test', {}))
    for (const name of ['sub.cut.test', 'cut.test']) {
      await put(database, (write) => deleteZone(write, name, {}))
    }
  })

  await t.test('types of DNSSEC may stand beside a CNAME', async (t) => {
    const tryPut = (type: string, data: string) =>
      put(database, (write) => putRrset(write, apex, rrset('alias', type, data), {}))
    await tryPut('NSEC', 'b.test. CNAME')
    await tryPut('RRSIG', 'CNAME 13 3 60 20300101000000 20200101000000 1 example.test. AAAA')
    await tryPut('CNAME', 'x.test.')
    await refused(t, 'conflict', tryPut('TYPE65280', '\\# 0'))
    for (const type of ['NSEC', 'RRSIG']) {
      await put(database, (write) => deleteRrset(write, apex, 'alias', type, {}))
    }
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

    const interleaved = await database.read(async (tx) => {
      const [one, other] = [streamRrsets(tx, apex, 2), streamRrsets(tx, apex, 4)]
      await one.next()
      const ofOther = (await other.next()).value!.length
      const ofOne = (await one.next()).value!.map(({ type }: { type: string }) => type)
      await Promise.all([one.return(undefined), other.return(undefined)])
      const { rows } = await tx.execute('select name from pg_cursors')
      return { ofOne, ofOther, left: rows.length }
    })
    t.same(interleaved, { ofOne: ['NS', 'CNAME'], ofOther: 4, left: 0 }, 'two of one transaction')
    await t.rejects(
      database.read(async (tx) => {
        for await (const _ of streamRrsets(tx, apex, 2)) await tx.execute('select 1 / 0')
      }),
      { cause: { message: /division by zero/ } },
      'a failure in between is what is told, and not that of the cursor',
    )
  })

  await t.test('packed, for whoever compiles', async (t) => {
    const other = 'other.test'
    await put(database, (write) => putZone(write, zone(other, rrset('a', 'TXT', '"1"', '"2"')), {}))
    const packed = async (apexes: string | null, batch: number) =>
      (await database.read((tx) => collect(streamPacked(tx, apexes, batch))))
        .flat()
        .map(({ apex, text }) => [apex, JSON.parse(text) as unknown[]] as const)
    const whole = await packed(apex, 100)
    t.same(whole.length, 1)
    for (const batch of [1, 2, 3, 5, 7]) {
      const parts = await packed(apex, batch)
      t.ok(parts.every(([name]) => name === apex))
      t.same(
        parts.flatMap(([, rows]) => rows),
        whole[0]![1],
        `${batch} at a time`,
      )
    }
    t.match(whole[0]![1]![0], ['*', 'A', null, ['192.0.2.1']])
    t.same(await packed('no.test', 3), [])
    t.same(await packed(other, 3), [[other, [['a', 'TXT', null, ['"1"', '"2"']]]]])
    t.same(await packed(null, 4), [
      [apex, whole[0]![1].slice(0, 4)],
      [apex, whole[0]![1].slice(4)],
      [other, [['a', 'TXT', null, ['"1"', '"2"']]]],
    ])
    const at = async (owners: readonly string[]) =>
      JSON.parse(await database.read((tx) => packedAt(tx, apex, owners)))
    t.same((await at(['@', 'svc', 'none'])).map(([owner, type]: string[]) => `${owner} ${type}`).sort(), [
      '@ MX',
      '@ NS',
      'svc TXT',
    ])
    t.same(await at(['none']), [])
  })
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}
