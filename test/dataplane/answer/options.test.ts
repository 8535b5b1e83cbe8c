import { decode } from 'dns-packet'
import t from 'tap'
import type { AnswerSettings } from '../../../src/dataplane/image/answer-settings.ts'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { optRecord, query, type TypeName, u16Octets, wireName } from '../../support/dns-client.ts'
import { leaf, located, ranges } from '../trees.ts'
import type { ZoneText } from '../zone-text.ts'
import { subnetOption, subnetQuery } from './client-subnet.ts'
import { Served, type ServeOptions } from './served.ts'

const zone = { apex: 'example.test', lines: ['@ 300 NS ns1', 'ns1 300 A 192.0.2.53', 'a 300 A 192.0.2.1'] }
const key = Uint8Array.from({ length: 16 }, (_, i) => i)
const clientCookie = '0102030405060708'

const serve = (settings: Partial<AnswerSettings> = {}, options: ServeOptions = {}) =>
  new Served([zone], [], { ...options, settings })

/** One option in wire form. */
const option = (code: number, hex = '') => {
  const data = Buffer.from(hex, 'hex')
  return Buffer.concat([u16Octets(code, data.length), data])
}

/** Options of the response by code as hexadecimal digits, and the rcode. */
function ask(served: Served, ...options: Buffer[]) {
  const response = served.respond(
    query('a.example.test', 'A', { edns: { options: Buffer.concat(options) } }),
  )!
  return {
    rcode: served.exchange(query('a.example.test', 'A', { edns: { options: Buffer.concat(options) } })).rcode,
    options: optionsOf(response),
  }
}

function optionsOf(response: Buffer): Record<number, string> {
  const opt = decode(response).additionals!.at(-1) as unknown as { options: { code: number; data: Buffer }[] }
  return Object.fromEntries(opt.options.map(({ code, data }) => [code, data.toString('hex')]))
}

t.test('NSID for those who ask (RFC 5001)', async (t) => {
  const nsid = Buffer.from('node-1')
  t.same(ask(serve({ nsid }), option(3)).options, { 3: nsid.toString('hex') })
  t.same(ask(serve({ nsid })).options, {}, 'not asked for')
  t.same(ask(serve(), option(3)).options, {}, 'none to tell')
})

t.test('unknown options are ignored and not echoed (RFC 6891)', async (t) => {
  t.same(ask(serve(), option(65001, 'aabb'), option(12, '0000')), { rcode: 0, options: {} })
})

t.test('client subnet is echoed with scope 0 (RFC 7871)', async (t) => {
  for (const subnet of [
    '00011800c63364',
    '0001200 0c0000201'.replace(' ', ''),
    '00010000',
    '00023000' + '20010db80000',
    '00000000',
  ]) {
    t.same(ask(serve(), option(8, subnet)), { rcode: 0, options: { 8: subnet } }, subnet)
  }
  const malformed = [
    '',
    '0001',
    '00012100c000020100',
    '00028100',
    '00031800c63364',
    '00011800c633',
    '00011800c6336401',
    '00011808c63364',
    '00011700c63301',
  ]
  for (const subnet of malformed) t.equal(ask(serve(), option(8, subnet)).rcode, 1, `FORMERR for ${subnet}`)
})

t.test('cookies (RFC 7873, RFC 9018)', async (t) => {
  const served = serve({ cookieKeys: [key] })
  const { options } = ask(served, option(10, clientCookie))
  t.match(options[10], new RegExp(`^${clientCookie}01000000[0-9a-f]{24}$`))
  t.match(ask(served, option(10, options[10]!)), {
    rcode: 0,
    options: { 10: new RegExp(`^${clientCookie}01`) },
  })
  t.equal(
    ask(served, option(10, `${clientCookie}${'00'.repeat(32)}`)).rcode,
    0,
    'a wrong one is as good as none',
  )
  for (const bad of ['', '01020304050607', `${clientCookie}00`, `${clientCookie}${'00'.repeat(33)}`]) {
    t.equal(ask(served, option(10, bad)).rcode, 1, `FORMERR for ${bad.length / 2} octets`)
  }
  t.same(
    ask(serve(), option(10, clientCookie)),
    { rcode: 0, options: {} },
    'without a key there are no cookies',
  )
})

t.test('a query with a cookie and no question learns ours (RFC 7873 section 5.4)', async (t) => {
  const served = serve({ cookieKeys: [key] })
  const bare = (records: number, rest: Buffer) => Buffer.concat([u16Octets(7, 0, 0, 0, 0, records), rest])
  const cookie = option(10, clientCookie)
  const response = served.respond(bare(1, optRecord({ options: cookie })))!
  t.match(served.exchange(bare(1, optRecord({ options: cookie }))), { rcode: 0, question: null, answer: [] })
  t.match(optionsOf(response)[10], /^0102030405060708/)
  t.equal(served.exchange(bare(1, optRecord({}))).rcode, 1, 'no cookie')
  t.equal(served.exchange(bare(0, Buffer.alloc(0))).rcode, 1, 'nothing at all')
  t.equal(served.exchange(bare(1, optRecord({ version: 1 }))).rcode, 16)
  const address = Buffer.concat([wireName('a.test'), u16Octets(1, 1, 0, 0, 4), Buffer.of(192, 0, 2, 1)])
  t.equal(served.exchange(bare(1, address)).rcode, 1, 'another record')
})

t.test('keepalive over a stream (RFC 7828)', async (t) => {
  t.same(ask(serve({}, { stream: true }), option(11)).options, { 11: '0064' })
  t.same(ask(serve(), option(11)).options, {}, 'not over UDP')
  t.equal(ask(serve(), option(11, '0064')).rcode, 1, 'a query carries no timeout')
})

t.test('extended errors (RFC 8914)', async (t) => {
  const served = serve()
  const error = (name: string, type: 'A' | 'AXFR', fields = {}) =>
    optionsOf(served.respond(query(name, type, { edns: {}, ...fields }))!)[15]
  t.equal(error('other.test', 'A'), '0014', 'not authoritative')
  t.equal(error('example.test', 'AXFR'), '0015', 'not supported')
  t.equal(error('example.test', 'A', { class: 3 }), '0012', 'prohibited')
  t.equal(error('a.example.test', 'A'), undefined)
})

t.test('class CH answers what the operator has set (RFC 4892)', async (t) => {
  const chaos = [{ name: parseName('version.bind.'), text: 'pooldns' }]
  const served = serve({ chaos })
  const ch = { class: 3 } as const
  const response = served.ask('Version.Bind', 'TXT', ch)
  t.match(response, { rcode: 0, flags: 'qr aa rd' })
  t.equal(response.answer.length, 1)
  t.match(response.answer[0], /^Version\.Bind 0 TXT "?pooldns"?$/)
  t.equal(served.ask('version.bind', 'A', ch).rcode, 5)
  t.equal(served.ask('hostname.bind', 'TXT', ch).rcode, 5)
  t.equal(serve().ask('version.bind', 'TXT', ch).rcode, 5, 'by default nothing is said')
})

t.test('a text of class CH that does not fit makes the response truncated', async (t) => {
  const name = `${'n'.repeat(60)}.`.repeat(4)
  const chaos = [{ name: parseName(name), text: 'x'.repeat(255) }]
  const ask = (fields = {}) => serve({ chaos }).ask(name, 'TXT', { class: 3, ...fields })
  t.match(ask(), { rcode: 0, flags: 'qr aa tc rd', answer: [] })
  t.match(ask({ edns: {} }).answer, [/ TXT "?x{255}"?$/], 'as long as a text may be')
})

t.test(
  'rate limiting: what is above the limit is dropped or truncated, and a cookie proves the client',
  async (t) => {
    const rateLimit = { perSecond: 3, slip: 2, logOnly: false, exempt: [] }
    const served = serve({ rateLimit, cookieKeys: [key] })
    const plain = query('a.example.test', 'A')
    const flags = Array.from({ length: 7 }, () => served.respond(plain)).map((octets) =>
      octets === null ? 'silence' : (octets[2]! & 2) === 0 ? 'whole' : 'truncated',
    )
    t.same(flags, ['whole', 'whole', 'whole', 'silence', 'truncated', 'silence', 'truncated'])
    t.same(served.limited(), { drop: 2, slip: 2, log: 0 })
    t.match(served.counted(), { 'drop rate-limit': 2, NOERROR: 5 })

    const other = serve({ rateLimit, cookieKeys: [key] })
    other.clientAddress = '198.51.100.1'
    const cookie = ask(other, option(10, clientCookie)).options[10]!
    for (let i = 0; i < 10; i++) t.equal(ask(other, option(10, cookie)).rcode, 0, 'a client with its cookie')
    const logged = serve({ rateLimit: { ...rateLimit, logOnly: true } })
    for (let i = 0; i < 10; i++) t.ok(logged.respond(plain))
    t.equal(logged.limited().log, 7)
    const stream = serve({ rateLimit }, { stream: true })
    for (let i = 0; i < 10; i++) t.ok(stream.respond(plain), 'a stream has proved its client')
  },
)

t.test('a client without its cookie gets no more than it may', async (t) => {
  const name = 'version.bind'
  const chaos = [{ name: parseName(`${name}.`), text: 'x'.repeat(200) }]
  const asked = { class: 3 }
  const capped = serve({ chaos, noCookieOctets: 200, cookieKeys: [key] })
  t.match(capped.ask(name, 'TXT', { ...asked, edns: {} }), { rcode: 0, flags: 'qr aa tc rd', answer: [] })
  t.match(capped.ask(name, 'TXT', asked), { flags: 'qr aa tc rd', answer: [] }, 'without an OPT')
  t.match(capped.ask('a.example.test', 'A'), { flags: 'qr aa rd' }, 'what is short goes out')
  const cookie = ask(capped, option(10, clientCookie)).options[10]!
  const proved = capped.ask(name, 'TXT', { ...asked, edns: { options: option(10, cookie) } })
  t.match(proved, { flags: 'qr aa rd' }, 'with its cookie')
  const stream = serve({ chaos, noCookieOctets: 200 }, { stream: true })
  t.match(stream.ask(name, 'TXT', asked), { flags: 'qr aa rd' })
})

t.test('each kind of response has its own limit', async (t) => {
  const served = serve({ rateLimit: { perSecond: 1, slip: 0, logOnly: false, exempt: [] } })
  const kinds: [string, 'A' | 'TXT'][] = [
    ['a.example.test', 'A'],
    ['a.example.test', 'TXT'],
    ['nx.example.test', 'A'],
    ['other.test', 'A'],
  ]
  for (const [name, type] of kinds) {
    t.ok(served.respond(query(name, type)), `${name} ${type}`)
    t.equal(served.respond(query(name, type)), null)
  }
})

t.test(
  'answers that were chosen for client subnets do not limit the resolver that asks for them',
  async (t) => {
    const rateLimit = { perSecond: 200, slip: 0, logOnly: false, exempt: [] }
    const plain: ZoneText = {
      apex: 'example.test',
      lines: Array.from({ length: 40 }, (_, i) => `plain 60 A 192.0.2.${i}`),
      services: { www: 0 },
    }
    const addresses = Array.from({ length: 40 }, (_, i) => `192.0.2.${i}`)
    const chosen = located(0, leaf(addresses, { answers: 40 }))
    const map = ranges({ '0.0.0.0': 0, '10.1.0.0': 1 }, { '::': 0 })
    const passed = (name: string) => {
      const served = new Served([plain], [chosen], { settings: { rateLimit }, maps: [map] })
      return Array.from({ length: 1000 }, (_, i) =>
        served.respond(subnetQuery(`${name}.example.test`, 'A', `10.${i >> 8}.${i & 255}.0`, 24)),
      ).filter((octets) => octets !== null).length
    }
    t.equal(passed('www'), 1000, 'a thousand networks in one moment')
    t.ok(passed('plain') < 500, 'that of all others counts whole')
  },
)

t.test('rate limiting goes by what is asked: a resolver asks many things, a flood one', async (t) => {
  const rateLimit = { perSecond: 3, slip: 0, logOnly: false, exempt: [] }
  const zone: ZoneText = {
    apex: 'example.test',
    lines: [
      '@ 60 NS ns1',
      'ns1 60 A 192.0.2.53',
      '*.w 60 A 192.0.2.1',
      'sub 60 NS ns.sub',
      'ns.sub 60 A 192.0.2.54',
      'away 60 CNAME x.sub',
    ],
  }
  const settings = { rateLimit, cookieKeys: [key] }
  const passed = (ask: (served: Served, i: number) => Buffer | null) => {
    const served = new Served([zone], [], { settings })
    return Array.from({ length: 30 }, (_, i) => ask(served, i)).filter((octets) => octets !== null).length
  }
  const asked = (name: string, type: TypeName, options?: Buffer) => (served: Served, i: number) =>
    served.respond(query(name.replace('#', String(i)), type, options && { edns: { options } }))
  const bySubnet = (name: string, type: TypeName, source: number) => (served: Served, i: number) =>
    asked(name, type, subnetOption(source === 0 ? '0.0.0.0' : `10.1.${i}.0`, source))(served, i)

  t.equal(passed(asked('a.w.example.test', 'A')), 3, 'the same again and again')
  t.equal(passed(asked('#.w.example.test', 'A')), 30, 'many names')
  t.equal(passed(asked('#.w.example.test', 'AAAA')), 30, 'many names without data')
  t.equal(passed(asked('a.w.example.test', 'AAAA')), 3)
  t.equal(passed(bySubnet('a.w.example.test', 'A', 24)), 30, 'for many client subnets')
  t.equal(passed(bySubnet('a.w.example.test', 'AAAA', 24)), 30)
  t.equal(passed(bySubnet('a.w.example.test', 'A', 0)), 3, 'for one that is not told')
  t.equal(passed(asked('#.example.test', 'A')), 3, 'names that do not exist are one flood')
  t.equal(passed(asked('#.sub.example.test', 'A')), 3, 'and so are names below a cut')
  t.equal(passed(asked('#.other.test', 'A')), 3, 'and names of others')
  t.equal(passed(asked('away.example.test', 'A')), 3)
  const cookieOnly = Buffer.from(
    '123400000000000000000001' + '00002904d000000000000c000a0008' + '0123456789abcdef',
    'hex',
  )
  t.equal(
    passed((served) => served.respond(cookieOnly)),
    3,
    'no question at all',
  )
})
