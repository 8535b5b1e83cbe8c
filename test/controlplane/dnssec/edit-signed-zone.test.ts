/** An edit of a signed zone comes to what signing the whole zone anew comes to, octet for octet: Ed25519 signs alike. */
import { createPublicKey, verify } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { CatalogZone } from '../../../src/controlplane/catalog/catalog.ts'
import { SignedZones } from '../../../src/controlplane/compile/signed-zones.ts'
import { ZoneImages } from '../../../src/controlplane/compile/zone-images.ts'
import { nsec3Owner } from '../../../src/controlplane/dnssec/hashed-chain-edit.ts'
import { type KeyFile, readOrMakeKeyFile } from '../../../src/controlplane/dnssec/key-file.ts'
import { signatureTimes } from '../../../src/controlplane/dnssec/rrset-signer.ts'
import { makeKeyParts, openKey, privateKeyOf, sealKey } from '../../../src/controlplane/dnssec/zone-key.ts'
import {
  allDuties,
  type Denial,
  denials,
  plainSigning,
  type SealedKey,
} from '../../../src/controlplane/model/dnssec.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { nameOf, rdataOf, ttlOf } from '../../../src/dataplane/image/image-contents.ts'
import { canonicalRdata, sortRdata } from '../../../src/dataplane/wire/canonical.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { formatName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata, typeName } from '../../../src/dataplane/wire/rdata.ts'
import { contentsOf } from '../../support/image-contents.ts'

const apex = 'example.test'
const start = 1_800_000_000
type Row = readonly [owner: string, type: string, ttlSeconds: number | null, data: readonly string[]]
/** What a zone has, by owner. */
type Rows = ReadonlyMap<string, readonly Row[]>

interface Signing {
  readonly keyFile: KeyFile
  readonly key: SealedKey
  readonly time: { seconds: number }
  readonly denial: Denial
}

async function signing(t: Test, denial: Denial = 'nsec'): Promise<Signing> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-edit-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const keyFile = { path: join(folder, 'dnssec.key'), mayBeMade: true }
  const key = sealKey(readOrMakeKeyFile(keyFile), apex, makeKeyParts(15))
  return { keyFile, key, time: { seconds: start }, denial }
}

const zoneOf = ({ key, denial }: Signing, serial: number, minimumSeconds = 60): CatalogZone => ({
  apex,
  serial,
  ttlSeconds: 300,
  dnssec: { ...plainSigning, algorithm: 15, ...(denial === 'nsec3' ? { denial } : {}) },
  keys: [{ ...key, duties: allDuties }],
  soa: {
    mname: 'ns1.example.test.',
    rname: 'hostmaster.example.test.',
    fixedSerial: null,
    refreshSeconds: 3600,
    retrySeconds: 600,
    expireSeconds: 1_209_600,
    minimumSeconds,
  },
})

/** Services by the labels of their names below the apex, `@` for the apex. */
type Services = readonly string[]

const order = (
  zone: CatalogZone,
  services: Services,
  edit: { owners: readonly string[]; text: string } | null,
) => ({
  revision: zone.serial,
  stamp: null,
  jobs: [
    {
      zone,
      services: services.map((name, slot) => ({ name: name === '@' ? apex : `${name}.${apex}`, slot })),
      edit,
    },
  ],
  gone: [],
})

class SignedZone {
  readonly #images: ZoneImages

  constructor({ keyFile, time }: Signing) {
    this.#images = new ZoneImages(undefined, new SignedZones(keyFile, () => time.seconds))
  }

  whole(zone: CatalogZone, rows: Rows, services: Services = []) {
    this.#images.begin(order(zone, services, null))
    this.#images.add([{ apex, text: JSON.stringify([...rows.values()].flat()) }])
    return this.#images.finish()
  }

  edit(zone: CatalogZone, rows: Rows, owners: readonly string[], services: Services = []) {
    const text = JSON.stringify(owners.flatMap((owner) => rows.get(owner) ?? []))
    return this.#images.edit(order(zone, services, { owners, text }))
  }

  get image(): ZoneImage {
    return new ZoneImage(this.#images.held.get(apex)!.image as SharedArrayBuffer)
  }

  /** Ids and signatures, in an order. */
  get book(): string[] {
    const octets = Buffer.from(this.#images.signed.books.get(apex)!.format().subarray(8))
    return Array.from({ length: octets.length / 104 }, (_, i) =>
      octets.toString('hex', 104 * i, 104 * (i + 1)),
    ).sort()
  }
}

function* rrsetsOf(image: ZoneImage): Generator<readonly [node: number, rrset: number]> {
  for (let node = 0; node < image.nodeCount; node++) {
    const end = image.firstRrset(node) + image.rrsetCount(node)
    for (let rrset = image.firstRrset(node); rrset < end; rrset++) yield [node, rrset]
  }
}

/** What in an image has a signature that does not fit, or one that is to be made anew. */
function unfit(image: ZoneImage, { keyFile, key, time }: Signing): string[] {
  const parts = openKey(readOrMakeKeyFile(keyFile), apex, key)
  const publicKey = createPublicKey(privateKeyOf(parts))
  const found: string[] = []
  const hashed = Array.from(
    { length: image.isHashed ? image.chainLength : 0 },
    (_, place) => [0, image.firstHashed + place] as const,
  )
  for (const [node, rrset] of [...rrsetsOf(image), ...hashed]) {
    if (image.signatureCount(rrset) === 0) continue
    const isHashed = image.isHashed && rrset >= image.firstHashed
    const owner = isHashed ? nsec3Owner(image, rrset) : nameOf(image, node)
    const type = image.type(rrset)
    const ttl = ttlOf(image, rrset)
    const rrs = sortRdata(rdataOf(image, node, rrset).map((octets) => canonicalRdata(type, octets))).map(
      (rdata) => {
        const fixed = Buffer.alloc(10)
        fixed.writeUInt16BE(type)
        fixed.writeUInt16BE(1, 2)
        fixed.writeUInt32BE(ttl, 4)
        fixed.writeUInt16BE(rdata.length, 8)
        return Buffer.concat([owner, fixed, rdata])
      },
    )
    const from = image.wire(rrset) + image.wireLength(rrset)
    const rrsig = Buffer.from(image.bytes.slice(from + 12, from + image.signatureLength(rrset)))
    const fits = verify(null, Buffer.concat([rrsig.subarray(0, -64), ...rrs]), publicKey, rrsig.subarray(-64))
    const isDue = rrsig.readUInt32BE(8) - time.seconds <= signatureTimes.renewSeconds
    if (!fits || isDue) found.push(`${formatName(owner)} ${typeName(type)} ${fits ? 'is due' : 'is wrong'}`)
  }
  return found
}

const owners = [
  'a',
  'b',
  '*',
  'x.a',
  '*.x.a',
  'y.x.a',
  'deep.down.b',
  'c',
  'ns.c',
  'z.ns.c',
  'd',
  'x.d',
  '\\000.a',
]
const data: Readonly<Record<string, readonly string[]>> = {
  A: ['192.0.2.1', '192.0.2.2'],
  TXT: ['"x"', '"y"'],
  MX: ['10 a.example.test.', '20 ns.c.example.test.', '10 elsewhere.test.'],
  NS: ['ns.c.example.test.', 'ns.elsewhere.test.'],
  DS: [`1 13 2 ${'ab'.repeat(32)}`],
  DNAME: ['b.example.test.', 'elsewhere.test.'],
  HTTPS: ['1 A.example.test. alpn=h2'],
}

const rrsetIn = fc
  .constantFrom(...Object.keys(data))
  .chain((type) =>
    fc
      .tuple(fc.subarray([...data[type]!], { minLength: 1 }), fc.constantFrom(null, 7, 900_000))
      .map(([values, ttl]) => ({ type, ttl, values: type === 'DNAME' ? values.slice(0, 1) : values })),
  )
const ownerIn = (owner: string) =>
  fc
    .uniqueArray(rrsetIn, { maxLength: 3, selector: ({ type }) => type })
    .map((rrsets): Row[] => [
      ...(owner === '@' ? [['@', 'NS', null, ['ns.elsewhere.test.']] as const] : []),
      ...rrsets
        .filter(({ type }) => owner !== '@' || type !== 'NS')
        .map(({ type, ttl, values }) => [owner, type, ttl, values] as const),
    ])
const someOwners = (minLength: number) =>
  fc
    .subarray(['@', ...owners], { minLength, maxLength: 6 })
    .chain((chosen) => fc.tuple(...chosen.map((owner) => fc.tuple(fc.constant(owner), ownerIn(owner)))))

const someServices = fc.subarray(['@', 'a', '*.x.a', 'c', 'x.d', 'svc', 'in.ent', 'z.ns.c'])
const someEdit = fc.record({ edit: someOwners(0), services: someServices })

for (const denial of denials)
  t.test(`${denial}: edits come to what the whole zone comes to`, async (t) => {
    const with15 = await signing(t, denial)
    const edits = fc.array(someEdit, { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(someOwners(3), someServices, edits, (first, services, edits) => {
        let rows: Rows = new Map([['@', [['@', 'NS', null, ['ns.elsewhere.test.']] as const]], ...first])
        const edited = new SignedZone(with15)
        edited.whole(zoneOf(with15, 1), rows, services)
        for (const [index, { edit, services }] of edits.entries()) {
          rows = new Map([...rows, ...edit])
          const zone = zoneOf(with15, index + 2)
          const after = edited.edit(
            zone,
            rows,
            edit.map(([owner]) => owner),
            services,
          )
          const anew = new SignedZone(with15)
          const whole = anew.whole(zone, rows, services)
          t.same(after.kept, [])
          t.same(contentsOf(edited.image), contentsOf(anew.image))
          t.same(edited.book, anew.book)
          t.same({ ...after.signed[0], made: 0 }, { ...whole.signed[0], made: 0 })
        }
        t.same(unfit(edited.image, with15), [])
        return t.passing()
      }),
      { numRuns: 100 },
    )
  })

/** Rows of many names. */
function manyRows(count: number): Rows {
  const rows = Array.from({ length: count }, (_, i): readonly [string, Row[]] => [
    `h${i}`,
    [[`h${i}`, 'A', null, ['192.0.2.1']]],
  ])
  return new Map([['@', [['@', 'NS', null, ['ns.elsewhere.test.']] as const]], ...rows])
}

for (const denial of denials)
  t.test(
    `${denial}: what has to be made anew is, an edit of names waiting for no more than some`,
    async (t) => {
      const with15 = await signing(t, denial)
      const zone = new SignedZone(with15)
      const rows = manyRows(800)
      const first = zone.whole(zoneOf(with15, 1), rows)
      const { renewAt, signatures } = first.signed[0]!
      t.match(zone.edit(zoneOf(with15, 2), rows, []), { signed: [{ made: 1 }] })
      with15.time.seconds = renewAt + 3600
      const someDue = unfit(zone.image, with15).length
      t.ok(someDue > 0 && someDue < signatures / 2, `${someDue}`)
      const renewed = zone.edit(zoneOf(with15, 3), rows, [])
      t.ok(renewed.signed[0]!.made >= someDue && renewed.signed[0]!.made <= someDue + 1)
      t.same(unfit(zone.image, with15), [])
      t.equal(renewed.signed[0]!.signatures, signatures)

      with15.time.seconds += 8 * 86_400
      const beside = zone.edit(zoneOf(with15, 4), rows, ['h7'])
      t.ok(beside.signed[0]!.made >= 1000 && beside.signed[0]!.made < 1010, `${beside.signed[0]!.made}`)
      zone.edit(zoneOf(with15, 5), rows, [])
      t.same(unfit(zone.image, with15), [])
      with15.time.seconds -= 20 * 86_400
      t.match(zone.edit(zoneOf(with15, 6), rows, []), { signed: [{ made: signatures }] }, 'a clock set back')
    },
  )

t.test('a service has its NSECs from an edit on, in their order after renewals too', async (t) => {
  const with15 = await signing(t)
  const zone = new SignedZone(with15)
  const rows = manyRows(20)
  zone.whole(zoneOf(with15, 1), rows)
  with15.time.seconds += 3 * 86_400
  const before = zone.edit(zoneOf(with15, 2), rows, []).signed[0]!.signatures
  // The SOA, four NSECs of h3 (the fifth is the one that it had) and five of the new name, before which one is another.
  const named = zone.edit(zoneOf(with15, 3), rows, [], ['h3', 'new']).signed[0]!
  t.match(named, { made: 1 + 4 + 5 + 1, signatures: before + 4 + 5 })
  const order = () => {
    const { image } = zone
    const own = [...rrsetsOf(image)].filter(
      ([node, rrset]) =>
        formatName(nameOf(image, node)).startsWith('h3.') && image.type(rrset) === types.nsec,
    )
    return own.map(([node, rrset]) =>
      formatRdata(types.nsec, rdataOf(image, node, rrset)[0]!)
        .split(' ')
        .slice(1)
        .join(' '),
    )
  }
  t.same(order(), [
    'A CNAME AAAA RRSIG NSEC',
    'A AAAA RRSIG NSEC',
    'AAAA RRSIG NSEC',
    'A RRSIG NSEC',
    'RRSIG NSEC',
  ])
  const shown = order()
  for (let day = 4; day < 12; day++) {
    with15.time.seconds += 86_400
    zone.edit(zoneOf(with15, day), rows, [], ['h3', 'new'])
    t.same(order(), shown)
    t.same(unfit(zone.image, with15), [])
  }
  t.match(zone.edit(zoneOf(with15, 13), rows, []).signed, [{ signatures: before }])
})

t.test('the whole zone is signed where the chain has another TTL, or keys are others', async (t) => {
  const with15 = await signing(t)
  const zone = new SignedZone(with15)
  const rows = manyRows(20)
  const { signatures } = zone.whole(zoneOf(with15, 1), rows).signed[0]!
  // The SOA and all NSECs.
  t.match(zone.edit(zoneOf(with15, 2, 90), rows, []), { signed: [{ made: 22 }] })
  const key = sealKey(readOrMakeKeyFile(with15.keyFile), apex, makeKeyParts(15))
  const other = { ...with15, key }
  t.match(zone.edit(zoneOf(other, 3, 90), rows, ['h3']), { signed: [{ made: signatures, signatures }] })
  t.same(unfit(zone.image, other), [])
})

t.test('names go over to hashes, and back, at once', async (t) => {
  const by = await signing(t)
  const hashed = { ...by, denial: 'nsec3' } as const
  const zone = new SignedZone(by)
  const rows = manyRows(20)
  const { signatures } = zone.whole(zoneOf(by, 1), rows).signed[0]!
  // The SOA, the chain, and NSEC3PARAM.
  t.match(zone.edit(zoneOf(hashed, 2), rows, []), {
    signed: [{ made: 1 + 21 + 1, signatures: signatures + 1 }],
  })
  t.equal(zone.image.isHashed, true)
  t.match(zone.edit(zoneOf(hashed, 3), rows, []), { signed: [{ made: 1 }] })
  t.same(unfit(zone.image, by), [])
  t.match(zone.edit(zoneOf(by, 4), rows, []), { signed: [{ made: 1 + 21, signatures }] })
  t.equal(zone.image.isHashed, false)
  t.same(unfit(zone.image, by), [])
})

t.test('without the key an edit fails, and what was signed stays as it is', async (t) => {
  const with15 = await signing(t)
  const zone = new SignedZone(with15)
  const rows = manyRows(20)
  zone.whole(zoneOf(with15, 1), rows)
  const { book } = zone
  const before = contentsOf(zone.image)
  // In the place of one that was opened. Of the last character some bits count for nothing.
  const sealed = with15.key.sealed.replace(/.(?=.{9}$)/, (octet) => (octet === 'A' ? 'B' : 'A'))
  const closed = { ...zoneOf(with15, 2), keys: [{ ...with15.key, duties: allDuties, sealed }] }
  const failed = zone.edit(closed, rows, ['h3'])
  t.match(failed, { kept: [apex], bad: [{ message: /can't be signed/ }] })
  t.same(zone.book, book)
  t.same(contentsOf(zone.image), before)
})
