/** Rollovers as they are stored: what becomes of keys, of the zone and of its serial, at each step. */

import { sql } from '../../../../schema/drizzle.ts'
import {
  beginRollover,
  moveRollover,
  type RolloverEvent,
} from '../../../../src/controlplane/dnssec/rollover-machine.ts'
import { keyFlags, plainSigning } from '../../../../src/controlplane/model/dnssec.ts'
import { listAudit } from '../../../../src/controlplane/store/audit.ts'
import { readActiveKeys } from '../../../../src/controlplane/store/dnssec-keys.ts'
import { beat, leave } from '../../../../src/controlplane/store/fleet.ts'
import {
  changeRollover,
  openRollovers,
  startRollover,
  type WantedRollover,
} from '../../../../src/controlplane/store/rollovers.ts'
import {
  endSigning,
  getSigning,
  ownParentRecords,
  putSigning,
} from '../../../../src/controlplane/store/signing.ts'
import { deleteZone, getZoneHead, putZone } from '../../../../src/controlplane/store/zones.ts'
import { put, refused, rrset, type Suite, zone } from './samples.ts'

export const rolloversSuite: Suite = async (t, database) => {
  const apex = 'example.test'
  const state = async () => (await database.read((tx) => getSigning(tx, apex)))!.value
  const keys = async () =>
    (await state()).keys.map(({ role, algorithm, state }) => `${role} ${algorithm} ${state}`).sort()
  const serial = async () => (await database.read((tx) => getZoneHead(tx, apex)))!.value.serial
  const begin = (wanted: Partial<WantedRollover> = {}) =>
    put(database, (write) => startRollover(write, apex, { goal: 'keys', ...wanted }, {}, beginRollover))
  /** @param laterMs how much later than it is */
  const send = (event: RolloverEvent, laterMs = 0, seen: number | null = null) =>
    put(database, (write) =>
      changeRollover(write, apex, seen, ({ rollover, signing, cachedUntil, nowMs }) =>
        moveRollover(rollover, event, { ...signing, cachedUntil }, Math.round(nowMs) + laterMs),
      ),
    )
  const week = 7 * 86_400_000
  const pass = async () => {
    await send({ kind: 'served' })
    return await send({ kind: 'due' }, week)
  }
  const parentDone = () => send({ kind: 'parent', isDone: true, ttlSeconds: 60 })
  const step = async () => (await state()).rollover?.rollover.step ?? null
  const duties = async () => {
    const served = (await database.read((tx) => readActiveKeys(tx, [apex]))).get(apex)!
    return served.map(({ flags, duties }) => ({ flags, ...duties }))
  }
  await put(database, (write) => putZone(write, zone(apex, rrset('@', 'NS', 'ns1.example.test.')), {}))

  await t.test('only what is signed, and once', async (t) => {
    t.match((await refused(t, 'conflict', begin())).message, /is not signed/)
    await put(database, (write) => putSigning(write, apex, plainSigning, {}))
    t.match((await refused(t, 'conflict', begin({ role: 'zsk' }))).message, /has no zsk: its keys are csk/)
    t.equal(await send({ kind: 'cancel' }), null)
  })

  await t.test('a CSK, step by step; each step is a revision and a serial', async (t) => {
    await begin()
    t.same(await keys(), ['csk 13 incoming', 'csk 13 outgoing'])
    t.match((await refused(t, 'conflict', begin())).message, /has a rollover under way/)
    const [out, comes] = await duties()
    t.match(out, { published: true, signsKeys: true, signsZone: true, atParent: true })
    t.match(comes, { published: true, signsKeys: true, signsZone: false, atParent: false })
    const before = await serial()
    const { rollover } = (await state()).rollover!
    await send({ kind: 'served' })
    t.equal(await serial(), before, 'that its time counts changes nothing that is served')
    t.equal(
      await send({ kind: 'due' }, week, rollover.revision - 1),
      null,
      'what is of another step does nothing',
    )
    await send({ kind: 'due' }, week, rollover.revision)
    t.equal(await step(), 'parent')
    t.ok((await serial()) > before)
    t.equal(await send({ kind: 'due' }, week, rollover.revision), null, 'another node has taken it')
    const disable = put(database, (write) => endSigning(write, apex, {}))
    t.match(
      (await refused(t, 'conflict', disable)).message,
      /a rollover of its keys is under way, in step parent/,
    )
    await parentDone()
    t.match(await database.read((tx) => openRollovers(tx, null)), [
      { rollover: { apex, step: 'ds-out', parentTtlSeconds: 60, countedFrom: Number } },
    ])
    await send({ kind: 'due' }, week)
    t.equal(await step(), 'switch')
    const news = await pass()
    t.match(news, { to: 'done', after: null, endsSigning: false })
    t.same(await keys(), ['csk 13 active', 'csk 13 retired'])
    t.equal((await state()).rollover, null)
    t.match(await duties(), [{ published: true, signsKeys: true, signsZone: true, atParent: true }])
  })

  await t.test(
    'another algorithm: the zone says so from the beginning, and no more when it goes back',
    async (t) => {
      await begin({ algorithm: 15 })
      t.equal((await state()).dnssec?.algorithm, 15)
      t.match((await duties())[1], { published: false, signsZone: true })
      await pass()
      await pass()
      t.equal(await step(), 'parent')
      const write = put(database, (write) => putSigning(write, apex, plainSigning, {}))
      t.match((await refused(t, 'conflict', write)).message, /"pooldns dnssec roll example\.test" takes it/)
      await send({ kind: 'cancel' })
      t.match((await refused(t, 'conflict', send({ kind: 'cancel' }))).message, /goes back already/)
      await parentDone()
      await send({ kind: 'due' }, week)
      t.equal(await step(), 'unpublish')
      t.match(await pass(), { to: 'cancelled' })
      t.equal((await state()).dnssec?.algorithm, 13)
      t.same(await keys(), ['csk 13 active', 'csk 13 retired', 'csk 15 retired'])
    },
  )

  await t.test('a CSK for a KSK and a ZSK, then each by itself', async (t) => {
    await begin({ keys: 'split' })
    t.equal((await state()).dnssec?.keys, 'split')
    await pass()
    await parentDone()
    await send({ kind: 'due' }, week)
    await pass()
    const active = async () => (await keys()).filter((each) => each.endsWith('active'))
    t.same(await active(), ['ksk 13 active', 'zsk 13 active'])
    t.same((await duties()).map(({ flags }) => flags).sort(), [keyFlags.zsk, keyFlags.ksk])
    await begin({ role: 'zsk' })
    t.same(await active(), ['ksk 13 active'])
    await pass()
    t.equal(await step(), 'switch', 'the parent is not asked for a ZSK')
    t.match((await refused(t, 'conflict', send({ kind: 'cancel' }))).message, /on their way out/)
    await pass()
    await begin({ role: 'ksk' })
    await send({ kind: 'cancel' })
    t.same(await active(), ['ksk 13 active', 'zsk 13 active'])
    t.match(
      (await refused(t, 'conflict', begin({ role: 'ksk', algorithm: 15 }))).message,
      /with all keys at once/,
    )
  })

  await t.test('retired keys are not kept without end', async (t) => {
    for (let i = 0; i < 12; i++) {
      await begin({ role: 'zsk' })
      await send({ kind: 'cancel' })
    }
    const all = await keys()
    t.ok(all.length <= 11, `${all.length} keys`)
    t.ok(all.includes('ksk 13 active') && all.includes('zsk 13 active'))
  })

  await t.test('TTLs that were greater before are waited for', async (t) => {
    await put(database, (write) =>
      putSigning(write, apex, { ...plainSigning, keys: 'split', maxTtlSeconds: 60 }, {}),
    )
    await begin({ role: 'zsk' })
    const [open] = await database.read((tx) => openRollovers(tx, apex))
    const left = open!.cachedUntil - open!.nowMs
    t.ok(left > 3 * 86_400_000 && left < 3.1 * 86_400_000)
    await send({ kind: 'cancel' })
  })

  await t.test('to no signature at all', async (t) => {
    await begin({ goal: 'unsigned' })
    t.ok((await duties()).every(({ atParent }) => !atParent))
    await parentDone()
    const news = await put(database, async (write) => {
      const found = await changeRollover(write, apex, null, ({ rollover, signing, cachedUntil, nowMs }) =>
        moveRollover(rollover, { kind: 'due' }, { ...signing, cachedUntil }, nowMs + week),
      )
      await write.settled()
      if (found?.endsSigning) await endSigning(write, apex, {})
      return found
    })
    t.match(news, { to: 'done', endsSigning: true })
    t.equal((await state()).dnssec, null)
    t.ok((await keys()).every((each) => each.endsWith('retired')))
  })

  await t.test('force ends it, and so does the end of the zone', async (t) => {
    await put(database, (write) => putSigning(write, apex, { ...plainSigning, keys: 'split' }, {}))
    await begin({ role: 'ksk' })
    await put(database, (write) => endSigning(write, apex, {}, true))
    t.equal((await state()).rollover, null)
    await put(database, (write) => putSigning(write, apex, { ...plainSigning, keys: 'split' }, {}))
    await begin()
    await put(database, (write) => deleteZone(write, apex, {}))
    t.same(await database.read((tx) => openRollovers(tx, null)), [])
  })

  await t.test('a parent that is ours says what it has', async (t) => {
    t.equal(await database.read((tx) => ownParentRecords(tx, apex)), null)
    const ds = rrset('example', 'DS', `1 13 2 ${'AB'.repeat(32)}`)
    await put(database, (write) =>
      putZone(write, zone('test', rrset('@', 'NS', 'ns.test.'), rrset('example', 'NS', 'ns.test.'), ds), {}),
    )
    const found = await database.read((tx) => ownParentRecords(tx, apex))
    t.equal(found?.apex, 'test')
    t.same(
      found?.records.map(({ length }) => length),
      [36],
    )
    t.type(found?.ttlSeconds, 'number')
  })

  await t.test('all of it is in the audit log, and no key', async (t) => {
    const { items } = await database.read((tx) => listAudit(tx, { limit: 500 }))
    const told = JSON.stringify(items)
    t.match(told, '"action":"dnssec.roll"')
    t.notMatch(told, /v1:/)
  })

  await t.test('nothing begins while a node is silent that may answer as before', async (t) => {
    const beats = async (leases: Record<string, number>, secondsAgo: number) => {
      const node = {
        id: 'far',
        name: 'far away',
        version: '1',
        startedAt: new Date(),
        revision: 1,
        suspect: false,
      }
      await database.record((tx) => beat(tx, { ...node, verdicts: null, leases }))
      await database.record((tx) =>
        tx.execute(sql`update nodes set seen_at = seen_at - ${secondsAgo} * interval '1 second'`),
      )
    }
    await put(database, (write) => putZone(write, zone(apex, rrset('@', 'NS', 'ns1.example.test.')), {}))
    await put(database, (write) => putSigning(write, apex, plainSigning, {}))
    await beats({}, 3_600)
    const { message } = await refused(t, 'conflict', begin())
    t.match(
      message,
      /^zone example\.test can't have its keys rolled over now: server far away has been silent since 20/,
    )
    t.match(message, /"pooldns forget-node far"/)
    const foreignKeys = [`256 3 13 ${Buffer.alloc(64, 1).toString('base64')}`]
    const list = () => put(database, (write) => putSigning(write, apex, { ...plainSigning, foreignKeys }, {}))
    t.match((await refused(t, 'conflict', list())).message, /can't have other foreignKeys now/)
    const fresh = 'fresh.test'
    await put(database, (write) => putZone(write, zone(fresh, rrset('@', 'NS', 'ns1.example.test.')), {}))
    const sign = () => put(database, (write) => putSigning(write, fresh, plainSigning, {}))
    t.match((await refused(t, 'conflict', sign())).message, /zone fresh\.test can't be signed now/)
    await put(database, (write) =>
      putSigning(write, apex, { ...plainSigning, propagationSeconds: 3_599 }, {}),
    )
    await put(database, (write) => putSigning(write, apex, plainSigning, {}))

    await beats({ [apex]: 60_000 }, 3_600)
    t.equal((await state()).rollover, null)
    await begin()
    await send({ kind: 'cancel' })
    // Its lease is on one zone alone.
    await refused(t, 'conflict', sign())
    await beats({}, 0)
    await sign()
    await put(database, (write) => deleteZone(write, fresh, {}))
    await database.record((tx) => leave(tx, 'far'))
  })
}
