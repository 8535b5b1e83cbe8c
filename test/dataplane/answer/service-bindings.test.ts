/** What goes along with SVCB and HTTPS (RFC 9460 section 4.2). Their RDATA is read as octets: names in it are not compressed. */
import t from 'tap'
import { query, wireName } from '../../support/dns-client.ts'
import { readRrs } from '../../support/rr-reader.ts'
import { serveLines } from './zone-lines.ts'

const types = { A: 1, AAAA: 28, SVCB: 64, HTTPS: 65 } as const
const respond = serveLines({
  'example.test.': [
    'ns1 300 A 192.0.2.53',
    '@ 60 HTTPS 1 . alpn=h2',
    '@ 60 A 192.0.2.1',
    '@ 60 AAAA 2001:db8::1',
    'one 60 HTTPS 1 server alpn=h2',
    'one 60 A 192.0.2.9',
    'server 60 A 192.0.2.2',
    'alias 60 HTTPS 0 pool',
    'pool 60 HTTPS 1 server alpn=h3',
    'pool 60 A 192.0.2.3',
    'none 60 HTTPS 0 .',
    'none 60 A 192.0.2.4',
    'self 60 HTTPS 1 self port=8443',
    'self 60 A 192.0.2.5',
    'away 60 HTTPS 1 cdn.example.net.',
    '_8443._foo.api 60 SVCB 1 server',
    'alone 60 SVCB 0 onlyhttps',
    'onlyhttps 60 HTTPS 1 .',
    '*.wild 60 HTTPS 1 .',
    '*.wild 60 A 192.0.2.6',
    'go 60 CNAME x.wild',
    'tight 60 HTTPS 0 wide',
    'wide 60 A 192.0.2.8',
    ...Array.from({ length: 20 }, (_, i) => `wide 60 HTTPS ${i + 1} server port=8443`),
    'many 60 HTTPS 1 server',
    'many 60 HTTPS 2 . port=8443',
    'many 60 HTTPS 3 Server port=8444',
    'many 60 A 192.0.2.7',
  ],
})

function along(name: string, type: number): string[] {
  const message = respond(query(name, type))
  const additional = message.readUInt16BE(10)
  // All of it, so that a pointer to a wrong place shows.
  const rrs = readRrs(message)
  return rrs
    .slice(rrs.length - additional)
    .map(({ owner, type, rdata }) => `${owner} ${type} ${rdata.toString('hex')}`)
}

t.test('what goes along', async (t) => {
  const binding = (priority: number, target: string, params: string) =>
    Buffer.concat([Buffer.of(0, priority), wireName(target), Buffer.from(params, 'hex')]).toString('hex')
  const rows: readonly (readonly [title: string, name: string, type: number, expected: readonly string[]])[] =
    [
      [
        'the root stands for the owner',
        'example.test',
        types.HTTPS,
        ['example.test. 1 c0000201', 'example.test. 28 20010db8000000000000000000000001'],
      ],
      ['the addresses of the target', 'one.example.test', types.HTTPS, ['server.example.test. 1 c0000202']],
      ['of SVCB', '_8443._foo.api.example.test', types.SVCB, ['server.example.test. 1 c0000202']],
      [
        "behind an alias the target's own binding, and not what it leads to",
        'alias.example.test',
        types.HTTPS,
        [
          'pool.example.test. 1 c0000203',
          `pool.example.test. 65 ${binding(1, 'server.example.test', '00010003026833')}`,
        ],
      ],
      ['the root as an alias says that there is no service', 'none.example.test', types.HTTPS, []],
      ['not the answer itself', 'self.example.test', types.HTTPS, ['self.example.test. 1 c0000205']],
      ['nothing of other zones', 'away.example.test', types.HTTPS, []],
      ['nothing of another type', 'alone.example.test', types.SVCB, []],
      [
        'a wildcard, for the name that was asked for',
        'Q.wild.example.test',
        types.HTTPS,
        ['Q.wild.example.test. 1 c0000206'],
      ],
      ['behind an alias', 'go.example.test', types.HTTPS, ['x.wild.example.test. 1 c0000206']],
      ['what fits', 'tight.example.test', types.HTTPS, ['wide.example.test. 1 c0000208']],
      [
        'each target once',
        'many.example.test',
        types.HTTPS,
        ['server.example.test. 1 c0000202', 'many.example.test. 1 c0000207'],
      ],
    ]
  for (const [title, name, type, expected] of rows) t.same(along(name, type), expected, title)
})
