import fc from 'fast-check'
import t from 'tap'
import {
  type AreaMap,
  type GeoLists,
  geoAreas,
  nearestAreas,
} from '../../../src/controlplane/location/areas.ts'
import { emptyTable, type LocationTable, placeOf } from '../../../src/controlplane/location/location-table.ts'
import { type Place, PlaceList } from '../../../src/controlplane/location/place.ts'
import {
  ipv4Start,
  ipv6Start,
  newIpv4Starts,
  newIpv6Starts,
  RangeWriter,
} from '../../../src/controlplane/location/ranges.ts'
import type { Location } from '../../../src/controlplane/model/pool.ts'
import { formatIpv4, formatIpv6, parseAddress } from '../../../src/dataplane/wire/address.ts'

const noRules: GeoLists = { cidr: [], asn: [], subdivision: [], country: [], continent: [], default: [] }

/** The area of an address, by looking at every range. */
function areaOf({ ranges: { ipv4, ipv6 } }: AreaMap, address: string): number {
  const octets = parseAddress(address)!
  const [starts, areas, key]: [readonly (number | bigint)[], Uint16Array, number | bigint] =
    octets.length === 4
      ? [[...ipv4.starts], ipv4.areas, ipv4Start(octets)]
      : [[...ipv6.starts], ipv6.areas, ipv6Start(octets)]
  return areas[starts.findLastIndex((start) => start <= key)]!
}
const listOf = (map: AreaMap, address: string) => map.areas[areaOf(map, address)]!

/** What the data plane relies on. */
function wrongIn({ ranges, areas }: AreaMap): string | null {
  for (const { starts, areas: numbers } of [ranges.ipv4, ranges.ipv6]) {
    if (starts.length !== numbers.length) return 'lengths differ'
    if (Number(starts[0]) !== 0) return 'the first start is not 0'
    for (let i = 1; i < starts.length; i++) {
      if (starts[i]! <= starts[i - 1]!) return `start ${i} does not ascend`
      if (numbers[i] === numbers[i - 1]) return `area ${i} is that of its neighbour`
    }
    if (numbers.some((number) => number >= areas.length)) return 'an area has no list'
  }
  const texts = areas.map((choices) => choices.join())
  return new Set(texts).size === texts.length ? null : 'two areas have the same list'
}

// A few bits only, so that prefixes are inside each other, meet and coincide.
const ipv4 = fc.tuple(
  fc.constantFrom(0, 10, 11, 128, 255),
  fc.constantFrom(0, 64, 127, 255),
  fc.constantFrom(0, 1, 255),
  fc.constantFrom(0, 128, 255),
)
const ipv6Head = fc.array(fc.constantFrom(0, 1, 0x80, 0xff), { minLength: 4, maxLength: 4 })
const address = fc.oneof(
  ipv4.map((octets) => formatIpv4(Uint8Array.from(octets))),
  fc.tuple(ipv6Head, ipv6Head).map(([head, tail]) => {
    const octets = new Uint8Array(16)
    octets.set([head[0]!, head[1]!, 0, 0, 0, 0, head[2]!, head[3]!])
    octets.set(tail, 12)
    return formatIpv6(octets)
  }),
)
const prefix = fc
  .tuple(address, fc.constantFrom(0, 1, 8, 9, 16, 24, 31, 32, 56, 63, 64, 65, 96, 128))
  .map(([address, length]) => {
    const octets = parseAddress(address)!
    const bits = Math.min(length, octets.length * 8)
    const network = octets.map((octet, i) => octet & ~(0xff >> Math.max(0, Math.min(8, bits - 8 * i))))
    return `${octets.length === 4 ? formatIpv4(network) : formatIpv6(network)}/${bits}`
  })
const location = fc.record({
  latitude: fc.constantFrom(-80, -33.5, 0.5, 46.5, 46.75, 60, 90),
  longitude: fc.constantFrom(-180, -122.25, 0.5, 7.5, 8.5, 139, 180),
})
const place: fc.Arbitrary<Place> = fc.record({
  continent: fc.constantFrom(null, 'EU', 'NA'),
  country: fc.constantFrom(null, 'CH', 'DE', 'US'),
  subdivision: fc.constantFrom(null, 'CH-BE', 'US-CA'),
  asn: fc.constantFrom(null, 559, 680, 15_169),
  location: fc.option(location),
})
const table: fc.Arbitrary<LocationTable> = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(2 ** 32 - 1), place), { maxLength: 12 }),
    fc.array(fc.tuple(fc.bigInt(0n, 2n ** 64n - 1n), place), { maxLength: 12 }),
  )
  .map(([four, six]) => {
    const places = new PlaceList()
    const ipv4 = new RangeWriter(newIpv4Starts)
    const ipv6 = new RangeWriter(newIpv6Starts)
    ipv4.add(0, 0)
    ipv6.add(0n, 0)
    for (const [start, place] of four.sort(([a], [b]) => a - b)) ipv4.add(start, places.add(place))
    for (const [start, place] of six.sort(([a], [b]) => (a < b ? -1 : 1))) ipv6.add(start, places.add(place))
    return { ipv4: ipv4.finish(), ipv6: ipv6.finish(), places }
  })
const choices = fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 })
const byKey = <K>(key: fc.Arbitrary<K>) =>
  fc.uniqueArray(fc.tuple(key, choices), { maxLength: 3, selector: ([key]) => key })
const geoRules: fc.Arbitrary<GeoLists> = fc.record({
  cidr: fc.uniqueArray(fc.tuple(prefix, choices), { maxLength: 10, selector: ([key]) => key }),
  asn: byKey(fc.constantFrom(559, 680, 1)),
  subdivision: byKey(fc.constantFrom('CH-BE', 'US-CA', 'DE-BY')),
  country: byKey(fc.constantFrom('CH', 'DE', 'FR')),
  continent: byKey(fc.constantFrom('EU', 'NA', 'AS')),
  default: choices,
})

/** Addresses at which something may begin or end, of both sides, and others. */
function addressesOf(map: AreaMap, cidr: GeoLists['cidr'], others: readonly string[]): string[] {
  const edges4 = [...map.ranges.ipv4.starts].flatMap((start) => [start, (start + 2 ** 32 - 1) % 2 ** 32])
  const edges6 = [...map.ranges.ipv6.starts].flatMap((start) => [start, BigInt.asUintN(64, start - 1n)])
  const text4 = edges4.map((start) =>
    formatIpv4(Uint8Array.of(start >>> 24, start >>> 16, start >>> 8, start)),
  )
  const text6 = edges6.map((start) => {
    const octets = new Uint8Array(16)
    new DataView(octets.buffer).setBigUint64(0, start)
    return formatIpv6(octets)
  })
  return [...text4, ...text6, ...others, ...cidr.map(([prefix]) => prefix.split('/')[0]!)]
}

/** Whether addresses are of one family, and equal in the bits of the prefix: for IPv6, in the first 64 of them. */
function holds(prefix: string, address: string): boolean {
  const [network, length] = prefix.split('/') as [string, string]
  const bits = (text: string) =>
    [...parseAddress(text)!].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  const [a, b] = [bits(network), bits(address)]
  const compared = Math.min(Number(length), a.length === 32 ? 32 : 64)
  return a.length === b.length && a.slice(0, compared) === b.slice(0, compared)
}

function expectedGeo(rules: GeoLists, table: LocationTable, address: string): readonly number[] {
  const length = (prefix: string) => Number(prefix.split('/')[1])
  const inside = rules.cidr.filter(([prefix]) => holds(prefix, address))
  const longest = inside.toSorted(([a], [b]) => length(b) - length(a))[0]
  const { asn, subdivision, country, continent } = placeOf(table, address)
  const rule =
    longest ??
    rules.asn.find(([key]) => key === asn) ??
    rules.subdivision.find(([key]) => key === subdivision) ??
    rules.country.find(([key]) => key === country) ??
    rules.continent.find(([key]) => key === continent)
  return rule?.[1] ?? rules.default
}

t.test('geo: as a look-up rule by rule says', async (t) => {
  let named = 0
  fc.assert(
    fc.property(geoRules, table, fc.array(address, { maxLength: 20 }), (rules, table, others) => {
      const map = geoAreas(rules, table)
      const wrong = wrongIn(map)
      if (wrong !== null) throw new Error(wrong)
      if (map.areas[0]!.join() !== rules.default.join()) throw new Error('area 0 is not the default')
      for (const address of addressesOf(map, rules.cidr, others)) {
        const expected = expectedGeo(rules, table, address)
        const found = listOf(map, address)
        if (found.join() !== expected.join()) throw new Error(`${address}: ${found}, not ${expected}`)
        if (expected !== rules.default) named++
      }
    }),
    { numRuns: 400 },
  )
  t.ok(named > 2000, `${named} addresses that a rule names`)
})

const haversine = (a: Location, b: Location) => {
  const radians = Math.PI / 180
  const latitudes = Math.sin(((b.latitude - a.latitude) * radians) / 2) ** 2
  const longitudes = Math.sin(((b.longitude - a.longitude) * radians) / 2) ** 2
  const cosines = Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians)
  return 2 * 6371 * Math.asin(Math.min(1, Math.sqrt(latitudes + cosines * longitudes)))
}
const biased = (distance: number, bias: number) =>
  bias > 0 ? distance * (1 - bias / 100) : distance / (1 + bias / 100)

t.test('nearest: each choice is no farther than the one behind it', async (t) => {
  const nearChoice = fc.record({
    location: fc.option(location, { freq: 4 }),
    bias: fc.constantFrom(0, 0, 1, 50, 99, -1, -50, -99),
  })
  let ordered = 0
  fc.assert(
    fc.property(
      fc.array(nearChoice, { minLength: 1, maxLength: 6 }),
      table,
      fc.array(address, { maxLength: 20 }),
      (near, table, others) => {
        const map = nearestAreas(near, table)
        const wrong = wrongIn(map)
        if (wrong !== null) throw new Error(wrong)
        const inOrder = near.map((_, index) => index)
        if (map.areas[0]!.join() !== inOrder.join())
          throw new Error('area 0 is not the order of the document')
        for (const address of addressesOf(map, [], others)) {
          const list = listOf(map, address)
          const { location } = placeOf(table, address)
          if (list.toSorted((a, b) => a - b).join() !== inOrder.join()) throw new Error(`${address}: ${list}`)
          if (location === null) {
            if (areaOf(map, address) !== 0)
              throw new Error(`${address} is not known, and has the order ${list}`)
            continue
          }
          const farness = (index: number) => {
            const choice = near[index]!
            return choice.location === null
              ? Number.POSITIVE_INFINITY
              : biased(haversine(location, choice.location), choice.bias)
          }
          for (let i = 1; i < list.length; i++) {
            const [a, b] = [farness(list[i - 1]!), farness(list[i]!)]
            if (a > b + 0.001) throw new Error(`${address}: ${list}: ${a} km before ${b} km`)
            if (a === b && list[i - 1]! > list[i]! && a === Number.POSITIVE_INFINITY)
              throw new Error(`${address}: ${list}`)
            ordered++
          }
        }
      },
    ),
    { numRuns: 400 },
  )
  t.ok(ordered > 2000, `${ordered} pairs`)
})

const inTable = (...places: Partial<Place>[]): LocationTable => {
  const list = new PlaceList()
  const ipv4 = new RangeWriter(newIpv4Starts)
  ipv4.add(0, 0)
  for (const [index, place] of places.entries()) {
    ipv4.add((index + 1) * 256, list.add({ ...list.at(0), ...place }))
  }
  return { ...emptyTable(), ipv4: ipv4.finish(), places: list }
}
const bern = { latitude: 47, longitude: 7.5 }
const munich = { latitude: 48.25, longitude: 11.5 }
const tokyo = { latitude: 35.75, longitude: 139.75 }

t.test('nearest: bias as with geoproximity', async (t) => {
  const table = inTable({ location: bern })
  const order = (...bias: number[]) =>
    listOf(
      nearestAreas(
        [munich, tokyo, bern].map((location, i) => ({ location, bias: bias[i]! })),
        table,
      ),
      '0.0.1.1',
    )
  t.same(order(0, 0, 0), [2, 0, 1])
  t.same(order(99, 99, 99), [2, 0, 1])
  // Munich is 330 km away, Tokyo 9,600: 1 % of that is 96.
  t.same(order(0, 99, 0), [2, 1, 0])
  t.same(order(0, 95, 0), [2, 0, 1])
  t.same(order(-96, 0, 0), [2, 0, 1])
  t.same(order(-97, 0, 0), [2, 1, 0])
})

t.test('geo without a table: prefixes count, and the rest gets the default', async (t) => {
  const map = geoAreas(
    {
      ...noRules,
      cidr: [
        ['10.0.0.0/8', [1]],
        ['255.0.0.0/8', [1]],
      ],
      country: [['CH', [2]]],
      default: [0],
    },
    emptyTable(),
  )
  t.same(map.areas, [[0], [2], [1]])
  t.same([...map.ranges.ipv4.starts], [0, 0x0a000000, 0x0b000000, 0xff000000])
  t.same([...map.ranges.ipv4.areas], [0, 2, 0, 2])
  t.same([...map.ranges.ipv6.areas], [0])
})

t.test('more areas than there may be, and what is no prefix, are refused', async (t) => {
  const prefixes = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => [`${i >> 16}.${(i >> 8) & 255}.${i & 255}.0/24`, [i + 1]] as const,
    )
  t.equal(geoAreas({ ...noRules, default: [0], cidr: prefixes(65_535) }, emptyTable()).areas.length, 65_536)
  t.throws(() => geoAreas({ ...noRules, default: [0], cidr: prefixes(65_536) }, emptyTable()), {
    code: 'invalid',
    message: /no more than 65536 areas/,
  })
  for (const prefix of ['10.0.0.0', '10.0.0.0/33', '2001:db8::/129', '10.0.0/8', '']) {
    t.throws(
      () => geoAreas({ ...noRules, cidr: [[prefix, [0]]] }, emptyTable()),
      { code: 'invalid', message: /is not a prefix/ },
      prefix,
    )
  }
})

t.test('nearest: more orders than areas leave the nearest exact', async (t) => {
  const grid = Array.from({ length: 2000 }, (_, i) => ({
    location: { latitude: -74.75 + Math.floor(i / 50) * 3.5, longitude: -179.5 + (i % 50) * 7.25 },
  }))
  const table = inTable(...grid)
  const near = Array.from({ length: 12 }, (_, i) => ({
    location: { latitude: 80 - ((i * 37) % 160), longitude: ((i * 101) % 360) - 180 },
    bias: (i * 7) % 40,
  }))
  const every = nearestAreas(near, table)
  for (const most of [every.areas.length, every.areas.length - 1, 100, 13]) {
    const map = nearestAreas(near, table, most)
    t.equal(wrongIn(map), null)
    t.ok(map.areas.length > 5 && map.areas.length <= most, `${map.areas.length} areas of ${most}`)
    for (let i = 0; i < grid.length; i += 7) {
      const { location } = table.places.at(i + 1)
      const far = near.map((choice) => biased(haversine(location!, choice.location), choice.bias))
      const address = formatIpv4(Uint8Array.of(0, (i + 1) >>> 8, i + 1, 1))
      const list = listOf(map, address)
      if (far[list[0]!]! > Math.min(...far) + 0.001) t.fail(`${address}: ${list[0]} is not the nearest`)
      if (new Set(list).size !== near.length) t.fail(`${address}: ${list}`)
    }
  }
  t.throws(() => nearestAreas(near, table, 3), { code: 'invalid' })
})
