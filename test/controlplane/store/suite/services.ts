import { deletePool, putPool } from '../../../../src/controlplane/store/pools.ts'
import {
  deleteService,
  getService,
  listAllServices,
  listServices,
  putService,
} from '../../../../src/controlplane/store/services.ts'
import { putZone } from '../../../../src/controlplane/store/zones.ts'
import { poolChoice } from '../../model/defaults.ts'
import { member, pool, put, refused, rrset, type Suite, service, zone } from './samples.ts'

export const servicesSuite: Suite = async (t, database) => {
  await put(database, async (write) => {
    await putZone(
      write,
      zone('example.test', rrset('host', 'A', '192.0.2.1'), rrset('mail', 'MX', '1 x.test.')),
      {},
    )
    for (const name of ['eu', 'us', 'sorry']) await putPool(write, pool(name, [member('a', '192.0.2.1')]), {})
  })
  const www = service('www.example.test', ['us', 'eu'], { whenAllDown: 'fallback', fallback: 'sorry' })

  await t.test('create, read, replace, delete', async (t) => {
    const { revision } = await put(database, (write) => putService(write, www, { ifNoneMatch: '*' }))
    t.same(await database.read((tx) => getService(tx, www.name)), {
      value: www,
      zone: 'example.test',
      revision,
    })
    t.match(await put(database, (write) => putService(write, www, {})), { changed: false, revision })
    const next = { ...www, choices: [poolChoice('eu')] }
    await refused(
      t,
      'stale',
      put(database, (write) => putService(write, next, { ifMatch: revision + 9 })),
    )
    t.match(await put(database, (write) => putService(write, next, { ifMatch: revision })), {
      created: false,
    })
    t.same((await database.read((tx) => getService(tx, www.name)))?.value, next)
    await put(database, (write) => putService(write, service('mail.example.test', ['eu']), {}))
    await put(database, (write) => putService(write, service('example.test', ['us']), {}))
    const page = await database.read((tx) => listServices(tx, { limit: 2 }))
    const rest = await database.read((tx) => listServices(tx, { limit: 2, cursor: page.nextCursor }))
    const names = [...page.items, ...rest.items].map(({ value }) => value.name)
    t.same(names, ['example.test', 'mail.example.test', 'www.example.test'])
    t.same(
      (await database.read(listAllServices)).map(({ value }) => value.name),
      names,
    )
    await put(database, (write) => deleteService(write, 'mail.example.test', {}))
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteService(write, 'mail.example.test', {})),
    )
  })

  await t.test('a service is refused for what it names and for where it stands', async (t) => {
    const refuse = (code: 'invalid' | 'conflict', value: typeof www) =>
      refused(
        t,
        code,
        put(database, (write) => putService(write, value, {})),
      )
    t.match((await refuse('invalid', service('www.elsewhere.test', ['eu']))).problems, [{ path: '' }])
    t.match((await refuse('invalid', service('notexample.test', ['eu']))).problems, [{ path: '' }])
    t.match((await refuse('invalid', service('a.example.test', ['eu', 'nope']))).problems, [
      { path: 'pools[1]' },
    ])
    t.match((await refuse('invalid', service('a.example.test', []))).problems, [{ path: 'pools' }])
    const noSuch = service('a.example.test', ['eu'], { whenAllDown: 'fallback', fallback: 'nope' })
    t.match((await refuse('invalid', noSuch)).problems, [{ path: 'fallback' }])
    t.match((await refuse('conflict', service('host.example.test', ['eu']))).problems, [
      { message: /^host.example.test is a service, .* can't have A there/ },
    ])
    await refuse('conflict', service('a.example.test', ['eu', 'eu']))
    await refuse('invalid', service('a.example.test', ['eu'], { fallback: 'us' }))
    await refuse('invalid', service('a.example.test', ['eu'], { ttlSeconds: -1 }))
    await refuse('invalid', service('a.example.test', ['eu'], { steer: 'magic' as 'failover' }))
    t.equal(await database.read((tx) => getService(tx, 'a.example.test')), null)
  })

  await t.test('a pool in use stays', async (t) => {
    for (const [name, user] of [
      ['eu', 'www.example.test'],
      ['us', 'example.test'],
      ['sorry', 'www.example.test'],
    ] as const) {
      const error = await refused(
        t,
        'conflict',
        put(database, (write) => deletePool(write, name, {})),
      )
      t.match(error.problems, [{ path: `services["${user}"]` }])
      t.match(error.message, user)
    }
  })
}
