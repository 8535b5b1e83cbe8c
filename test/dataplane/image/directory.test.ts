import fc from 'fast-check'
import t from 'tap'
import { compileDirectory, Directory } from '../../../src/dataplane/image/directory.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { NameScan } from '../../../src/dataplane/wire/name-scan.ts'
import { zoneImage } from '../zone-text.ts'

function scanOf(name: string): NameScan {
  const scan = new NameScan()
  const wire = hostnameToWire(name)
  scan.load(wire, 0, wire.length)
  return scan
}

/** Gives the apex that `name` falls to, looking from label `from`; undefined for none. */
function finder(apexes: readonly string[]): (name: string, from?: number) => string | undefined {
  const directory = new Directory(
    compileDirectory(new Map(apexes.map((apex, slot) => [slot, hostnameToWire(apex)]))),
  )
  const zones = apexes.map((apex) => new ZoneImage(zoneImage({ apex, lines: [] })))
  return (name, from = 0) => {
    const scan = scanOf(name)
    const label = directory.find(scan, from, zones)
    if (label < 0) return undefined
    const apex = apexes[directory.slot]!
    return scan.count - label === zones[directory.slot]!.apexLabels
      ? apex
      : `label ${label} is not that of ${apex}`
  }
}

t.test('the longest matching suffix', async (t) => {
  const find = finder(['example.test', 'sub.example.test', 'test', 'other.org'])
  const table: [string, string | undefined][] = [
    ['example.test', 'example.test'],
    ['www.example.test', 'example.test'],
    ['www.sub.example.test', 'sub.example.test'],
    ['a.b.c.d.e.f.sub.example.test', 'sub.example.test'],
    ['xexample.test', 'test'],
    ['other.org', 'other.org'],
    ['org', undefined],
    ['another.org', undefined],
    ['.', undefined],
  ]
  for (const [name, apex] of table) t.equal(find(name), apex, name)
  t.equal(find('sub.example.test', 1), 'example.test')
  t.equal(find('other.org', 1), undefined)
})

t.test('no zones, and the root zone', async (t) => {
  t.equal(finder([])('example.test'), undefined)
  t.equal(finder(['.'])('example.test'), '.')
  t.equal(finder(['.'])('.'), '.')
})

t.test('apexes of the same hash are told apart', async (t) => {
  t.equal(finder(['h87031.test'])('h158066.test'), undefined)
  const find = finder(['h87031.test', 'h158066.test'])
  t.equal(find('www.h87031.test'), 'h87031.test')
  t.equal(find('www.h158066.test'), 'h158066.test')
})

t.test('slots may have holes', async (t) => {
  const directory = new Directory(compileDirectory(new Map([[5, hostnameToWire('test')]])))
  const zones: (ZoneImage | undefined)[] = []
  zones[5] = new ZoneImage(zoneImage({ apex: 'test', lines: [] }))
  t.equal(directory.find(scanOf('www.test'), 0, zones), 1)
  t.equal(directory.slot, 5)
})

t.test('a zone without an image is found all the same, not the one around it', async (t) => {
  const apexes = ['sub.example.test', 'example.test']
  const directory = new Directory(
    compileDirectory(new Map(apexes.map((apex, slot) => [slot, hostnameToWire(apex)]))),
  )
  const zones = [undefined, new ZoneImage(zoneImage({ apex: 'example.test', lines: [] }))]
  const slotOf = (name: string) => (directory.find(scanOf(name), 0, zones) < 0 ? null : directory.slot)
  t.same(['www.sub.example.test', 'sub.example.test', 'www.example.test', 'test'].map(slotOf), [
    0,
    0,
    1,
    null,
  ])
})

t.test('agrees with a search through all of them', async () => {
  const name = fc
    .array(fc.constantFrom('a', 'b', 'c'), { maxLength: 5 })
    .map((labels) => (labels.length === 0 ? '.' : labels.join('.')))
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 20 }),
      fc.array(name, { minLength: 10 }),
      (apexes, names) => {
        const find = finder(apexes)
        return names.every((name) => {
          const holds = (apex: string) => apex === '.' || name === apex || name.endsWith(`.${apex}`)
          const depth = (apex: string) => (apex === '.' ? 0 : apex.split('.').length)
          return find(name) === apexes.filter(holds).sort((a, b) => depth(b) - depth(a))[0]
        })
      },
    ),
  )
})
