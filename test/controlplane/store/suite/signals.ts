/** Signals as they are stored: where they stand, what raises the serial of that zone, and what is left for later while others write it. */
import { plainSigning } from '../../../../src/controlplane/model/dnssec.ts'
import { deleteRrset, packedAt, putRrset, streamPacked } from '../../../../src/controlplane/store/rrsets.ts'
import {
  endSignals,
  listSignals,
  overdueSignals,
  signallingZones,
} from '../../../../src/controlplane/store/signals.ts'
import { endSigning, getSigning, putSigning } from '../../../../src/controlplane/store/signing.ts'
import { lockZones } from '../../../../src/controlplane/store/zone-lock.ts'
import { deleteZone, getZoneHead, putZone } from '../../../../src/controlplane/store/zones.ts'
import { put, refused, rrset, type Suite, zone } from './samples.ts'

export const signalsSuite: Suite = async (t, database) => {
  const host = 'host.test'
  const child = 'a.example'
  const owner = `_dsboot.${child}._signal.ns1`
  const ns = (...servers: string[]) => rrset('@', 'NS', ...servers)
  const signed = (apex: string, ...servers: string[]) => ({
    ...zone(apex, ns(...servers)),
    dnssec: plainSigning,
  })
  const signals = () => database.read((tx) => listSignals(tx, child))
  const zonesOf = async () => (await signals()).map(({ zone }) => zone)
  const serial = async () => (await database.read((tx) => getZoneHead(tx, host)))!.value.serial
  const types = async () => {
    const text = await database.read((tx) => packedAt(tx, host, [owner]))
    return (JSON.parse(text) as [string, string][]).map(([at, type]) => `${at} ${type}`).sort()
  }
  const both = [`${owner} CDNSKEY`, `${owner} CDS`]

  await t.test('they stand among the RRsets of the zone of the server', async (t) => {
    await put(database, (write) => putZone(write, signed(host, 'ns1.host.test.'), {}))
    const before = await serial()
    await put(database, (write) => putZone(write, signed(child, 'ns1.host.test.'), {}))
    t.same(await signals(), [
      { server: 'ns1.host.test', name: `${owner}.${host}`, zone: host, obstacle: null },
    ])
    t.same(await types(), both)
    t.ok((await serial()) > before)
    const rows = await database.read(async (tx) => {
      const found: string[] = []
      // Fewer at a time than there are, so that they are read in several turns.
      for await (const batch of streamPacked(tx, null, 1))
        for (const { apex, text } of batch)
          for (const [at, type] of JSON.parse(text) as [string, string][]) found.push(`${apex} ${at} ${type}`)
      return found
    })
    t.same(rows, [`${child} @ NS`, `${host} @ NS`, `${host} ${owner} CDNSKEY`, `${host} ${owner} CDS`])
  })

  await t.test('what has nothing to do with them raises no serial', async (t) => {
    const before = await serial()
    await put(database, (write) => putRrset(write, child, rrset('www', 'A', '192.0.2.1'), {}))
    await put(database, (write) => putRrset(write, child, rrset('alias', 'CNAME', 'www.a.example.'), {}))
    await put(database, (write) => putZone(write, signed('other.example', 'ns1.other.test.'), {}))
    t.equal(await serial(), before)
  })

  await t.test('what would hide one is refused, what hides none is not', async (t) => {
    const hides = (write: Parameters<typeof putRrset>[0]) =>
      putRrset(write, host, rrset('_signal.ns1', 'NS', 'x.test.'), {})
    t.match(
      (await refused(t, 'conflict', put(database, hides))).message,
      /RFC 9615.*zone a\.example say bootstrap: false/,
    )
    await put(database, (write) => putRrset(write, host, rrset('_signal.ns2', 'NS', 'x.test.'), {}))
    await put(database, (write) => putRrset(write, child, rrset('@', 'NS', 'ns2.host.test.'), {}))
    t.match(await signals(), [{ server: 'ns2.host.test', zone: null, obstacle: 'taken' }])
    t.same(await types(), [])
    await put(database, (write) => deleteRrset(write, host, '_signal.ns2', 'NS', {}))
    t.same(await zonesOf(), [host])
    await put(database, (write) => putRrset(write, child, rrset('@', 'NS', 'ns1.host.test.'), {}))
    t.same(await types(), both)
  })

  await t.test('they end when the parent has a DS, and come again when asked for', async (t) => {
    t.same(
      (await database.read(signallingZones)).map(({ apex }) => apex),
      [child],
    )
    await put(database, (write) => endSignals(write, child))
    t.same(await types(), [])
    t.type((await database.read((tx) => getSigning(tx, child)))!.value.bootstrappedAt, Date)
    t.same(await database.read(overdueSignals), [])
    const off = { ...plainSigning, bootstrap: false }
    await put(database, (write) => putSigning(write, child, off, {}))
    t.same(await types(), [])
    await put(database, (write) => putSigning(write, child, plainSigning, {}))
    t.same(await types(), both)
    await put(database, (write) => endSigning(write, child, {}))
    t.same(await signals(), [])
    await put(database, (write) => putSigning(write, child, plainSigning, {}))
    t.same(await types(), both)
  })

  if (database.kind === 'postgres') {
    await t.test('an import that ends while others write that zone leaves it for later', async (t) => {
      const held = Promise.withResolvers<void>()
      const locked = Promise.withResolvers<void>()
      const others = database.writeStaged(
        'test',
        async (tx) => {
          await lockZones(tx, [host])
          locked.resolve()
          await held.promise
        },
        async () => undefined,
        'at-once',
      )
      await locked.promise
      await database.writeStaged(
        'test',
        (tx) => lockZones(tx, [child]),
        (write) => deleteZone(write, child, {}),
        'at-once',
      )
      t.same(await types(), both)
      t.same(await database.read(overdueSignals), [child])
      t.same(await database.read((tx) => overdueSignals(tx, child)), [], 'behind it there is none')
      held.resolve()
      await others
      await put(database, async (write) => write.concernsSignals({ child }))
      t.same(await types(), [])
      t.same(await database.read(overdueSignals), [])
    })
  }
}
