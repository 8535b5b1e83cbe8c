import t from 'tap'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata, parseRdata, rdataDoubt } from '../../../src/dataplane/wire/rdata.ts'
import { TextError } from '../../../src/dataplane/wire/text-error.ts'

const origin = parseName('example.com.')
const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')
const foo = '03666f6f076578616d706c6503636f6d00'
const fooOrg = '03666f6f076578616d706c65036f726700'

t.test('vectors of RFC 9460 appendix D', async (t) => {
  const table: [string, string, string][] = [
    ['HTTPS', '0 foo.example.com.', `0000${foo}`],
    ['SVCB', '1 .', '000100'],
    ['SVCB', '16 foo.example.com. port=53', `0010${foo}000300020035`],
    ['SVCB', '1 foo.example.com. key667=hello', `0001${foo}029b000568656c6c6f`],
    ['SVCB', '1 foo.example.com. key667="hello\\210qoo"', `0001${foo}029b000968656c6c6fd2716f6f`],
    [
      'SVCB',
      '1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1"',
      `0001${foo}0006002020010db800000000000000000000000120010db8000000000000000000530001`,
    ],
    [
      'SVCB',
      '1 example.com. ipv6hint="2001:db8:122:344::192.0.2.33"',
      '0001076578616d706c6503636f6d000006001020010db80122034400000000c0000221',
    ],
    [
      'SVCB',
      '16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1',
      `0010${fooOrg}0000000400010004000100090268320568332d313900040004c0000201`,
    ],
    [
      'SVCB',
      '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"',
      `0010${fooOrg}0001000c08665c6f6f2c626172026832`,
    ],
    [
      'SVCB',
      '16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2',
      `0010${fooOrg}0001000c08665c6f6f2c626172026832`,
    ],
  ]
  for (const [type, text, octets] of table) t.equal(hex(parseRdata(type, text, origin)), octets, text)
})

t.test('parameters come out by rising key, with their names and quotes', async (t) => {
  const table: [string, string][] = [
    ['key65280 ohttp port=1 alpn=a', 'alpn="a" port=1 ohttp key65280'],
    ['key3="\\000\\053"', 'port=53'],
    ['key1=\\002h2', 'alpn="h2"'],
    ['key2="" alpn=h2', 'alpn="h2" no-default-alpn'],
    ['no-default-alpn alpn=h2 key8', 'alpn="h2" no-default-alpn ohttp'],
    ['key667=', 'key667'],
    ['key667=a=b', 'key667="a=b"'],
    ['key667="a b;\\"\\200"', 'key667="a b;\\"\\200"'],
    ['mandatory=key65280,port port=0443 key65280', 'mandatory=port,key65280 port=443 key65280'],
    ['ipv4hint="192.0.2.1,192.0.2.2"', 'ipv4hint=192.0.2.1,192.0.2.2'],
    ['ipv6hint=2001:DB8:0::1', 'ipv6hint=2001:db8::1'],
    ['ech="AEj+"', 'ech=AEj+'],
    ['dohpath=/dns-query{?dns}', 'dohpath="/dns-query{?dns}"'],
    ['dohpath=/\\195\\169{?a,dns}', 'dohpath="/\\195\\169{?a,dns}"'],
    ['key9=x', 'key9="x"'],
  ]
  for (const [text, canonical] of table) {
    const rdata = parseRdata('HTTPS', `1 . ${text}`, origin)
    t.equal(formatRdata(65, rdata), `1 . ${canonical}`, text)
    t.equal(hex(parseRdata('HTTPS', `1 . ${canonical}`, origin)), hex(rdata), `${text}, taken back`)
  }
})

t.test('what is refused, and why', async (t) => {
  const long = 'x'.repeat(256)
  const notKnown = 'is not a parameter that is known, nor key and a number up to 65534'
  const table: [string, string][] = [
    // RFC 9460 appendix D.3.
    ['1 . key123=abc key123=def', 'key123 stands there twice'],
    ['1 . mandatory', `mandatory: "" ${notKnown}`],
    ['1 . alpn', 'alpn: has an item that is not of 1 to 255 octets'],
    ['1 . port', 'port: "" is not a number from 0 to 65535'],
    ['1 . ipv4hint', 'ipv4hint: "" is not an IPv4 address'],
    ['1 . ipv6hint', 'ipv6hint: "" is not an IPv6 address'],
    ['1 . no-default-alpn=abc alpn=h2', 'no-default-alpn: does not fit: "abc"'],
    ['1 . mandatory=key123', 'key123 is mandatory and is not there'],
    ['1 . mandatory=mandatory', 'mandatory: does not fit: "mandatory"'],
    ['1 . mandatory=key123,key123 key123=abc', 'mandatory: names a key twice'],
    // The rest.
    ['1 . mandatory=port', 'port is mandatory and is not there'],
    ['1 . no-default-alpn', 'no-default-alpn stands there without alpn'],
    ['1 . ech', 'ech: does not fit: ""'],
    ['1 . ech=A', 'ech: is not base64'],
    ['1 . ohttp=1', 'ohttp: does not fit: "1"'],
    ['1 . port=65536', 'port: "65536" is not a number from 0 to 65535'],
    ['1 . port=x', 'port: "x" is not a number from 0 to 65535'],
    ['1 . ipv4hint=192.0.2.1,', 'ipv4hint: "" is not an IPv4 address'],
    ['1 . ipv6hint=192.0.2.1', 'ipv6hint: "192.0.2.1" is not an IPv6 address'],
    ['1 . alpn=h2,,h3', 'alpn: has an item that is not of 1 to 255 octets'],
    [`1 . alpn=${long}`, 'alpn: has an item that is not of 1 to 255 octets'],
    ['1 . alpn=a\\\\b', 'alpn: has a broken escape in its list'],
    ['1 . alpn=a\\\\', 'alpn: has a broken escape in its list'],
    ['1 . alpn=\\300', 'alpn: "\\300" has the escape \\300, above \\255'],
    ['1 . key1=\\003h2', 'key1: does not fit: "\\003h2"'],
    ['1 . key1=\\000', 'key1: does not fit: "\\000"'],
    ['1 . key0=\\000\\003\\000\\001 alpn=h2 port=1', 'key0: does not fit: "\\000\\003\\000\\001"'],
    ['1 . key0=\\255\\255', 'key0: does not fit: "\\255\\255"'],
    ['1 . key0=\\000', 'key0: does not fit: "\\000"'],
    ['1 . dohpath=dns{?dns}', 'dohpath: does not fit: "dns{?dns}"'],
    ['1 . dohpath=/q', 'dohpath: does not fit: "/q"'],
    ['1 . dohpath=/\\255{?dns}', 'dohpath: does not fit: "/\\255{?dns}"'],
    ['1 . key65535=a', `"key65535" ${notKnown}`],
    ['1 . key01=a', `"key01" ${notKnown}`],
    ['1 . ALPN=h2', `"ALPN" ${notKnown}`],
    ['1 . x', `"x" ${notKnown}`],
    ['1 . =x', `"" ${notKnown}`],
    ['1 . "alpn=h2"', '"alpn=h2" is not a parameter'],
    [`1 . key667=${'x'.repeat(65536)}`, 'key667: is longer than 65535 octets'],
  ]
  for (const [text, message] of table) {
    const expected = new TextError(`SVCB params: ${message}`)
    t.throws(() => parseRdata('SVCB', text, origin), expected, text.slice(0, 60))
  }
  const alias = formatRdata(65, parseRdata('HTTPS', '0 foo alpn=h2', origin))
  t.match(rdataDoubt('HTTPS', alias), 'with priority 0 it is an alias, whose parameters are ignored')
  t.equal(rdataDoubt('HTTPS', '0 foo.example.test.'), null)
  t.equal(rdataDoubt('HTTPS', '1 foo.example.test. alpn="h2"'), null)
})

t.test('octets in an order or of a length that the RFC forbids', async (t) => {
  const table = ['00', '000300', '00030002', '0003000200', '000300020035000300020035', '00040000000300020035']
  for (const octets of [...table, 'ffff0000', '00030003003500', '00020000', '000000020003']) {
    t.throws(
      () => formatRdata(64, Buffer.from(`000100${octets}`, 'hex')),
      new TextError('SVCB params: the octets are malformed'),
      octets,
    )
  }
})
