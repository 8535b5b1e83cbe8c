import { sql } from '../../../../schema/drizzle.ts'
import { beginRollover, moveRollover } from '../../../../src/controlplane/dnssec/rollover-machine.ts'
import { makeKeyParts, sealKey } from '../../../../src/controlplane/dnssec/zone-key.ts'
import { type Denial, plainSigning, signingOf } from '../../../../src/controlplane/model/dnssec.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { importKey, readActiveKeys } from '../../../../src/controlplane/store/dnssec-keys.ts'
import { putPool } from '../../../../src/controlplane/store/pools.ts'
import { changeRollover, startRollover } from '../../../../src/controlplane/store/rollovers.ts'
import { putRrset } from '../../../../src/controlplane/store/rrsets.ts'
import { deleteService, putService } from '../../../../src/controlplane/store/services.ts'
import {
  endSigning,
  getSigning,
  ownParentDs,
  putSigning,
} from '../../../../src/controlplane/store/signing.ts'
import { lockZones } from '../../../../src/controlplane/store/zone-lock.ts'
import { deleteZone, getZoneHead, putZone, renewZones } from '../../../../src/controlplane/store/zones.ts'
import { member, pool, put, refused, rrset, type Suite, service, zone } from './samples.ts'

export const testSecret = Buffer.alloc(32, 5)

export const dnssecSuite: Suite = async (t, database) => {
  const apex = 'example.test'
  const plain = zone(apex, rrset('@', 'NS', 'ns1.example.test.'), rrset('www', 'A', '192.0.2.1'))
  const sign = (algorithm: 13 | 15) =>
    put(database, (write) => putSigning(write, apex, { ...plainSigning, algorithm }, {}))
  const state = async () => (await database.read((tx) => getSigning(tx, apex)))!.value
  const serial = async () => (await database.read((tx) => getZoneHead(tx, apex)))!.value.serial
  await put(database, (write) => putZone(write, plain, {}))

  await t.test('a zone is signed by a key that is made for it, once', async (t) => {
    const before = await serial()
    await sign(13)
    const { dnssec, keys } = await state()
    t.same(dnssec, plainSigning)
    t.match(keys, [{ algorithm: 13, flags: 257, state: 'active', sealed: /^v1:/ }])
    t.ok((await serial()) > before, 'its serial rises')
    t.match(await sign(13), { changed: false })
    t.same((await state()).keys, keys)
    const { sealed: _, since: __, state: ___, role: ____, ...shown } = keys[0]!
    t.match((await database.read((tx) => readActiveKeys(tx, null))).get(apex), [shown])
    const refusal = await refused(t, 'conflict', sign(15))
    t.match(refusal.message, /can't be signed with algorithm 15 and keys: csk in one step/)
  })

  await t.test('names go over to hashes, and back; nothing of it is left when it ends', async (t) => {
    const as = (denial: Denial) =>
      put(database, (write) => putSigning(write, apex, signingOf(13, denial), {}))
    const before = await serial()
    await as('nsec3')
    t.same((await state()).dnssec, signingOf(13, 'nsec3'))
    t.ok((await serial()) > before, 'its serial rises')
    t.match(await as('nsec3'), { changed: false })
    await as('nsec')
    t.same((await state()).dnssec, plainSigning)
    const label = 'l'.repeat(60)
    const long = zone(
      `${label}.${label}.${label}.${label.slice(0, 45)}`,
      rrset('@', 'NS', 'ns1.example.test.'),
    )
    await put(database, (write) => putZone(write, long, {}))
    const signing = (denial: Denial) =>
      put(database, (write) => putSigning(write, long.apex, signingOf(13, denial), {}))
    const refusal = await refused(t, 'conflict', signing('nsec3'))
    t.match(refusal.message, /can't be signed with nsec3: the hashes in the place of its names/)
    await put(database, (write) => deleteZone(write, long.apex, {}))
  })

  await t.test('keys of others are of the algorithm of the zone', async (t) => {
    const several = 'several.test'
    await put(database, (write) => putZone(write, { ...plain, apex: several, dnssec: plainSigning }, {}))
    const key = (algorithm: number) => `256 3 ${algorithm} ${Buffer.alloc(64, algorithm).toString('base64')}`
    const list = (...foreignKeys: string[]) =>
      put(database, (write) => putSigning(write, several, { ...plainSigning, foreignKeys }, {}))
    for (const keys of [[key(15)], [key(13), key(15)], [key(8)]])
      t.match(
        (await refused(t, 'conflict', list(...keys))).message,
        /can't list a key of algorithm (?:15|8) in foreignKeys/,
      )
    await list(key(13))
    const roll = (algorithm?: 15) =>
      put(database, (write) =>
        startRollover(write, several, { goal: 'keys', ...(algorithm && { algorithm }) }, {}, beginRollover),
      )
    t.match((await refused(t, 'conflict', roll(15))).message, /has keys of others in foreignKeys/)
    await list()
    await roll(15)
    const both = { ...plainSigning, algorithm: 15 as const }
    const listed = put(database, (write) =>
      putSigning(write, several, { ...both, foreignKeys: [key(15)] }, {}),
    )
    t.match((await refused(t, 'conflict', listed)).message, /goes from one algorithm to another/)
    await put(database, (write) =>
      changeRollover(write, several, null, ({ rollover, signing, cachedUntil, nowMs }) =>
        moveRollover(rollover, { kind: 'cancel' }, { ...signing, cachedUntil }, Math.round(nowMs)),
      ),
    )
    await put(database, (write) => endSigning(write, several, {}))
    await put(database, (write) => deleteZone(write, several, {}))
  })

  await t.test('nobody else writes what signing makes', async (t) => {
    const nsec = rrset('www', 'NSEC', 'www.example.test. A')
    for (const work of [
      () => put(database, (write) => putRrset(write, apex, nsec, {})),
      () =>
        put(database, (write) =>
          putZone(write, { ...plain, dnssec: plainSigning, rrsets: [...plain.rrsets, nsec] }, {}),
        ),
    ]) {
      const refusal = await refused(t, 'conflict', work())
      t.match(refusal.message, /www NSEC: the zone is signed here, and signing makes its RRSIG, NSEC/)
    }
  })

  await t.test('services may be in a signed zone, whichever comes first', async () => {
    await put(database, (write) => putPool(write, pool('web', [member('a', '192.0.2.9')]), {}))
    await put(database, (write) => putService(write, service('api.example.test', ['web']), {}))
    await put(database, (write) => putZone(write, zone('other.test'), {}))
    await put(database, (write) => putService(write, service('api.other.test', ['web']), {}))
    await put(database, (write) => putSigning(write, 'other.test', plainSigning, {}))
    for (const name of ['api.example.test', 'api.other.test'])
      await put(database, (write) => deleteService(write, name, {}))
  })

  await t.test('a write that leaves dnssec out does not have it signed no more', async (t) => {
    const refusal = await refused(
      t,
      'conflict',
      put(database, (write) => putZone(write, plain, {})),
    )
    t.match(refusal.message, /"pooldns dnssec disable example\.test" asks the parent first/)
    t.same((await state()).dnssec, plainSigning)
  })

  await t.test('a renewal raises the serial, once for all nodes', async (t) => {
    const now = new Date()
    const before = await serial()
    await put(database, (write) => renewZones(write, [apex, 'other.test', 'nothing.test'], now))
    const after = await serial()
    t.ok(after > before)
    await put(database, (write) => renewZones(write, [apex], new Date(now.getTime() + 60_000)))
    t.equal(await serial(), after, 'another node has had the same idea')
    await put(database, (write) => renewZones(write, [apex], new Date(now.getTime() + 3_600_000)))
    t.ok((await serial()) > after)
  })

  if (database.kind === 'postgres') {
    await t.test('a renewal waits for a zone that others write, and not with the lock of all', async (t) => {
      const before = await serial()
      const held = Promise.withResolvers<void>()
      const locked = Promise.withResolvers<void>()
      const others = database.writeStaged(
        'test',
        async (tx) => {
          await lockZones(tx, ['other.test'])
          locked.resolve()
          await held.promise
        },
        async () => undefined,
        'at-once',
      )
      await locked.promise
      const renewal = put(database, (write) =>
        renewZones(write, [apex, 'other.test'], new Date(Date.now() + 7_200_000)),
      )
      await put(database, (write) => putPool(write, pool('others', []), {}))
      t.equal(await serial(), before)
      held.resolve()
      await Promise.all([others, renewal])
      t.ok((await serial()) > before)
    })
  }

  await t.test('a key outlives the signing, and its zone', async (t) => {
    const [key] = (await state()).keys
    await put(database, (write) => endSigning(write, apex, {}))
    t.match(await state(), { dnssec: null, keys: [{ state: 'retired', publicKey: key!.publicKey }] })
    t.equal((await database.read((tx) => readActiveKeys(tx, [apex]))).size, 0)
    await sign(13)
    await put(database, (write) => deleteZone(write, apex, {}))
    t.equal((await database.read((tx) => readActiveKeys(tx, [apex]))).size, 0)
    await put(database, (write) => putZone(write, { ...plain, dnssec: plainSigning }, {}))
    t.match((await state()).keys, [{ state: 'active', publicKey: key!.publicKey }])
  })

  await t.test('a key that was imported signs', async (t) => {
    const made = makeKeyParts(15)
    const sealed = sealKey(testSecret, apex, made)
    const again = () => put(database, (write) => importKey(write, apex, sealed))
    t.match((await refused(t, 'conflict', again())).message, /is signed already/)
    await put(database, (write) => endSigning(write, apex, {}))
    await again()
    await again()
    await sign(15)
    t.match(
      (await state()).keys.filter(({ state }) => state === 'active'),
      [{ algorithm: 15, publicKey: sealed.publicKey }],
    )
    const { items } = await database.read((tx) => listAudit(tx, { limit: 100 }))
    const told = JSON.stringify(items)
    t.match(told, 'dnssec.import-key')
    t.notMatch(told, Buffer.from(made.privateKey).toString('base64'))
    t.notMatch(told, sealed.sealed)
  })

  await t.test('what is in the clear is nowhere in the database', async (t) => {
    const { rows } = await database.read((tx) =>
      tx.execute(sql`select row_to_json(k)::text as text from dnssec_keys k`),
    )
    t.ok(rows.length > 0)
    for (const { text } of rows) t.match(String(text), /"sealed":"v1:/)
  })

  await t.test('a zone of ours around it says whether it has a DS', async (t) => {
    const ds = `1 13 2 ${'AB'.repeat(32)}`
    t.equal(await database.read((tx) => ownParentDs(tx, 'sub.other.test')), 0)
    await put(database, (write) => putRrset(write, 'other.test', rrset('sub', 'NS', 'ns1.example.test.'), {}))
    await put(database, (write) => putRrset(write, 'other.test', rrset('sub', 'DS', ds), {}))
    t.equal(await database.read((tx) => ownParentDs(tx, 'sub.other.test')), 1)
    t.equal(await database.read((tx) => ownParentDs(tx, apex)), null)
  })
}
