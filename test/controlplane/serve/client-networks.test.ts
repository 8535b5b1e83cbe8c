/** Clients by the networks that they are in, held against what location maps find for single addresses. */
import fc from 'fast-check'
import t from 'tap'
import { geoAreas } from '../../../src/controlplane/location/areas.ts'
import { emptyTable } from '../../../src/controlplane/location/location-table.ts'
import { whereaboutsOf } from '../../../src/controlplane/serve/client-networks.ts'
import { compileLocationMap, LocationMap, rangesOf } from '../../../src/dataplane/image/location-map.ts'
import { formatIpv4, parseAddress } from '../../../src/dataplane/wire/address.ts'
import { parsePrefix } from '../../../src/dataplane/wire/prefix.ts'

type Rules = readonly (readonly [prefix: string, choices: readonly number[]])[]

function mapOf(cidr: Rules) {
  const lists = { cidr, asn: [], subdivision: [], country: [], continent: [], default: [0] }
  const { ranges, areas } = geoAreas(lists, emptyTable())
  return { image: compileLocationMap(ranges), areas: areas.length }
}

const isIn = (address: Uint8Array, prefix: string) => {
  const { address: base, length } = parsePrefix(prefix)!
  if (base.length !== address.length) return false
  const bits = (octets: Uint8Array) => BigInt(`0x${Buffer.from(octets).toString('hex')}`)
  const shift = BigInt(address.length * 8 - length)
  return bits(base) >> shift === bits(address) >> shift
}

t.test('an image tells its ranges as they were', async (t) => {
  const { ranges } = geoAreas(
    {
      cidr: [
        ['192.0.2.0/24', [1]],
        ['2001:db8::/32', [2]],
      ],
      asn: [],
      subdivision: [],
      country: [],
      continent: [],
      default: [0],
    },
    emptyTable(),
  )
  t.same(rangesOf(compileLocationMap(ranges)), ranges)
})

t.test('networks are named, or those that clients are not in', async (t) => {
  const maps = [mapOf([['192.0.2.0/24', [1]]]), mapOf([['198.51.100.0/24', [1]]])]
  const { combinations, clients, isAnywhere } = whereaboutsOf(maps)
  t.same(
    combinations.map((areas) => areas.join()),
    ['0,0', '1,0', '0,1'],
  )
  t.same(
    clients((number) => number === 1),
    { networks: ['192.0.2.0/24'], moreNetworks: 0, allBut: false },
  )
  t.same(
    clients((number) => number === 0),
    {
      networks: ['192.0.2.0/24', '198.51.100.0/24'],
      moreNetworks: 0,
      allBut: true,
    },
  )
  t.equal(
    clients(() => true),
    null,
  )
  t.equal(
    isAnywhere((number) => number === 7),
    false,
  )
  t.same(whereaboutsOf([]).combinations, [[]], 'no map: all are anywhere')
})

t.test('every client is in the networks of its combination, and in no others', async (t) => {
  const octet = fc.constantFrom(0, 1, 127, 128, 255)
  const address = fc.tuple(octet, octet, octet, octet).map((octets) => Uint8Array.from(octets))
  const prefix = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([octets, length]) => {
    const bits = (Buffer.from(octets).readUInt32BE() & (length === 0 ? 0 : -1 << (32 - length))) >>> 0
    const base = Buffer.alloc(4)
    base.writeUInt32BE(bits)
    return `${formatIpv4(base)}/${length}`
  })
  const rules = fc.array(
    fc.tuple(
      prefix,
      fc.integer({ min: 1, max: 3 }).map((choice) => [choice]),
    ),
    {
      maxLength: 3,
    },
  )
  fc.assert(
    fc.property(fc.array(rules, { minLength: 1, maxLength: 3 }), fc.array(address), (all, addresses) => {
      const maps = all.map(mapOf)
      const { combinations, clients } = whereaboutsOf(maps)
      return [...addresses, parseAddress('2001:db8::1')!].every((each) => {
        const areas = maps.map(({ image }) => areaIn(image, each))
        const number = combinations.findIndex((combination) => combination.join() === areas.join())
        const found = clients((other) => other === number)
        if (found === null || found.moreNetworks > 0) return number >= 0
        return found.networks.some((network) => isIn(each, network)) !== found.allBut
      })
    }),
  )
  t.pass()
})

function areaIn(image: SharedArrayBuffer, address: Uint8Array): number {
  const map = new LocationMap(image)
  const view = new DataView(address.buffer, address.byteOffset)
  if (address.length === 4) map.findIpv4(view.getUint32(0))
  else map.findIpv6(view.getUint32(0), view.getUint32(4))
  return map.area
}
