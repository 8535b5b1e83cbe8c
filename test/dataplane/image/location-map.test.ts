import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  compileLocationMap,
  LocationMap,
  type LocationRanges,
  maxRanges,
  rangesOf as rangesOfImage,
} from '../../../src/dataplane/image/location-map.ts'
import { ranges } from '../trees.ts'

/** A range from each start to the next, as numbers. */
interface Model {
  readonly bits: number
  readonly starts: readonly bigint[]
  readonly areas: readonly number[]
}

/** One after another, without the tricks: the area, and the shortest prefix whose addresses are all in its range. */
function lookup({ bits, starts, areas }: Model, address: bigint): { area: number; scope: number } {
  const range = starts.findLastIndex((start) => start <= address)
  const last = (starts[range + 1] ?? 1n << BigInt(bits)) - 1n
  for (let scope = 0; ; scope++) {
    const size = 1n << BigInt(bits - scope)
    const first = (address / size) * size
    if (first >= starts[range]! && first + size - 1n <= last) return { area: areas[range]!, scope }
  }
}

const model = (bits: number): fc.Arbitrary<Model> =>
  fc
    .tuple(
      // Blocks of any size, as they are given out, and what is no block at all.
      fc.uniqueArray(
        fc.oneof(
          fc.bigInt({ min: 1n, max: (1n << BigInt(bits)) - 1n }),
          fc
            .tuple(fc.nat({ max: 0xffff }), fc.integer({ min: 16, max: bits }))
            .map(([high, length]) => BigInt(high) << BigInt(bits - length)),
        ),
        { maxLength: 30 },
      ),
      fc.nat({ max: 65_535 }),
    )
    .map(([starts, area]) => {
      const sorted = [0n, ...starts.filter((start) => start > 0n)].sort((a, b) => (a < b ? -1 : 1))
      return { bits, starts: sorted, areas: sorted.map((_, i) => (area + 7 * i) % 65_536) }
    })

const rangesOf = (ipv4: Model, ipv6: Model): LocationRanges => ({
  ipv4: { starts: Uint32Array.from(ipv4.starts, Number), areas: Uint16Array.from(ipv4.areas) },
  ipv6: { starts: BigUint64Array.from(ipv6.starts), areas: Uint16Array.from(ipv6.areas) },
})

t.test('areas and scopes are those of a search by hand', async () => {
  const addresses = fc.array(
    fc.tuple(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.nat(), fc.boolean()),
    {
      minLength: 20,
      maxLength: 20,
    },
  )
  fc.assert(
    fc.property(model(32), model(64), addresses, (ipv4, ipv6, addresses) => {
      const map = new LocationMap(compileLocationMap(rangesOf(ipv4, ipv6)))
      for (const [any, index, near] of addresses) {
        for (const family of [ipv4, ipv6]) {
          const edge = family.starts[index % family.starts.length]!
          const step = BigInt(index % 3) - 1n
          const address = BigInt.asUintN(family.bits, near ? edge + step : any)
          if (family === ipv4) map.findIpv4(Number(address) | 0)
          else map.findIpv6(Number(address >> 32n) | 0, Number(address & 0xffff_ffffn))
          const wanted = lookup(family, address)
          if (map.area !== wanted.area || map.scope !== wanted.scope)
            throw new Error(`${address}: ${map.area}/${map.scope}, not ${wanted.area}/${wanted.scope}`)
        }
      }
    }),
    { numRuns: 1000 },
  )
})

t.test('scopes of neighbours never overlap', async () => {
  fc.assert(
    fc.property(model(32), (ipv4) => {
      const map = new LocationMap(compileLocationMap(rangesOf(ipv4, { ...ipv4, starts: [0n], areas: [1] })))
      for (const start of ipv4.starts) {
        const address = Number(start)
        map.findIpv4(address)
        const { scope } = map
        const size = 2 ** (32 - scope)
        const first = Math.floor(address / size) * size
        for (const other of [first, first + size - 1, first + Math.floor(size / 2)]) {
          map.findIpv4(other)
          if (map.scope !== scope) return false
        }
      }
      return true
    }),
  )
})

t.test('an image gives back the ranges that it was compiled of', async (t) => {
  fc.assert(
    fc.property(model(32), model(64), (ipv4, ipv6) => {
      const given = rangesOf(ipv4, ipv6)
      assert.deepEqual(rangesOfImage(compileLocationMap(given)), given)
    }),
  )
  t.throws(() => rangesOfImage(new SharedArrayBuffer(64)), { message: /not a location map image/ })
})

t.test('one area for all is no reason to look at a client', async (t) => {
  const map = new LocationMap(compileLocationMap(ranges({ '0.0.0.0': 9 }, { '::': 8 })))
  map.findIpv4(-1)
  t.match(map, { area: 9, scope: 0 })
  map.findIpv6(-1, -1)
  t.match(map, { area: 8, scope: 0 })
})

t.test('ranges that are none', async (t) => {
  const good = ranges({ '0.0.0.0': 0, '10.0.0.0': 1 }, { '::': 0, '2001::': 1 })
  t.ok(compileLocationMap(good))
  const ipv4 = (starts: number[], areas: number[]): LocationRanges => ({
    ...good,
    ipv4: { starts: Uint32Array.from(starts), areas: Uint16Array.from(areas) },
  })
  const ipv6 = (starts: bigint[], areas: number[]): LocationRanges => ({
    ...good,
    ipv6: { starts: BigUint64Array.from(starts), areas: Uint16Array.from(areas) },
  })
  const table: [LocationRanges, string][] = [
    [ipv4([], []), 'IPv4: the first does not start at 0'],
    [ipv4([1], [0]), 'IPv4: the first does not start at 0'],
    [ipv4([0, 5], [0]), 'IPv4: 2 starts and 1 areas'],
    [ipv4([0, 5, 5], [0, 1, 2]), 'IPv4: number 2 does not start behind the one before it'],
    [ipv4([0, 5, 4], [0, 1, 2]), 'IPv4: number 2 does not start behind the one before it'],
    [ipv4([0, 5], [3, 3]), 'IPv4: number 1 has the area of the one before it'],
    [ipv6([], []), 'IPv6: the first does not start at 0'],
    [ipv6([0n, 1n << 63n, 1n << 62n], [0, 1, 2]), 'IPv6: number 2 does not start behind the one before it'],
    [
      {
        ...good,
        ipv4: { starts: new Uint32Array(maxRanges + 1), areas: new Uint16Array(maxRanges + 1) },
      },
      `IPv4: ${maxRanges + 1} of them, more than ${maxRanges}`,
    ],
  ]
  for (const [wrong, message] of table)
    t.throws(() => compileLocationMap(wrong), {
      name: 'RangeError',
      message: `location ranges of ${message}`,
    })
  t.throws(() => new LocationMap(new SharedArrayBuffer(64)), {
    message: 'not a location map image of this version',
  })
})
