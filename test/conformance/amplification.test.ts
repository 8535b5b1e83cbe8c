/**
 * What a forged query can make the server send to its victim: octets of DNS in the response for each octet in the
 * query, over UDP. The zone is one that an operator would regret: every RRset is as large as still fits a response. The
 * rows of the table in docs/security.md are made here, and must stand there as they are measured.
 */
import t, { type Test } from 'tap'
import { type EdnsFields, query, readResponse } from '../support/dns-client.ts'
import { page } from '../support/pages.ts'
import { apex, exchange, identity, type Line, option, serve, type Way } from './serving.ts'

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

/** TXT whose RDATA has this many octets, at least 2, in strings of 255. */
function txt(octets: number): string {
  const strings: string[] = []
  for (let left = octets; left > 0; left -= 256) strings.push(`"${'x'.repeat(Math.min(left, 256) - 1)}"`)
  return strings.join(' ')
}

const header = 12
const rrHead = 12
const opt = 11
const questionOf = (name: string) => name.length + 2 + 4
const room = (limit: number, name: string) => limit - header - questionOf(name) - rrHead

const dnskey = `257 3 8 ${Buffer.alloc(260, 1).toString('base64')}`
const servers = times(13, (i) => `ns${i}.cut`)
const hosts = times(28, (i) => `mail${i}`)
const zone: Line[] = [
  ['@', 'TXT', txt(room(1232, apex) - opt)],
  ['p', 'TXT', txt(room(512, `p.${apex}`))],
  ['@', 'DNSKEY', ...times(3, (i) => dnskey.replace('257', String(256 + i)))],
  ['@', 'MX', ...hosts.map((host, i) => `${i} ${host}`)],
  ...hosts.map((host, i): Line => [host, 'A', `192.0.2.${i}`]),
  ['cut', 'NS', ...servers],
  ...servers.flatMap((server, i): Line[] => [
    [server, 'A', `192.0.2.${i}`],
    [server, 'AAAA', `2001:db8::${i}`],
  ]),
]

const asked = { payload: 65_535 }
const cookie = option(10, '0123456789abcdef')
const nsid = option(3)
const withOptions: EdnsFields = { ...asked, options: Buffer.concat([nsid, cookie]) }

/** What is asked, by the name that docs/security.md gives it. */
const rows: readonly (readonly [label: string, name: string, type: number, edns?: EdnsFields])[] = [
  ['TXT that fills 1,232 octets, with an OPT', apex, 16, asked],
  ['the same, with NSID and a cookie: truncated', apex, 16, withOptions],
  ['the same, without an OPT: truncated', apex, 16],
  ['TXT that fills 512 octets, without an OPT', `p.${apex}`, 16],
  ['DNSKEY, three of 2,048 bits', apex, 48, asked],
  ['MX, 28 with their addresses as far as they fit', apex, 15, asked],
  ['referral to 13 servers with glue', `x.cut.${apex}`, 1, asked],
  ['ANY at the apex', apex, 255, asked],
  ['a name that does not exist', `x.${apex}`, 1, asked],
  ['a name outside of our zones: REFUSED', 'x.test', 1, asked],
  ['`version.bind`: REFUSED', 'version.bind', 16, asked],
]

const decimal = (value: number) => value.toLocaleString('en-US')

t.test('the worst queries get no more than docs/security.md says', async (t) => {
  await using serving = await serve(zone)
  const [udp] = serving.ways.filter(({ transport }) => transport === 'udp')
  const most = Math.max(...(await measure(t, udp!)))
  t.ok(
    most <= 1232 / (header + questionOf(apex) + opt),
    'nothing is above what the limits make of the shortest name',
  )
  t.equal(identity.length, 6, 'NSID is as long as in docs/security.md')
})

async function measure(t: Test, way: Way): Promise<number[]> {
  const factors: number[] = []
  for (const [label, name, type, edns] of rows) {
    const request = query(name, type, edns === undefined ? {} : { edns })
    if (label.includes('version.bind')) request.writeUInt16BE(3, header + questionOf(name) - 2)
    const response = await exchange(way, request)
    const { flags } = readResponse(response)
    t.equal(flags.includes('tc'), label.endsWith('truncated'), label)
    t.ok(response.length <= (edns === undefined ? 512 : 1232), label)
    const factor = response.length / request.length
    factors.push(factor)
    const row = `| ${label} | ${request.length} | ${decimal(response.length)} | ${factor.toFixed(1)} |`
    t.ok(page('docs/security.md').includes(`\n${row}\n`), `docs/security.md has ${row}`)
  }
  return factors
}
