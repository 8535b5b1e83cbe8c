/** Zones as they would be: what they answer, and that nothing of them is kept. */
import fc from 'fast-check'
import t from 'tap'
import type { CatalogZone } from '../../../src/controlplane/catalog/catalog.ts'
import { ImageRrsets } from '../../../src/controlplane/compile/image-rrsets.ts'
import { ZoneImages } from '../../../src/controlplane/compile/zone-images.ts'
import type { ZonePreview } from '../../../src/controlplane/compile/zone-preview.ts'
import { parseZone } from '../../../src/controlplane/document/zone.ts'
import type { Rrset } from '../../../src/controlplane/model/zone.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { NameScan } from '../../../src/dataplane/wire/name-scan.ts'

const apex = 'example.test'
const head = parseZone(apex, { soa: { mname: 'ns1.example.test.', rname: 'host.example.test.' } }, '', [])!
const zone: CatalogZone = { ...head, serial: 1 }

const rrset = (owner: string, type: string, ...data: string[]): Rrset => ({
  owner,
  type,
  ttlSeconds: null,
  data,
})
const textOf = ({ owner, type, ttlSeconds, data }: Rrset) =>
  `${owner} ${ttlSeconds} ${type} ${[...data].sort().join(' | ')}`
const textsOf = (image: SharedArrayBuffer) =>
  Array.from(new ImageRrsets(zone, new ZoneImage(image)).from(0), ({ rrset }) => textOf(rrset)).sort()

function holding(rrsets: readonly Rrset[]): { images: ZoneImages; image: SharedArrayBuffer } {
  const images = new ZoneImages()
  images.begin({ revision: 1, stamp: 's', jobs: [{ zone, services: [], edit: null }], gone: [] })
  const rows = rrsets.map(({ owner, type, ttlSeconds, data }) => [owner, type, ttlSeconds, data])
  images.add([{ apex, text: JSON.stringify(rows) }])
  const [[, image]] = images.finish().images as [readonly [string, SharedArrayBuffer]]
  return { images, image }
}

const previewed = (images: ZoneImages, preview: Partial<ZonePreview>) =>
  images.preview([{ zone, services: [], isThere: true, changed: [], gone: [], ...preview }])[0]![1]

const whole = [
  rrset('@', 'NS', 'ns1.example.test.'),
  rrset('www', 'A', '192.0.2.1', '192.0.2.2'),
  rrset('www', 'TXT', '"x"'),
  rrset('www', 'MX', '10 mail.example.test.'),
  rrset('alias', 'CNAME', 'www.example.test.'),
]

t.test('what changes and goes, beside what stays; the image that there is stays as it is', async (t) => {
  const { images, image } = holding(whole)
  const before = textsOf(image)
  const changed = [rrset('www', 'A', '192.0.2.3'), rrset('new.below', 'A', '192.0.2.4')]
  const gone = [rrset('www', 'TXT'), rrset('alias', 'CNAME'), rrset('none', 'A')]
  const after = previewed(images, { changed, gone })!
  t.same(textsOf(after), [whole[0]!, whole[3]!, ...changed].map(textOf).sort())
  t.same(textsOf(image), before)
  t.equal(images.held.get(apex)!.image, image)
  t.same(
    [...images.takeUnwritten().changed].map(({ revision }) => revision),
    [1],
  )
})

t.test('services lie where they would', async (t) => {
  const { images } = holding(whole)
  const after = new ZoneImage(
    previewed(images, { services: [{ name: 'lb.example.test', slot: 1_000_000_000 }] })!,
  )
  const name = new NameScan()
  const wire = hostnameToWire('lb.example.test')
  name.load(wire, 0, wire.length)
  t.equal(after.service(after.find(name, 0)), 1_000_000_000)
})

t.test(
  'one that is new comes out of nothing; one that is not held, or can not be compiled, is none',
  async (t) => {
    const images = new ZoneImages()
    t.equal(previewed(images, {}), null)
    const changed = [rrset('www', 'A', '192.0.2.3')]
    t.same(textsOf(previewed(images, { isThere: false, changed })!), changed.map(textOf))
    t.equal(previewed(images, { isThere: false, changed: [rrset('www', 'A', 'nonsense')] }), null)
    t.equal(images.held.size, 0)
  },
)

t.test('whatever changes, it is as if the zone had been compiled so', async (t) => {
  const owner = fc.constantFrom('@', 'a', 'b', '*.c', 'x.a')
  const any = fc.oneof(
    fc.tuple(owner, fc.integer({ min: 1, max: 9 })).map(([name, n]) => rrset(name, 'A', `192.0.2.${n}`)),
    fc.tuple(owner, fc.integer({ min: 1, max: 9 })).map(([name, n]) => rrset(name, 'TXT', `"${n}"`)),
    owner.map((name) => rrset(name, 'MX', '10 mail.example.test.', '20 a.example.test.')),
  )
  const key = ({ owner, type }: Rrset) => `${owner} ${type}`
  const zoneOf = fc.uniqueArray(any, { selector: key, maxLength: 8 })
  const holds = () =>
    fc.assert(
      fc.property(zoneOf, zoneOf, (before, after) => {
        const { images } = holding(before)
        const gone = before.filter((each) => !after.some((other) => key(other) === key(each)))
        const changed = after.filter((each) => !before.some((other) => textOf(other) === textOf(each)))
        const got = textsOf(previewed(images, { changed, gone })!)
        return JSON.stringify(got) === JSON.stringify(textsOf(holding(after).image))
      }),
    )
  t.doesNotThrow(holds)
})
