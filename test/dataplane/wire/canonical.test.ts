/** The canonical form of RRs and the order of names (RFC 4034 section 6). */
import t from 'tap'
import { canonicalRdata, compareNames, sortRdata } from '../../../src/dataplane/wire/canonical.ts'
import { lowerName, parseName, rootName } from '../../../src/dataplane/wire/name.ts'
import { parseRdata, parseType } from '../../../src/dataplane/wire/rdata.ts'

t.test('names are folded where RFC 4034 says so, and nowhere else', async (t) => {
  const table: [type: string, text: string, canonical: string][] = [
    ['NS', 'Ns.Example.', 'ns.example.'],
    ['SOA', 'Ns.Example. Host.Example. 1 2 3 4 5', 'ns.example. host.example. 1 2 3 4 5'],
    ['MX', '10 Mail.Example.', '10 mail.example.'],
    ['SRV', '1 2 3 A.Example.', '1 2 3 a.example.'],
    ['DNAME', 'Of.Example.', 'of.example.'],
    ['NAPTR', '1 2 "U" "E2U" "!a!B!" Re.Example.', '1 2 "U" "E2U" "!a!B!" re.example.'],
    // RFC 6840 section 5.1.
    ['NSEC', 'Next.Example. A RRSIG NSEC', 'Next.Example. A RRSIG NSEC'],
    ['HTTPS', '1 Svc.Example.', '1 Svc.Example.'],
    ['TXT', '"Mail.Example."', '"Mail.Example."'],
  ]
  for (const [type, text, canonical] of table) {
    const rdata = parseRdata(type, text, rootName)
    const before = Buffer.from(rdata)
    t.same(
      Buffer.from(canonicalRdata(parseType(type), rdata)),
      Buffer.from(parseRdata(type, canonical, rootName)),
      `${type} ${text}`,
    )
    t.ok(before.equals(rdata), 'what was given stays')
  }
})

t.test('RDATA is sorted octet by octet, the shorter before the longer, each once', async (t) => {
  const of = (...octets: number[]) => Uint8Array.from(octets)
  t.same(sortRdata([of(2), of(1, 0), of(1), of(255), of(1, 0)]), [of(1), of(1, 0), of(2), of(255)])
  t.same(sortRdata([of(7)]), [of(7)])
})

t.test('names are in the order of RFC 4034 section 6.1', async (t) => {
  const ordered = [
    'example.',
    'a.example.',
    'yljkjljk.a.example.',
    'Z.a.example.',
    'zABC.a.EXAMPLE.',
    'z.example.',
    '\\001.z.example.',
    '*.z.example.',
    '\\200.z.example.',
  ].map((text) => lowerName(parseName(text)))
  for (let i = 0; i < ordered.length; i++) {
    for (let j = 0; j < ordered.length; j++)
      t.equal(Math.sign(compareNames(ordered[i]!, ordered[j]!)), Math.sign(i - j), `${i} ${j}`)
  }
})
