import { putMember } from '../../../../src/controlplane/store/members.ts'
import { deletePool, putPool } from '../../../../src/controlplane/store/pools.ts'
import {
  deleteService,
  getService,
  listAllServices,
  listServices,
  putService,
} from '../../../../src/controlplane/store/services.ts'
import { putZone } from '../../../../src/controlplane/store/zones.ts'
import { poolChoice, serviceChoice } from '../../model/defaults.ts'
import { hostMember, member, pool, put, refused, rrset, type Suite, service, zone } from './samples.ts'

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
      override: null,
      revision,
      written: null,
      owner: null,
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

  await t.test('what no plan can hold is refused, whoever makes it so', async (t) => {
    // 16 addresses each, half of them of either family.
    const members = (count: number, net: number) =>
      Array.from({ length: count }, (_, index) => {
        const ipv4 = (nth: number) => `10.${net}.${index >> 4}.${(index & 15) * 16 + nth}`
        const ipv6 = (nth: number) => `2001:db8:${net}:${index.toString(16)}::${nth}`
        const more = Array.from({ length: 7 }, (_, nth) => [ipv4(nth + 1), ipv6(nth + 1)]).flat()
        return member(`m${index}`, ipv4(0), { moreAddresses: [...more, ipv6(0)] })
      })
    const names = Array.from({ length: 17 }, (_, index) => `wide-${index}`)
    const sizes = [...Array<number>(15).fill(512), 500, 12]
    const pools = names.map((name, index) => pool(name, members(sizes[index]!, index)))
    const write = (work: Parameters<typeof put>[1]) => put(database, work)
    await write(async (write) => {
      for (const each of pools) await putPool(write, each, {})
      await putPool(write, pool('alias', [hostMember('a', 'lb.example.')]), {})
    })
    const wide = service('wide.example.test', names, { steer: 'weighted' })
    t.match(await write((write) => putService(write, wide, {})), { created: true })
    const told = /service wide\.example\.test may have to be answered from 131088 addresses at once/
    const [one] = members(501, 15).slice(500)
    const larger = pool('wide-15', members(501, 15))
    const service2 = service('outer.example.test', [], {
      steer: 'weighted',
      choices: [serviceChoice('wide.example.test'), poolChoice('more')],
    })
    const most = pool('wide-0', [...members(512, 0), member('n', '192.0.2.1')])
    await write((write) => putPool(write, pool('more', members(1, 99)), {}))
    const tries: [what: string, message: RegExp, work: Parameters<typeof put>[1]][] = [
      ['a member', told, (write) => putMember(write, 'wide-15', one!, {})],
      ['a pool', told, (write) => putPool(write, larger, {})],
      [
        'a service',
        /service outer\.example\.test may have to be answered from 131088/,
        (write) => putService(write, service2, {}),
      ],
      [
        'a service that another one names',
        /service wide\.example\.test may have to be answered from 1310/,
        (write) => putService(write, { ...wide, choices: [...wide.choices, poolChoice('more')] }, {}),
      ],
      ['a pool of too many', /pool wide-0 has 4097 IPv4 addresses/, (write) => putPool(write, most, {})],
      [
        'its member',
        /pool wide-0 has 4097 IPv4/,
        (write) => putMember(write, 'wide-0', member('n', '192.0.2.1'), {}),
      ],
      [
        'a CNAME beside it',
        /pool wide-0 has 8192 addresses, where 4096 can be/,
        async (write) => {
          await putService(write, service('alias.example.test', ['wide-0', 'alias']), {})
          await putPool(write, pool('alias', [hostMember('a', 'lb.example.')], { hosts: 'cname' }), {})
        },
      ],
    ]
    for (const [what, message, work] of tries) {
      const { message: said } = await refused(t, 'conflict', put(database, work))
      t.match(said, message, what)
    }
    await write((write) => putService(write, { ...wide, steer: 'failover' }, {}))
    await write((write) => putMember(write, 'wide-15', one!, {}))
    await write(async (write) => {
      await deleteService(write, 'wide.example.test', {})
      for (const name of [...names, 'alias', 'more']) await deletePool(write, name, {})
    })
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
