/** EDNS and its options, a test a line. */
import t, { type Test } from 'tap'
import { type EdnsFields, query, readResponse, type TypeName } from '../support/dns-client.ts'
import {
  apex,
  exchange,
  identity,
  option,
  optionsOf,
  type Serving,
  serve,
  soaLine,
  type Way,
} from './serving.ts'

const codes = { nsid: 3, subnet: 8, cookie: 10, keepalive: 11, padding: 12, extendedError: 15 } as const
const formerr = 1
const nxdomain = 3
const refused = 5
const badvers = 16
const dnssecOk = 0x8000
const clientCookie = '0102030405060708'

let serving: Serving
t.before(async () => {
  serving = await serve()
})
t.teardown(() => serving[Symbol.asyncDispose]())

async function ask(way: Way, edns: EdnsFields, name = apex, type: TypeName | number = 'SOA') {
  const octets = await exchange(way, query(name, type, { flags: 0, edns }))
  return { ...readResponse(octets), options: optionsOf(octets) }
}

/** A test that is run each way. */
function each(title: string, run: (t: Test, way: Way) => Promise<void>): void {
  t.test(title, async (t) => {
    for (const way of serving.ways) await t.test(way.label, (t) => run(t, way))
  })
}

each('none asked, none answered', async (t, way) => {
  for (const name of [apex, `no.${apex}`, 'example.net'])
    t.equal(readResponse(await exchange(way, query(name, 'SOA'))).edns, null, name)
})

each('version 1: BADVERS with an OPT of version 0 and no answer', async (t, way) => {
  const all: readonly EdnsFields[] = [
    { version: 1 },
    { version: 255 },
    { version: 1, flags: 0x7fff },
    { version: 1, flags: dnssecOk },
    { version: 1, options: option(100, 'aabb') },
  ]
  for (const edns of all) {
    const response = await ask(way, edns)
    t.equal(response.rcode, badvers)
    t.equal(response.flags, 'qr')
    t.strictSame([...response.answer, ...response.authority, ...response.additional], [])
    t.equal(response.edns?.version, 0)
    t.equal((response.edns?.flags ?? 0) & 0x7fff, 0)
  }
})

each('an unknown option is ignored and not echoed', async (t, way) => {
  const { rcode, answer, options } = await ask(way, { options: option(100, 'aabb') })
  t.equal(rcode, 0)
  t.strictSame(answer, [soaLine])
  t.strictSame(options, {})
})

each('unknown flags are cleared', async (t, way) => {
  t.equal((await ask(way, { flags: 0x7fff })).edns?.flags, 0)
})

each('DO is echoed', async (t, way) => {
  t.equal((await ask(way, { flags: dnssecOk })).edns?.flags, dnssecOk)
  t.equal((await ask(way, { flags: dnssecOk }, `no.${apex}`)).edns?.flags, dnssecOk, 'with NXDOMAIN')
  t.equal((await ask(way, { flags: dnssecOk }, 'example.net')).edns?.flags, dnssecOk, 'with REFUSED')
})

each('1232 octets are announced', async (t, way) => {
  for (const payload of [0, 512, 1232, 65_535]) t.equal((await ask(way, { payload })).edns?.payload, 1232)
})

t.test('never more than the client offered, nor than 1232, at least 512, no part of an RRset', async (t) => {
  const rows: readonly (readonly [name: string, payload: number, truncated: boolean])[] = [
    ['large', 0, true],
    ['large', 511, true],
    ['large', 512, true],
    ['large', 1060, true],
    ['large', 1100, false],
    ['large', 65_535, false],
    ['huge', 1232, true],
    ['huge', 65_535, true],
  ]
  for (const way of serving.ways) {
    for (const [name, payload, truncated] of rows) {
      const response = await ask(way, { payload }, `${name}.${apex}`, 'TXT')
      const empty = truncated && way.transport === 'udp'
      t.equal(response.flags, empty ? 'qr aa tc' : 'qr aa', `${way.label}: ${name} in ${payload}`)
      t.equal(response.answer.length, empty ? 0 : 1)
      t.ok(response.edns, 'an OPT')
      if (way.transport === 'udp') t.ok(response.length <= Math.max(512, Math.min(payload, 1232)))
    }
    const small = await ask(way, { payload: 0 }, `www.${apex}`, 'A')
    t.equal(small.flags, 'qr aa', 'a payload below 512 is 512')
    const plain = readResponse(await exchange(way, query(`large.${apex}`, 'TXT', { flags: 0 })))
    t.equal(plain.flags, way.transport === 'udp' ? 'qr aa tc' : 'qr aa', 'without EDNS 512')
  }
})

each('errors have an OPT', async (t, way) => {
  const rows: readonly (readonly [name: string, type: TypeName | number, edns: EdnsFields, rcode: number])[] =
    [
      [`no.${apex}`, 'A', {}, nxdomain],
      ['example.net', 'A', {}, refused],
      [apex, 'AXFR', {}, refused],
      [apex, 'SOA', { options: option(codes.cookie, '01') }, formerr],
      [apex, 'SOA', { version: 1 }, badvers],
    ]
  for (const [name, type, edns, rcode] of rows) {
    const response = await ask(way, edns, name, type)
    t.equal(response.rcode, rcode)
    t.equal(response.edns?.version, 0)
  }
})

each('NSID (RFC 5001)', async (t, way) => {
  const { options } = await ask(way, { options: option(codes.nsid) })
  t.strictSame(options, { [codes.nsid]: Buffer.from(identity).toString('hex') })
})

each('a cookie (RFC 7873, RFC 9018)', async (t, way) => {
  const first = await ask(way, { options: option(codes.cookie, clientCookie) })
  const cookie = first.options[codes.cookie]!
  t.match(cookie, new RegExp(`^${clientCookie}01000000[0-9a-f]{24}$`))
  t.equal(first.rcode, 0)
  const again = await ask(way, { options: option(codes.cookie, cookie) })
  t.equal(again.rcode, 0)
  t.match(again.options[codes.cookie], new RegExp(`^${clientCookie}01000000`))
  const foreign = await ask(way, { options: option(codes.cookie, `${clientCookie}${'ff'.repeat(32)}`) })
  t.strictSame(foreign.answer, [soaLine], 'one that is not ours is no reason to refuse')
})

each('a cookie of a bad length: FORMERR', async (t, way) => {
  for (const length of [0, 1, 7, 9, 15, 41]) {
    const bad = option(codes.cookie, Buffer.alloc(length))
    const { rcode, answer, options } = await ask(way, { options: Buffer.concat([option(codes.nsid), bad]) })
    t.equal(rcode, formerr, `${length} octets`)
    t.strictSame(answer, [])
    t.strictSame(options, {}, 'and nothing is echoed')
  }
})

each('client subnet (RFC 7871): family, source and address echoed, scope 0', async (t, way) => {
  for (const subnet of [
    '00011800c63364',
    '00012000c6336401',
    '0002300020010db80000',
    '00010000',
    '00000000',
  ]) {
    const { rcode, options } = await ask(way, { options: option(codes.subnet, subnet) })
    t.equal(rcode, 0, subnet)
    t.equal(options[codes.subnet], subnet)
  }
})

each('a client subnet that is malformed: FORMERR', async (t, way) => {
  const malformed = [
    '',
    '0001',
    '000118',
    '00011800c633',
    '00011800c6336401',
    '00011800c63364ff00',
    '00011818c63364',
  ]
  for (const subnet of [...malformed, '00011700c63365', '00012100c633640100', '00030000', '0002810020']) {
    const { rcode, options } = await ask(way, { options: option(codes.subnet, subnet) })
    t.equal(rcode, formerr, subnet)
    t.strictSame(options, {}, 'and not echoed')
  }
})

each('an extended error (RFC 8914)', async (t, way) => {
  t.equal((await ask(way, {}, 'example.net')).options[codes.extendedError], '0014', 'Not Authoritative')
  t.equal((await ask(way, {}, apex, 'AXFR')).options[codes.extendedError], '0015', 'Not Supported')
  t.equal((await ask(way, {})).options[codes.extendedError], undefined)
})

each('keepalive (RFC 7828) over TCP only', async (t, way) => {
  const { options } = await ask(way, { options: option(codes.keepalive) })
  t.strictSame(options, way.transport === 'tcp' ? { [codes.keepalive]: '0064' } : {})
})

each('padding (RFC 7830) is not for a transport that is not encrypted', async (t, way) => {
  const { rcode, options } = await ask(way, { options: option(codes.padding, '00'.repeat(64)) })
  t.equal(rcode, 0)
  t.strictSame(options, {})
})

each('several options at once', async (t, way) => {
  const all = [option(codes.nsid), option(codes.cookie, clientCookie), option(codes.subnet, '00011800c63364')]
  const { options } = await ask(way, { options: Buffer.concat(all) })
  t.strictSame(Object.keys(options), ['3', '8', '10'])
})
