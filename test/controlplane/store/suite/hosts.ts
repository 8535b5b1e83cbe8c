import type { Member } from '../../../../src/controlplane/model/pool.ts'
import type { Write } from '../../../../src/controlplane/store/database.ts'
import { loadHealth, saveHealth } from '../../../../src/controlplane/store/health.ts'
import { getMember, putMember } from '../../../../src/controlplane/store/members.ts'
import { deletePool, getPool, putPool } from '../../../../src/controlplane/store/pools.ts'
import { putRrset } from '../../../../src/controlplane/store/rrsets.ts'
import { deleteService, putService } from '../../../../src/controlplane/store/services.ts'
import { deleteZone, putZone } from '../../../../src/controlplane/store/zones.ts'
import { hostMember, member, pool, put, refused, rrset, type Suite, service, zone } from './samples.ts'

const since = new Date('2026-01-02T03:04:05.678Z')

export const hostsSuite: Suite = async (t, database) => {
  await t.test('members that are hosts', async (t) => {
    const lb = hostMember('lb', 'lb.provider.example.', { weight: 7, probePort: 81 })
    const value = pool('hosted', [lb, member('a', '192.0.2.60')])
    const { revision } = await put(database, (write) => putPool(write, value, {}))
    t.same(await database.read((tx) => getPool(tx, 'hosted')), {
      value,
      revision,
      written: null,
      owner: null,
    })
    t.match(await put(database, (write) => putPool(write, value, {})), { changed: false, revision })
    t.same(await database.read((tx) => getMember(tx, 'hosted', 'lb')), { value: lb, revision, written: null })

    await database.record((tx) =>
      saveHealth(tx, [{ pool: 'hosted', member: 'lb', state: 'up', since, reason: 'status 200' }]),
    )
    const health = async () => (await database.read(loadHealth)).filter((one) => one.pool === 'hosted').length
    await put(database, (write) => putMember(write, 'hosted', { ...lb, weight: 8 }, {}))
    t.equal(await health(), 1)
    await put(database, (write) => putMember(write, 'hosted', hostMember('lb', 'lb2.provider.example.'), {}))
    t.equal(await health(), 0, 'another host has not been measured')
    // An address becomes a host, and the host an address, in one step.
    const swapped = [member('lb', '192.0.2.60'), hostMember('a', 'lb2.provider.example.')]
    await put(database, (write) => putPool(write, pool('hosted', swapped), {}))
    t.same((await database.read((tx) => getPool(tx, 'hosted')))?.value.members, swapped)

    const twice = hostMember('b', 'lb2.provider.example.')
    await refused(
      t,
      'conflict',
      put(database, (write) => putMember(write, 'hosted', twice, {})),
    )
    for (const bad of [
      hostMember('b', 'no-final-dot.example'),
      hostMember('b', 'Upper.example.'),
      hostMember('b', '.'),
      { ...hostMember('b', 'x.example.'), address: '192.0.2.61' } as unknown as Member,
      { ...hostMember('b', 'x.example.'), host: null } as unknown as Member,
    ]) {
      await refused(
        t,
        'invalid',
        put(database, (write) => putMember(write, 'hosted', bad, {})),
      )
    }
  })

  await t.test('a CNAME in the place of a pool stands alone', async (t) => {
    const lb = hostMember('lb', 'lb.provider.example.')
    const cname = pool('alias', [lb], { hosts: 'cname' })
    const text = rrset('www', 'TXT', '"x"')
    const of = (name: string, pools = ['alias']) => service(name, pools)
    const fails = async (work: (write: Write) => Promise<unknown>, message: RegExp) => {
      const { message: text } = await refused(
        t,
        'conflict',
        put(database, (write) => work(write)),
      )
      t.match(text, message)
    }
    await put(database, async (write) => {
      await putPool(write, cname, {})
      await putPool(write, pool('plain', [lb]), {})
      await putZone(write, zone('alias.test', text), {})
    })
    t.match((await database.read((tx) => getPool(tx, 'alias')))?.value, cname)
    const inAlias = await refused(
      t,
      'invalid',
      put(database, (write) => putMember(write, 'alias', member('a', '192.0.2.1'), {})),
    )
    t.match(inAlias.problems, [{ path: 'address', message: /only members with a host/ }])

    const atApex = /apex of zone alias\.test/
    const besideText = /beside the TXT that zone alias\.test has/
    await fails((write) => putService(write, of('alias.test'), {}), atApex)
    await fails((write) => putService(write, of('alias.test', ['plain', 'alias']), {}), atApex)
    const fallback = service('alias.test', ['plain'], { whenAllDown: 'fallback', fallback: 'alias' })
    await fails((write) => putService(write, fallback, {}), atApex)
    await fails((write) => putService(write, of('www.alias.test'), {}), besideText)

    await put(database, (write) => putService(write, of('alias.test', ['plain']), {}))
    const plainToo = pool('plain', [lb], { hosts: 'cname' })
    await fails((write) => putPool(write, plainToo, {}), atApex)
    await put(database, (write) => deleteService(write, 'alias.test', {}))

    await put(database, (write) => putService(write, of('a.b.alias.test'), {}))
    await fails((write) => putRrset(write, 'alias.test', rrset('a.b', 'TXT', '"x"'), {}), besideText)
    await fails((write) => putZone(write, zone('alias.test', rrset('a.b', 'TXT', '"x"')), {}), besideText)
    await fails((write) => putZone(write, zone('a.b.alias.test'), {}), /apex of zone a\.b\.alias\.test/)
    await put(database, (write) => putRrset(write, 'alias.test', rrset('c.a.b', 'TXT', '"x"'), {}))

    // What is beside the name in the zone around is in the way when the zone between goes.
    await put(database, async (write) => {
      await putZone(write, zone('b.alias.test'), {})
      await putRrset(write, 'alias.test', rrset('a.b', 'TXT', '"x"'), {})
    })
    await fails((write) => deleteZone(write, 'b.alias.test', {}), besideText)
    await put(database, async (write) => {
      await deleteService(write, 'a.b.alias.test', {})
      await deleteZone(write, 'b.alias.test', {})
      await deleteZone(write, 'alias.test', {})
      for (const name of ['alias', 'plain']) await deletePool(write, name, {})
    })
  })
}
