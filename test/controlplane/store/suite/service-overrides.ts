import { sql } from '../../../../schema/drizzle.ts'
import type { ServiceOverride } from '../../../../src/controlplane/model/override.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { changesSince } from '../../../../src/controlplane/store/changes.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { currentRevision } from '../../../../src/controlplane/store/revision.ts'
import {
  deleteServiceOverride,
  expireServiceOverrides,
  getServiceOverride,
  putServiceOverride,
  serviceOverridesOf,
} from '../../../../src/controlplane/store/service-overrides.ts'
import {
  deleteService,
  getService,
  listAllServices,
  putService,
} from '../../../../src/controlplane/store/services.ts'
import { putZone } from '../../../../src/controlplane/store/zones.ts'
import { member, pool, put, refused, type Suite, service, zone } from './samples.ts'

const now = new Date('2026-05-01T12:00:00Z')
const name = 'eu.example.test'
const word: ServiceOverride = {
  service: name,
  state: 'drain',
  until: null,
  reason: 'racks',
  actor: 'ann',
  since: now,
}

export const serviceOverridesSuite: Suite = async (t, database) => {
  await put(database, async (write) => {
    await putZone(write, zone('example.test'), {})
    await putPool(write, pool('eu', [member('a', '192.0.2.1')]), {})
    await putService(write, service(name, ['eu']), {})
    await putService(write, service('www.example.test', ['eu']), {})
  })
  const read = () => database.read((tx) => getServiceOverride(tx, name))
  const set = (change: Partial<ServiceOverride> = {}) =>
    put(database, (write) => putServiceOverride(write, { ...word, ...change }))

  await t.test('set, replaced and deleted: a change of the service, which is what it was', async (t) => {
    const before = await database.read(currentRevision)
    const { revision } = (await database.read((tx) => getService(tx, name)))!
    t.equal(await set(), null)
    t.same(await read(), word)
    t.match(await database.read((tx) => getService(tx, name)), { revision, override: word })
    t.match((await database.read((tx) => changesSince(tx, before, 10)))?.changes, [
      { kind: 'service', key: name },
    ])
    t.same(await set({ state: 'up' }), word)
    t.match((await database.read((tx) => listAudit(tx, { limit: 1 }))).items, [
      { action: 'service-override.put', key: name, before: { state: 'drain' }, after: { state: 'up' } },
    ])
    await put(database, (write) => putService(write, service(name, ['eu'], { ttlSeconds: 7 }), {}))
    t.match(await read(), { state: 'up' }, 'another configuration leaves it')
    t.match(await put(database, (write) => deleteServiceOverride(write, name)), { state: 'up' })
    t.equal(await read(), null)
    await refused(
      t,
      'not-found',
      put(database, (write) => deleteServiceOverride(write, name)),
    )
    await refused(t, 'not-found', set({ service: 'no.example.test' }))
  })

  await t.test('it ends at its time, and with its service', async (t) => {
    await set({ until: now })
    await put(database, (write) => putServiceOverride(write, { ...word, service: 'www.example.test' }))
    const standing = await database.read((tx) => serviceOverridesOf(tx, [name, 'www.example.test'], now))
    t.same([...standing.keys()], ['www.example.test'])
    t.match(await put(database, (write) => expireServiceOverrides(write, now)), [{ service: name }])
    t.equal(await read(), null)
    await put(database, (write) => deleteService(write, 'www.example.test', {}))
    await put(database, (write) => putService(write, service('www.example.test', ['eu']), {}))
    const after = await database.read((tx) => serviceOverridesOf(tx, ['www.example.test'], now))
    t.equal(after.size, 0)
  })

  await t.test('what nobody can read is told, left out, and replaced', async (t) => {
    const spoil = (text: string) =>
      database.record((tx) =>
        tx.execute(sql`update services set override = ${text}::jsonb where name = ${name}`),
      )
    for (const text of [
      '{}',
      '{"state": "evil", "reason": "", "actor": "", "since": "2026-05-01T12:00:00Z"}',
      '{"state": "up", "until": "soon", "actor": "a", "since": "2026-05-01T12:00:00Z"}',
    ]) {
      await spoil(text)
      const told: string[] = []
      const all = await database.read((tx) => listAllServices(tx, (message) => told.push(message)))
      t.match(
        all.find(({ value }) => value.name === name),
        { override: null },
        text,
      )
      t.match(told, [new RegExp(`override of service ${name}.*can't be read`)])
    }
    t.same(await put(database, (write) => expireServiceOverrides(write, now)), [])
    await t.rejects(spoil('[]'), 'the table takes objects alone')
    await set()
    t.same(await read(), word)
    await put(database, (write) => deleteServiceOverride(write, name))
  })
}
