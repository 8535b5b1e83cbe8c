import t from 'tap'
import { centreOf, continentOf } from '../../../src/controlplane/location/countries.ts'
import {
  emptyTable,
  joinTables,
  placeOf,
  tableOf,
  withCentres,
} from '../../../src/controlplane/location/location-table.ts'
import { Mmdb } from '../../../src/controlplane/location/mmdb.ts'
import { nowhere, type Place } from '../../../src/controlplane/location/place.ts'
import { type MmdbValue, mmdbFile } from '../../support/mmdb-writer.ts'

const tableWith = (...networks: (readonly [string, MmdbValue])[]) => tableOf(new Mmdb(mmdbFile(networks)))
const placeIn = (record: MmdbValue) => placeOf(tableWith(['192.0.2.0/24', record]), '192.0.2.1')

t.test('places are read from the schemas of all databases that are supported', async (t) => {
  const cases: [what: string, record: MmdbValue, place: Partial<Place>][] = [
    [
      'GeoLite2-City',
      {
        city: { geoname_id: 5_375_480, names: { en: 'Mountain View' } },
        continent: { code: 'NA', geoname_id: 6_255_149, names: { en: 'North America' } },
        country: { geoname_id: 6_252_001, iso_code: 'US', names: { en: 'United States' } },
        location: {
          accuracy_radius: 1000,
          latitude: 37.5,
          longitude: -122.25,
          time_zone: 'America/Los_Angeles',
        },
        registered_country: { iso_code: 'CA' },
        subdivisions: [
          { geoname_id: 5_332_921, iso_code: 'CA', names: { en: 'California' } },
          { iso_code: 'XYZ' },
        ],
      },
      {
        continent: 'NA',
        country: 'US',
        subdivision: 'US-CA',
        location: { latitude: 37.5, longitude: -122.25 },
      },
    ],
    ['GeoLite2-Country, of a continent alone', { continent: { code: 'EU' } }, { continent: 'EU' }],
    ['GeoLite2-Country, of a place of registration alone', { registered_country: { iso_code: 'AU' } }, {}],
    [
      'GeoLite2-ASN',
      { autonomous_system_number: 15_169, autonomous_system_organization: 'GOOGLE' },
      { asn: 15_169 },
    ],
    [
      'GeoIP2-Enterprise',
      { country: { iso_code: 'CH' }, traits: { autonomous_system_number: 559, isp: 'SWITCH' } },
      { continent: 'EU', country: 'CH', asn: 559 },
    ],
    ['ip-location-db, country', { country_code: 'JP' }, { continent: 'AS', country: 'JP' }],
    [
      'ip-location-db, city',
      {
        city: 'Bern',
        country_code: 'CH',
        latitude: 46.5,
        longitude: 7.5,
        postcode: '3000',
        state1: 'Bern',
        state2: '',
      },
      { continent: 'EU', country: 'CH', location: { latitude: 46.5, longitude: 7.5 } },
    ],
    [
      'a state that is a code',
      { country_code: 'CH', state1: 'CH-BE' },
      { continent: 'EU', country: 'CH', subdivision: 'CH-BE' },
    ],
    [
      'IPinfo Lite',
      {
        asn: 'AS15169',
        as_name: 'Google',
        continent_code: 'NA',
        country: 'United States',
        country_code: 'US',
      },
      { continent: 'NA', country: 'US', asn: 15_169 },
    ],
    [
      'IPinfo, location',
      { city: 'Bern', country: 'CH', lat: '46.5', lng: '7.5' },
      { continent: 'EU', country: 'CH', location: { latitude: 46.5, longitude: 7.5 } },
    ],
    ['lower case', { country_code: 'ch' }, { continent: 'EU', country: 'CH' }],
    [
      'a negative latitude that is a whole number',
      { latitude: -33, longitude: 151 },
      { location: { latitude: -33, longitude: 151 } },
    ],
    ['a country that is none', { country_code: 'ZZ', state1: 'CH-BE' }, {}],
    [
      'what can not be',
      { country_code: 'CHE', asn: 'AS', latitude: 91, longitude: 7, continent_code: 'XX' },
      {},
    ],
    ['the middle of the Atlantic', { latitude: 0, longitude: 0 }, {}],
    ['AS 0', { asn: 0 }, {}],
  ]
  for (const [what, record, place] of cases) t.same(placeIn(record), { ...nowhere, ...place }, what)
})

t.test('joined: what the first says counts, and the others fill in', async (t) => {
  const countries = tableWith(
    ['192.0.2.0/24', { country_code: 'CH' }],
    ['198.51.100.0/24', { country_code: 'DE' }],
    ['2001:db8::/32', { country_code: 'FR' }],
  )
  const cities = tableWith(
    [
      '192.0.2.0/25',
      {
        country: { iso_code: 'CH' },
        subdivisions: [{ iso_code: 'ZH' }],
        location: { latitude: 47.5, longitude: 8.5 },
      },
    ],
    [
      '198.51.100.0/24',
      {
        country: { iso_code: 'AT' },
        subdivisions: [{ iso_code: '9' }],
        location: { latitude: 48.25, longitude: 16.5 },
      },
    ],
    ['203.0.113.0/24', { country: { iso_code: 'IT' } }],
  )
  const asns = tableWith(
    ['192.0.2.64/26', { autonomous_system_number: 559 }],
    ['198.51.100.0/24', { autonomous_system_number: 680 }],
    ['2001:db8:8000::/33', { autonomous_system_number: 1 }],
  )
  const table = joinTables([countries, cities, asns])
  const swiss = { ...nowhere, continent: 'EU', country: 'CH' }
  const zurich = { ...swiss, subdivision: 'CH-ZH', location: { latitude: 47.5, longitude: 8.5 } }
  t.same(placeOf(table, '192.0.2.63'), zurich)
  t.same(placeOf(table, '192.0.2.64'), { ...zurich, asn: 559 })
  t.same(placeOf(table, '192.0.2.128'), swiss)
  t.same(
    placeOf(table, '198.51.100.1'),
    { ...nowhere, continent: 'EU', country: 'DE', asn: 680 },
    'no city of another country',
  )
  t.same(placeOf(table, '203.0.113.1'), { ...nowhere, continent: 'EU', country: 'IT' })
  t.same(placeOf(table, '203.0.114.0'), nowhere)
  t.same(placeOf(table, '2001:db8:7fff::'), { ...nowhere, continent: 'EU', country: 'FR' })
  t.same(placeOf(table, '2001:db8:ffff:ffff::1'), { ...nowhere, continent: 'EU', country: 'FR', asn: 1 })
  t.equal(table.ipv4.starts.length, 9)
  t.equal(table.places.length, 8, 'distinct ones')
  t.same(placeOf(emptyTable(), '192.0.2.1'), nowhere)
  t.same(joinTables([]).ipv6.starts, [0n])
})

t.test('the middle of a country stands in for where in it', async (t) => {
  const table = withCentres(
    tableWith(
      ['192.0.2.0/25', { country_code: 'CH' }],
      ['192.0.2.128/25', { country_code: 'CH', latitude: 46, longitude: 6 }],
      ['198.51.100.0/24', { autonomous_system_number: 559 }],
    ),
  )
  const centre = placeOf(table, '192.0.2.1').location
  t.ok(centre !== null && Math.abs(centre.latitude - 46.8) < 0.1 && Math.abs(centre.longitude - 8.2) < 0.1)
  t.same(placeOf(table, '192.0.2.200').location, { latitude: 46, longitude: 6 })
  t.same(placeOf(table, '198.51.100.1'), { ...nowhere, asn: 559 })
  t.equal(centreOf('UM'), null, 'islands all over an ocean')
  t.equal(centreOf('XX'), null)
  t.same(centreOf('CW'), centreOf('AN'), 'a neighbour')
})

t.test('a country has its continent, and what is no country has none', async (t) => {
  const codes = ['CH', 'US', 'BR', 'JP', 'AU', 'ZA', 'AQ', 'RU', 'TR', 'CY', 'XX', 'constructor']
  const expected = ['EU', 'NA', 'SA', 'AS', 'OC', 'AF', 'AN', 'EU', 'AS', 'EU', null, null]
  t.same(codes.map(continentOf), expected)
})
