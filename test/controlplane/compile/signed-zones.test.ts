/** Signed zones in the compile thread, over days, by a clock in the hands of the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CatalogZone } from '../../../src/controlplane/catalog/catalog.ts'
import { SignedZones } from '../../../src/controlplane/compile/signed-zones.ts'
import { type CompileJob, ZoneImages } from '../../../src/controlplane/compile/zone-images.ts'
import { readOrMakeKeyFile } from '../../../src/controlplane/dnssec/key-file.ts'
import { makeKeyParts, sealKey } from '../../../src/controlplane/dnssec/zone-key.ts'
import { allDuties, plainSigning } from '../../../src/controlplane/model/dnssec.ts'
import { headerAt, zoneFlags } from '../../../src/dataplane/image/image.ts'

const day = 86_400
const apex = 'example.test'
const rows = JSON.stringify([
  ['@', 'NS', null, ['ns1.example.test.']],
  ['www', 'A', null, ['192.0.2.1']],
])

async function signing(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-signed-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const keyFile = { path: join(folder, 'dnssec.key'), mayBeMade: true }
  const sealed = sealKey(readOrMakeKeyFile(keyFile), apex, makeKeyParts(13))
  const key = { ...sealed, duties: allDuties }
  const time = { seconds: 1_800_000_000 }
  const images = new ZoneImages(undefined, new SignedZones(keyFile, () => time.seconds))
  const zoneOf = (serial: number): CatalogZone => ({
    apex,
    serial,
    ttlSeconds: 300,
    dnssec: plainSigning,
    keys: [key],
    soa: {
      mname: 'ns1.example.test.',
      rname: 'hostmaster.example.test.',
      fixedSerial: null,
      refreshSeconds: 3600,
      retrySeconds: 600,
      expireSeconds: 1_209_600,
      minimumSeconds: 60,
    },
  })
  const order = (jobs: readonly CompileJob[]) => ({ revision: 1, stamp: null, jobs, gone: [] })
  return {
    images,
    time,
    keyFile,
    whole: (serial = 1) => {
      images.begin(order([{ zone: zoneOf(serial), services: [], edit: null }]))
      images.add([{ apex, text: rows }])
      return images.finish()
    },
    edit: (serial: number, owners: string[] = [], text = '[]') =>
      images.edit(order([{ zone: zoneOf(serial), services: [], edit: { owners, text } }])),
  }
}

const isBroken = (image: SharedArrayBuffer) => new Int32Array(image)[headerAt.flags] === zoneFlags.broken

t.test('an edit signs what changed; a week later all is signed anew', async (t) => {
  const { whole, edit, time } = await signing(t)
  const first = whole()
  // SOA, NS, DNSKEY, CDS, CDNSKEY, A, and two NSECs.
  t.match(first, { bad: [], kept: [], signed: [{ apex, made: 8, signatures: 8, trouble: null }] })
  t.match(edit(1), { signed: [{ made: 0 }] })
  t.match(edit(2), { signed: [{ made: 1 }] }, 'the serial')
  const added = edit(3, ['new'], JSON.stringify([['new', 'A', null, ['192.0.2.2']]]))
  // The SOA, the RRset, its NSEC and that of the apex, which is before it.
  t.match(added, { signed: [{ made: 4, signatures: 10 }] })
  time.seconds += 8 * day
  t.match(edit(4), { signed: [{ made: 10 }] })
})

t.test(
  'without the key file: as it was signed, then SERVFAIL, never unsigned; with it, all of it again',
  async (t) => {
    const { images, whole, edit, time, keyFile } = await signing(t)
    whole()
    const without = new ZoneImages(
      undefined,
      new SignedZones({ ...keyFile, path: `${keyFile.path}.no` }, () => time.seconds),
    )
    without.restore(images.held.values())
    without.signed.restore(apex, images.signed.books.get(apex)!)
    const zone = images.held.get(apex)!.zone
    const again = (serial: number) => {
      const job = { zone: { ...zone, serial }, services: [], edit: { owners: [], text: '[]' } }
      return without.edit({ revision: 2, stamp: null, jobs: [job], gone: [] })
    }
    time.seconds += 12 * day
    const served = again(1)
    t.match(served, { kept: [], signed: [{ made: 0, trouble: /there is no key file/ }] })
    t.notOk(isBroken(served.images[0]![1]))
    const kept = again(2)
    t.match(kept, {
      images: [],
      kept: [apex],
      bad: [{ message: /SOA can't be signed: key \d+ of zone example\.test can't be opened/ }],
    })
    time.seconds += 3 * day
    t.match(again(3), { images: [], missing: [apex] }, 'what it has is behind')
    without.begin({ revision: 3, stamp: null, jobs: [{ zone, services: [], edit: null }], gone: [] })
    without.add([{ apex, text: rows }])
    const ended = without.finish()
    t.ok(isBroken(ended.images[0]![1]), 'nothing is good any more')
    t.equal(without.held.get(apex)?.image, served.images[0]![1], 'what there was is kept')
    const back = edit(4)
    t.match(back, { bad: [], signed: [{ made: 8, trouble: null }] })
    t.notOk(isBroken(back.images[0]![1]))
  },
)

t.test('a zone that could never be signed is broken, not left out', async (t) => {
  const { whole, keyFile } = await signing(t)
  await rm(keyFile.path)
  const compiled = whole()
  t.ok(isBroken(compiled.images[0]![1]))
  t.match(compiled, { bad: [{ apex, message: /there is no key file/ }], signed: [{ signatures: 0 }] })
})
