/** From what a worker leaves for the query log to what is kept of it. */
import t from 'tap'
import type { LoggedQuery } from '../../../src/controlplane/model/logged-query.ts'
import { readFrames } from '../../../src/controlplane/queries/read-frames.ts'
import { allocateTapRing, TapReader } from '../../../src/dataplane/tap-ring.ts'
import { Served } from '../../dataplane/answer/served.ts'
import { leaf } from '../../dataplane/trees.ts'
import { query } from '../../support/dns-client.ts'

const usual = { ipv4: 24, ipv6: 56 }
const zones = [{ apex: 'one.test', lines: ['a 60 A 192.0.2.9', '\\.x 60 A 192.0.2.9'], services: { www: 0 } }]

function serve(stream = false) {
  const ring = allocateTapRing()
  const queryLog = { queries: false, responses: true, every: 1, identity: '', version: '' }
  const members = ['192.0.2.1', '192.0.2.2']
  const plan = leaf(members, { answers: 2 }, 11)
  const served = new Served(zones, [plan], { stream, queryLog: ring, settings: { queryLog } })
  const reader = new TapReader(ring)
  const frames = () => {
    const read = reader.read().slice()
    reader.take(read.length)
    return read
  }
  const taken = (kept = usual): LoggedQuery[] => readFrames(frames(), kept)
  return { served, frames, taken }
}

const label = (slot: number, text: string) => [slot, new TextEncoder().encode(text)] as const

t.test('a name, its type, the rcode, the octets and the time', async (t) => {
  const { served, taken } = serve()
  const before = Date.now()
  const response = served.respond(query('A.one.test', 'A'))!
  served.respond(query('nx.one.test', 'AAAA'))
  served.respond(query('.', 'ANY'))
  const [found, missing, refused] = taken()
  const client = '192.0.2.0/24'
  const { at, ...rest } = found!
  // The clock of a batch is ticked by its transport, which is not there.
  t.ok(at.getTime() > before - 60_000 && at.getTime() <= Date.now())
  t.same(rest, {
    client,
    transport: 'udp',
    name: 'a.one.test',
    type: 'A',
    rcode: 'NOERROR',
    octets: response.length,
    answered: [],
  })
  t.match(missing, { name: 'nx.one.test', type: 'AAAA', rcode: 'NXDOMAIN' })
  t.match(refused, { name: '.', type: 'ANY', rcode: 'REFUSED' })
  served.respond(query('\\.x.one.test', 'A'))
  t.match(taken(), [{ name: '\\.x.one.test' }])
})

t.test('who answered', async (t) => {
  const { served, taken } = serve()
  served.respond(query('www.one.test', 'A'))
  t.same(taken()[0]!.answered, [], 'nobody has said yet what they are called')
  served.state.apply({
    generation: 2,
    labels: [
      label(11, 'service=www.one.test pool=a; member=m;'),
      label(12, 'service=www.one.test pool=a; member=n'),
    ],
  })
  served.respond(query('www.one.test', 'A'))
  const [answered] = taken()
  t.same(
    answered!.answered.toSorted((one, two) => one.member.localeCompare(two.member)),
    ['m;', 'n'].map((member) => ({ service: 'www.one.test', pool: 'a;', member })),
  )
})

t.test('of the address of a client what is to be kept', async (t) => {
  const { served, taken } = serve(true)
  const of = (address: string, kept: typeof usual) => {
    served.clientAddress = address
    served.respond(query('a.one.test', 'A'))
    const [{ client, transport }] = taken(kept) as [LoggedQuery]
    t.equal(transport, 'tcp')
    return client
  }
  t.equal(of('198.51.100.77', usual), '198.51.100.0/24')
  t.equal(of('198.51.100.255', { ipv4: 29, ipv6: 56 }), '198.51.100.248/29')
  t.equal(of('198.51.100.77', { ipv4: 32, ipv6: 128 }), '198.51.100.77')
  t.equal(of('198.51.100.77', { ipv4: 0, ipv6: 0 }), '0.0.0.0/0')
  t.equal(of('2001:db8:1:2ff:3::4', usual), '2001:db8:1:200::/56')
  t.equal(of('2001:db8:1:2ff:3::4', { ipv4: 32, ipv6: 128 }), '2001:db8:1:2ff:3::4')
  t.equal(of('2001:db8:1:2ff:3::4', { ipv4: 32, ipv6: 0 }), '::/0')
})

t.test('what has no question, and an rcode that needs the OPT', async (t) => {
  const { served, taken } = serve()
  served.respond(Buffer.from('000701000002000000000000', 'hex'))
  served.respond(query('a.one.test', 'A', { edns: { version: 1 } }))
  served.respond(query('a.one.test', 'MX', { edns: {} }))
  const [broken, version, nodata] = taken()
  t.match(broken, { name: null, type: null, rcode: 'FORMERR' })
  t.match(version, { name: 'a.one.test', type: 'A', rcode: 'BADVERS' })
  t.match(nodata, { rcode: 'NOERROR' })
})

t.test('what is cut short, wherever, is an error', async (t) => {
  const { served, frames } = serve()
  served.respond(query('a.one.test', 'A'))
  const whole = Buffer.from(frames())
  t.equal(readFrames(whole, usual).length, 1)
  for (let length = 5; length < whole.length; length++) {
    const part = Buffer.from(whole.subarray(0, length))
    // Its own length is that of what is left.
    part.writeUInt32BE(length - 4)
    t.throws(() => readFrames(part, usual), `after ${length} octets`)
  }
  const response = whole.indexOf(Buffer.from('\x01a\x03one'))
  const endless = Buffer.from(whole)
  endless.fill(0x3f, response, response + 10)
  t.throws(() => readFrames(endless, usual), 'a name that does not end')
})
