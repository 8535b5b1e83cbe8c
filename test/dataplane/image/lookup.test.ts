import t from 'tap'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { lookUp } from '../../../src/dataplane/image/lookup.ts'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { NameScan } from '../../../src/dataplane/wire/name-scan.ts'
import { typeNumbers } from '../../support/dns-client.ts'
import { zoneImage } from '../zone-text.ts'

const zone = new ZoneImage(
  zoneImage({
    apex: 'example.test',
    lines: [
      '@ 1 NS ns1',
      'ns1 1 A 192.0.2.53',
      'www 1 A 192.0.2.1',
      'www 1 TXT hello',
      'alias 1 CNAME www',
      'sub 1 NS ns.sub',
      'ns.sub 1 A 192.0.2.54',
      'sub 1 TYPE43 1234050201',
      'a.ent 1 TXT x',
      '*.wild 1 A 192.0.2.2',
      'x.wild 1 TXT x',
      'e.y.wild 1 TXT x',
      '*.away 1 CNAME www',
      '*.star 1 TXT x',
      'sub.star 1 NS ns1',
      'x.*.deep 1 TXT x',
      'both 1 TXT x',
    ],
    services: { lb: 0, both: 1, '*.lb': 2, 'lb.sub': 3 },
  }),
)

function find(name: string, type: keyof typeof typeNumbers): string {
  const found = { node: -1, encloser: -1, rrset: -1, service: -1 }
  const scan = new NameScan()
  const wire = parseName(name, parseName('example.test.'))
  scan.load(wire, 0, wire.length)
  const finding = lookUp(zone, scan, typeNumbers[type], found)
  if (finding === 'service') return `${finding} ${found.service}`
  if (finding === 'nodata' || finding === 'nxdomain') return finding
  return `${finding} ${zone.type(found.rrset)}`
}

t.test('what is found for each kind of question', async (t) => {
  const table: [string, keyof typeof typeNumbers, string][] = [
    ['@', 'SOA', 'answer 6'],
    ['@', 'NS', 'answer 2'],
    ['@', 'A', 'nodata'],
    ['@', 'DS', 'nodata'],
    ['@', 'ANY', 'answer 2'],
    ['www', 'A', 'answer 1'],
    ['WWW', 'TXT', 'answer 16'],
    ['www', 'AAAA', 'nodata'],
    ['www', 'ANY', 'answer 1'],
    ['nowhere', 'A', 'nxdomain'],
    ['a.www', 'A', 'nxdomain'],
    // CNAME
    ['alias', 'A', 'cname 5'],
    ['alias', 'CNAME', 'answer 5'],
    ['alias', 'ANY', 'answer 5'],
    ['a.alias', 'A', 'nxdomain'],
    // Cuts: the parent owns DS at the cut, the child all the rest there and below.
    ['sub', 'A', 'referral 2'],
    ['sub', 'NS', 'referral 2'],
    ['sub', 'SOA', 'referral 2'],
    ['sub', 'ANY', 'referral 2'],
    ['sub', 'DS', 'answer 43'],
    ['ns.sub', 'A', 'referral 2'],
    ['ns.sub', 'DS', 'referral 2'],
    ['x.y.sub', 'A', 'referral 2'],
    ['lb.sub', 'A', 'referral 2'],
    // Empty non-terminals
    ['ent', 'A', 'nodata'],
    ['ent', 'ANY', 'nodata'],
    ['b.ent', 'A', 'nxdomain'],
    // Wildcards: the closest encloser's only; what exists blocks them (RFC 4592).
    ['q.wild', 'A', 'answer 1'],
    ['q.r.wild', 'A', 'answer 1'],
    ['q.wild', 'TXT', 'nodata'],
    ['*.wild', 'A', 'answer 1'],
    ['x.wild', 'A', 'nodata'],
    ['q.x.wild', 'A', 'nxdomain'],
    ['y.wild', 'A', 'nodata'],
    ['q.y.wild', 'A', 'nxdomain'],
    ['wild', 'A', 'nodata'],
    ['q.*.wild', 'A', 'nxdomain'],
    ['q.away', 'A', 'cname 5'],
    ['q.away', 'ANY', 'answer 5'],
    ['q.sub.star', 'TXT', 'referral 2'],
    ['q.star', 'DS', 'nodata'],
    ['q.deep', 'TXT', 'nodata'],
    // Services
    ['lb', 'A', 'service 0'],
    ['lb', 'AAAA', 'service 0'],
    ['lb', 'ANY', 'service 0'],
    ['lb', 'TXT', 'nodata'],
    ['both', 'A', 'service 1'],
    ['both', 'TXT', 'answer 16'],
    ['both', 'ANY', 'answer 16'],
    ['q.lb', 'A', 'service 2'],
    ['q.lb', 'MX', 'nodata'],
  ]
  for (const [name, type, expected] of table) t.equal(find(name, type), expected, `${name} ${type}`)
})
