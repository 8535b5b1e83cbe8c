/** Random and mangled packets through `respond`: reproducible from a seed, which `FUZZ_SEED` overrides. */
import t from 'tap'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { Random } from '../../../src/dataplane/random.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { optRecord, query, readResponse, typeNumbers, u16Octets, wireName } from '../../support/dns-client.ts'
import { alias, hashed, leaf, located, prefix, ranges, weighted } from '../trees.ts'
import { Served } from './served.ts'

const packets = 100_000
const seed = Number(process.env.FUZZ_SEED ?? 20_260_301)
const random = new Random(seed)

const plan: AnswerNode = {
  kind: 'answer',
  gives: 'addresses',
  select: 'weighted',
  answers: 2,
  ttlSeconds: 30,
  candidates: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1'].map((text, i) => ({
    address: parseAddress(text)!,
    weight: i + 1,
    counter: i,
    key: i,
  })),
}
const zones = [
  {
    apex: 'example.test',
    lines: [
      '@ 300 NS ns1',
      '@ 300 MX 10 mail',
      'ns1 300 A 192.0.2.53',
      'mail 300 AAAA 2001:db8::25',
      'a 300 CNAME b',
      'b 300 CNAME www.example.org.',
      '*.wild 300 CNAME x.y.wild',
      'sub 300 NS ns.sub',
      'ns.sub 300 A 192.0.2.54',
      `big 300 TXT "${'x'.repeat(250)}" "${'y'.repeat(250)}"`,
    ],
    services: { www: 0, '*.lb': 0, tree: 1 },
  },
  { apex: 'example.org', lines: ['www 300 CNAME www.example.test.'] },
]
const tree = located(
  0,
  hashed({ a: plan, b: alias(['www.example.test', 'x.sub.example.test']) }),
  weighted([1, { ...plan, select: 'hash', prefix }], [1, leaf([], { gives: 'servfail' })]),
)
const maps = [
  ranges(
    { '0.0.0.0': 0, '64.0.0.0': 1, '128.0.0.0': 0, '192.0.2.0': 1 },
    { '::': 0, '4000::': 1, '8000::': 2 },
  ),
]
const servers = [false, true].map((stream) => new Served(zones, [plan, tree], { seed, stream, maps }))

const names = [
  'example.test',
  'www.example.test',
  'a.example.test',
  'tree.example.test',
  'tree.example.test',
  'q.wild.example.test',
  'x.sub.example.test',
  'big.example.test',
  'nowhere.example.test',
  'www.example.org',
  'example.net',
  '.',
]
const types = Object.values(typeNumbers)
const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!
const octets = (length: number) => Buffer.from(Array.from({ length }, () => random.below(256)))

/** Right but for the bits behind the prefix, which are so one time in a few. */
function clientSubnet(): Buffer {
  const family = 1 + random.below(2)
  const source = random.below(family === 1 ? 33 : 129)
  const length = Math.ceil(source / 8)
  return Buffer.concat([u16Octets(8, 4 + length, family), Buffer.of(source, 0), octets(length)])
}

function validQuery(): Buffer {
  const flags = random.below(2) === 0 ? 0x0100 : random.below(0x10000) & ~0x8000 & ~0x7800
  const options =
    random.below(3) === 0
      ? clientSubnet()
      : random.below(3) === 0
        ? Buffer.concat([u16Octets(pick([3, 8, 10, 12, 65001]), 8), octets(8)])
        : Buffer.alloc(0)
  const edns =
    random.below(2) === 0
      ? {}
      : { edns: { payload: random.below(0x10000), version: random.below(8) === 0 ? 1 : 0, options } }
  return query(pick(names), pick(types), {
    id: random.below(0x10000),
    flags,
    class: random.below(16) === 0 ? 3 : 1,
    ...edns,
  })
}

const record = () =>
  Buffer.concat([
    pick([wireName('a.b'), Buffer.of(0), Buffer.of(0xc0, random.below(64))]),
    u16Octets(pick([...types, random.below(0x10000)]), 1, 0, 60, 4),
    octets(4),
  ])

/** One change of each kind; several are applied one after another. */
const changes: readonly ((packet: Buffer) => Buffer)[] = [
  (packet) => {
    packet[random.below(packet.length)]! ^= 1 << random.below(8)
    return packet
  },
  (packet) => {
    packet[random.below(packet.length)] = random.below(256)
    return packet
  },
  (packet) => {
    // The counts, which decide what is read.
    packet.writeUInt16BE(pick([0, 1, 2, 3, 0xffff]), Math.min(4 + 2 * random.below(4), packet.length - 2))
    return packet
  },
  (packet) => packet.subarray(0, 2 + random.below(packet.length - 1)),
  (packet) => Buffer.concat([packet, octets(random.below(40))]),
  (packet) => Buffer.concat([packet, record()]),
  (packet) => Buffer.concat([packet, optRecord({ payload: random.below(0x10000) })]),
  (packet) => {
    const at = random.below(packet.length)
    return Buffer.concat([packet.subarray(0, at), octets(1 + random.below(8)), packet.subarray(at)])
  },
  (packet) => {
    const at = random.below(packet.length)
    return Buffer.concat([packet.subarray(0, at), packet.subarray(at + 1 + random.below(8)), Buffer.of(0, 0)])
  },
  (packet) => {
    // A pointer anywhere, to anywhere near.
    const at = random.below(packet.length - 1)
    packet[at] = 0xc0
    packet[at + 1] = random.below(64)
    return packet
  },
]

function nextPacket(): Buffer {
  const kind = random.below(10)
  if (kind === 0) return octets(random.below(80))
  if (kind === 1)
    return Buffer.concat([
      u16Octets(random.below(0x10000), random.below(0x8000), 1, 0, 0, random.below(2)),
      octets(random.below(300)),
    ])
  let packet = validQuery()
  for (let left = random.below(4); left > 0; left--) packet = pick(changes)(packet)
  return packet
}

/** What is wrong with the response, or null. */
function judge(packet: Buffer, response: Buffer | null, stream: boolean): string | null {
  const silent = packet.length < 12 || (packet[2]! & 0x80) !== 0
  if (response === null) return silent ? null : 'no response'
  if (silent) return 'a response to what must get silence'
  const read = readResponse(response)
  if (read.id !== packet.readUInt16BE(0)) return 'another ID'
  if (read.opcode !== ((packet[2]! >>> 3) & 15)) return 'another opcode'
  if (!read.flags.startsWith('qr') || /ra|z|ad|cd/.test(read.flags)) return `flags ${read.flags}`
  if (!stream && response.length > (read.edns === null ? 512 : 1232)) return `${response.length} octets`
  if (read.edns !== null && (read.edns.version !== 0 || read.edns.payload !== 1232)) return 'a strange OPT'
  if (read.flags.includes('tc') && read.answer.length > 0) return 'data in a truncated response'
  return null
}

t.test(`${packets} packets from seed ${seed}`, async (t) => {
  const rcodes = new Map<number | string, number>()
  for (let i = 0; i < packets; i++) {
    const packet = nextPacket()
    const server = servers[i % 2]!
    const copy = Buffer.from(packet)
    let problem: string | null
    try {
      const response = server.respond(packet)
      problem = judge(packet, response, i % 2 === 1)
      const kind = response === null ? 'silence' : readResponse(response).rcode
      rcodes.set(kind, (rcodes.get(kind) ?? 0) + 1)
    } catch (error) {
      problem = String(error)
    }
    if (!copy.equals(packet)) problem = 'the request was changed'
    if (problem !== null) {
      t.fail(`packet ${i}: ${problem}`, { packet: copy.toString('hex') })
      return
    }
  }
  t.comment(`by rcode: ${JSON.stringify([...rcodes].sort())}`)
  // The fuzz must get past the first checks: every rcode that we have is there, and often enough.
  for (const rcode of ['silence', 0, 1, 3, 4, 5, 16]) t.ok((rcodes.get(rcode) ?? 0) > 100, `rcode ${rcode}`)
})
