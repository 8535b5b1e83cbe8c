/** The queries by which RFC 8906, section 8, tests a server, each over UDP and TCP and over IPv4 and IPv6. */
import t from 'tap'
import { flagBits, type QueryFields, query, readResponse, type TypeName } from '../support/dns-client.ts'
import { apex, exchange, option, optionsOf, serve, soaLine } from './serving.ts'

interface Expected {
  readonly rcode: number
  readonly opcode?: number
  /** All bits that are set; those that the RFC wants clear or does not ask for are not there. */
  readonly flags: string
  readonly answer: readonly string[]
  /** null for no OPT. */
  readonly edns: { readonly version: number; readonly flags: number } | null
}

interface Test {
  readonly section: string
  readonly title: string
  readonly message: Buffer
  readonly expected: Expected
}

const soa = [soaLine]
const noerror = 0
const notimp = 4
const badvers = 16
const dnssecOk = 0x8000
const expire = 9
const subnet = '00010000'

function ask(type: TypeName | number, fields: QueryFields): Buffer {
  return query(apex, type, { flags: 0, ...fields })
}

/** A header and nothing else, as `dig +header-only`. */
function headerOnly(opcode: number): Buffer {
  return Buffer.of(0x12, 0x34, opcode << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

const plain = { rcode: noerror, flags: 'qr aa', answer: soa, edns: null }
const extended = { ...plain, edns: { version: 0, flags: 0 } }
const unsupported = { rcode: badvers, flags: 'qr', answer: [], edns: { version: 0, flags: 0 } }

const tests: readonly Test[] = [
  { section: '8.1.1', title: 'the zone', message: ask('SOA', {}), expected: plain },
  { section: '8.1.2', title: 'unknown type', message: ask(1000, {}), expected: { ...plain, answer: [] } },
  { section: '8.1.3.1', title: 'CD=1', message: ask('SOA', { flags: flagBits.cd }), expected: plain },
  { section: '8.1.3.2', title: 'AD=1', message: ask('SOA', { flags: flagBits.ad }), expected: plain },
  { section: '8.1.3.3', title: 'reserved bit', message: ask('SOA', { flags: flagBits.z }), expected: plain },
  {
    section: '8.1.3.4',
    title: 'recursion desired',
    message: ask('SOA', { flags: flagBits.rd }),
    expected: { ...plain, flags: 'qr aa rd' },
  },
  {
    section: '8.1.4',
    title: 'unknown opcode',
    message: headerOnly(15),
    expected: { rcode: notimp, opcode: 15, flags: 'qr', answer: [], edns: null },
  },
  { section: '8.2.1', title: 'minimal EDNS', message: ask('SOA', { edns: {} }), expected: extended },
  {
    section: '8.2.2',
    title: 'EDNS version 1',
    message: ask('SOA', { edns: { version: 1 } }),
    expected: unsupported,
  },
  {
    section: '8.2.3',
    title: 'unknown option',
    message: ask('SOA', { edns: { options: option(100) } }),
    expected: extended,
  },
  {
    section: '8.2.4',
    title: 'unknown flag',
    message: ask('SOA', { edns: { flags: 0x40 } }),
    expected: extended,
  },
  {
    section: '8.2.5',
    title: 'EDNS version 1 with an unknown flag',
    message: ask('SOA', { edns: { version: 1, flags: 0x40 } }),
    expected: unsupported,
  },
  {
    section: '8.2.6',
    title: 'EDNS version 1 with an unknown option',
    message: ask('SOA', { edns: { version: 1, options: option(100) } }),
    expected: unsupported,
  },
  {
    section: '8.2.7',
    title: 'small payload and DO',
    message: ask(48, { edns: { payload: 512, flags: dnssecOk } }),
    expected: { ...plain, answer: [], edns: { version: 0, flags: dnssecOk } },
  },
  {
    section: '8.2.8',
    title: 'DO=1',
    message: ask('SOA', { edns: { flags: dnssecOk } }),
    expected: { ...plain, edns: { version: 0, flags: dnssecOk } },
  },
  {
    section: '8.2.9',
    title: 'EDNS version 1 with DO=1',
    message: ask('SOA', { edns: { version: 1, flags: dnssecOk } }),
    expected: { ...unsupported, edns: { version: 0, flags: dnssecOk } },
  },
  {
    section: '8.2.10',
    title: 'several defined options',
    message: ask('SOA', {
      edns: {
        options: Buffer.concat([
          option(3),
          option(10, '0102030405060708'),
          option(expire),
          option(8, subnet),
        ]),
      },
    }),
    expected: extended,
  },
]

t.test('RFC 8906 section 8', async (t) => {
  const serving = await serve()
  t.teardown(() => serving[Symbol.asyncDispose]())
  for (const way of serving.ways) {
    await t.test(way.label, async (t) => {
      for (const { section, title, message, expected } of tests) {
        const octets = await exchange(way, message)
        const response = readResponse(octets)
        const { rcode, flags, answer, edns } = response
        t.strictSame(
          {
            rcode,
            opcode: response.opcode,
            flags,
            answer,
            edns: edns === null ? null : { version: edns.version, flags: edns.flags },
          },
          { opcode: 0, ...expected },
          `${section} ${title}`,
        )
        t.notOk(100 in optionsOf(octets), `${section} no unknown option comes back`)
      }
    })
  }
  t.equal(
    serving.ways.filter(({ transport }) => transport === 'tcp').length * 2,
    serving.ways.length,
    '8.1.5 TCP',
  )
})
