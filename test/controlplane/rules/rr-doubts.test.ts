import t from 'tap'
import { rrDoubts } from '../../../src/controlplane/rules/rr-doubts.ts'

t.test('what an RR can hardly be meant to be', async (t) => {
  const table: [owner: string, type: string, data: string, ...doubts: RegExp[]][] = [
    ['a', 'A', '192.0.2.1'],
    ['a', 'A', '0.0.0.0', /unspecified/],
    ['a', 'AAAA', 'ff02::1', /multicast/],
    ['a', 'AAAA', '::ffff:192.0.2.1', /in the form of IPv6/],
    ['a', 'A', '127.0.0.1', /loopback/],
    ['localhost', 'A', '127.0.0.1'],
    ['@', 'DS', '1 13 2 AA', /digest/, /never at a zone's apex/],
    ['a', 'DS', `1 13 1 ${'AA'.repeat(20)}`, /there is none/],
    ['cut!', 'DS', `1 13 1 ${'AA'.repeat(20)}`],
    ['cut!', 'A', '192.0.2.1'],
    ['cut!', 'MX', '10 mail.example.net.', /data of the other side/],
    ['a', 'DNSKEY', '257 3 13 AQNRU3mG', /nowhere but at its apex/],
    ['@', 'DNSKEY', '257 3 13 AQNRU3mG'],
    ['_dsboot.z.test._signal.ns1', 'CDS', '0 0 0 00'],
    ['a', 'TXT', '"v=spf1" "mx" "-all"', /joined without blanks: "v=spf1mx-all\.\.\.";/],
    ['a', 'SPF', '"v=spf1 mx" "-all"', /joined/],
    ['a', 'TXT', '"v=spf1 mx " "-all"'],
    ['a', 'TXT', `"v=spf1 ${'ip4:192.0.2.1 '.repeat(12)}ip" "4:192.0.2.2 -all"`],
    ['a', 'TXT', '"other" "words"'],
    ['www.z.test', 'A', '192.0.2.1', /^www\.z\.test\.z\.test\. has the name of the zone twice/],
    ['z.test', 'A', '192.0.2.1', /^z\.test\.z\.test\. has the name/],
    ['wwwz.test', 'A', '192.0.2.1'],
    ['a', 'MX', '10 Mail.Z.test.z.TEST.', /^Mail\.Z\.test\.z\.TEST\. has the name/],
    ['a', 'CNAME', 'z.test.z.test.', /^z\.test\.z\.test\. has/],
    ['a', 'CNAME', 'xz.test.z.test.'],
    ['a', 'SVCB', '0 b.z.test. alpn="h2"', /with priority 0/],
    [
      'a',
      'HTTPS',
      '1 . ipv4hint=192.0.2.1,0.0.0.0 ipv6hint=ff02::1',
      /^ipv4hint: 0\.0\.0\.0 is unsp/,
      /^ipv6hint: .* multicast/,
    ],
    ['a', 'SVCB', '1 b. ipv4hint=192.0.2.1 ipv6hint=2001:db8::1'],
    ['a', 'CNAME', 'm\\195\\188ller.example.', /^m\\195\\188ller\.example\. has octets outside of ASCII/],
    ['a', 'MX', '10 m\\195\\188ller.example.', /^m\\195/],
    ['a', 'MX', '10 a\\032b\\.example.'],
    ['_ipp._tcp', 'PTR', 'B\\195\\188ro\\032Drucker._ipp._tcp.z.test.'],
    ['a', 'TXT', '"m\\195\\188ller"'],
    ['a', 'HTTPS', '1 . alpn="\\195\\188"'],
  ]
  for (const [owner, type, data, ...doubts] of table) {
    const cut = owner.endsWith('!')
    const found = rrDoubts('z.test', { owner: owner.replace('!', ''), type, data, cut })
    t.equal(found.length, doubts.length, `${owner} ${type} ${data}: ${found.join('; ')}`)
    t.match(found, doubts)
  }
  t.same(rrDoubts('test', { owner: 'a.test', type: 'NS', data: 'test.test.', cut: false }), [])
})
