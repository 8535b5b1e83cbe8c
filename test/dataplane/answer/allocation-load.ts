/**
 * Answers queries of several kinds, in rounds, and prints a line before and a line behind each round: with `--trace-gc`, what stands
 * between them are the collections that it cost. `node --trace-gc allocation-load.ts [rounds] [queries of each]`
 */

import { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { defaultAnswerSettings } from '../../../src/dataplane/image/answer-settings.ts'
import { compileLocationMap } from '../../../src/dataplane/image/location-map.ts'
import type { AnswerNode, PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { allocateSample } from '../../../src/dataplane/sample.ts'
import { allocateTapRing } from '../../../src/dataplane/tap-ring.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { query, u16Octets } from '../../support/dns-client.ts'
import { TestSigner } from '../test-signer.ts'
import { servingUpdate } from '../zone-text.ts'

const rounds = Number(process.argv[2] ?? 1)
const queries = Number(process.argv[3] ?? 10_000_000)
const candidates = Array.from({ length: 100 }, (_, n) => ({
  address: Uint8Array.of(192, 0, 2, n),
  weight: n + 1,
  counter: n,
  key: n,
}))
const prefix = { ipv4: 24, ipv6: 56 }
const leaf = (count: number, fields: Partial<AnswerNode> = {}): AnswerNode => ({
  kind: 'answer',
  gives: 'addresses',
  select: 'weighted',
  answers: 2,
  ttlSeconds: 30,
  candidates: candidates.slice(0, count),
  ...fields,
})
const hashed = (count: number, answers: number) => leaf(count, { select: 'hash', prefix, answers })
const tree = (areas: readonly PlanNode[]): PlanNode => ({ kind: 'located', mapSlot: 0, areas })
/** By the names of their services. */
const plans: Readonly<Record<string, PlanNode>> = {
  www: leaf(3),
  hash: hashed(10, 1),
  hashes: hashed(10, 3),
  groups: hashed(100, 1),
  'several-groups': hashed(100, 3),
  tree: {
    kind: 'weighted',
    children: [
      { weight: 1, node: leaf(3) },
      { weight: 3, node: { kind: 'hash', prefix, children: [{ weight: 1, key: 1, node: leaf(3) }] } },
    ],
  },
  located: tree([leaf(3), hashed(10, 1), tree([leaf(3)])]),
}
/** In a signed zone: one for each way to draw a set, and one that denies. */
const expiring = { expiresAtSeconds: Math.floor(Date.now() / 1000) + 20 }
const signedPlans: Readonly<Record<string, PlanNode>> = {
  all: leaf(3, { select: 'rotate', answers: 3 }),
  turn: leaf(3, { select: 'rotate', answers: 2 }),
  weight: leaf(3),
  client: hashed(10, 1),
  bucket: hashed(10, 3),
  order: hashed(3, 3),
  expiring: leaf(3, expiring),
  none: leaf(0),
  cname: leaf(0, {
    gives: 'cname',
    answers: 1,
    cnames: [1, 2].map((n) => ({
      cname: hostnameToWire(`h${n}.signed.test`),
      weight: n,
      counter: n,
      key: n,
    })),
  }),
}
const starts = Array.from({ length: 1000 }, (_, i) => i * 4_000_000)
const areas = Uint16Array.from(starts, (_, i) => i % 4)
const map = compileLocationMap({
  ipv4: { starts: Uint32Array.from(starts), areas },
  ipv6: { starts: BigUint64Array.from(starts, (start) => BigInt(start) << 32n), areas },
})
const hosts = Array.from({ length: 100 }, (_, host) => `h${host} 300 A 192.0.2.${host}`)
const lines = [
  'ns1 300 A 192.0.2.53',
  '*.wild 300 A 192.0.2.7',
  'alias 300 CNAME h1',
  'cut 300 NS ns1.cut',
  ...hosts,
]
const state = new ServingState()
const services = Object.fromEntries(Object.keys(plans).map((name, slot) => [name, slot]))
const all = [...Object.values(plans), ...Object.values(signedPlans)]
const signed = {
  apex: 'signed.test',
  lines,
  services: Object.fromEntries(
    Object.keys(signedPlans).map((name, index) => [name, Object.keys(plans).length + index]),
  ),
  signer: new TestSigner(),
}
const hashedZone = { apex: 'hashed.test', lines, signer: new TestSigner(1, 1, true) }
state.apply(servingUpdate([{ apex: 'example.test', lines, services }, signed, hashedZone], all))
state.apply({
  generation: 2,
  maps: [[0, map]],
  settings: only({
    ...defaultAnswerSettings,
    nsid: Buffer.from('node-1'),
    cookieKeys: [new Uint8Array(16).fill(7)],
    sample: true,
    rateLimit: { perSecond: 200, slip: 2, logOnly: false, exempt: [] },
  }),
})
const ring = allocateTapRing()
/** Where the ring is written and read (`tap-ring.ts`). */
const positions = new Int32Array(ring, 0, 2)
const responder = new Responder(state, new Counters(allocateCounters()), {
  stream: false,
  sample: allocateSample(1),
  tap: ring,
})
const client = new Client()
const address = Uint8Array.of(198, 51, 100, 1)
const out = new Uint8Array(1232)

const options = Buffer.concat([u16Octets(3, 0, 10, 8), Buffer.from('12345678')])
/** Client subnets of 100 networks, of either family. */
const subnet = (index: number) =>
  index % 2 === 0
    ? Buffer.concat([u16Octets(8, 7, 1), Buffer.of(24, 0, 2 * index, index, 0)])
    : Buffer.concat([u16Octets(8, 11, 2), Buffer.of(56, 0, 0x20, index, 1, 2, 3, 4, 5)])
const named = (name: (index: number) => string, fields = {}) =>
  Array.from({ length: 100 }, (_, index) => new Uint8Array(query(`${name(index)}.example.test`, 'A', fields)))
const signedNamed = (name: (index: number) => string, apex = 'signed.test') =>
  Array.from(
    { length: 100 },
    (_, index) => new Uint8Array(query(`${name(index)}.${apex}`, 'A', { edns: { flags: 0x8000 } })),
  )
const kinds: Readonly<Record<string, readonly Uint8Array[]>> = {
  hit: named((index) => `h${index}`),
  'hit with cookie and NSID': named((index) => `h${index}`, { edns: { options } }),
  miss: named((index) => `x${index}`),
  wildcard: named((index) => `a${index}.wild`),
  alias: named(() => 'alias'),
  referral: named((index) => `a${index}.cut`),
  'signed hit': signedNamed((index) => `h${index}`),
  'signed miss': signedNamed((index) => `x${index}`),
  'signed wildcard': signedNamed((index) => `a${index}.wild`),
  'signed alias': signedNamed(() => 'alias'),
  'signed referral': signedNamed((index) => `a${index}.cut`),
  'hashed miss': signedNamed((index) => `x${index}`, hashedZone.apex),
  'hashed wildcard': signedNamed((index) => `a${index}.wild`, hashedZone.apex),
  'hashed referral': signedNamed((index) => `a${index}.cut`, hashedZone.apex),
  service: named(() => 'www'),
  ...Object.fromEntries(
    Object.keys(signedPlans).map((name) => [`signed service ${name}`, signedNamed(() => name)]),
  ),
  ...Object.fromEntries(
    Object.keys(plans).map((name) => [
      `service ${name} by client subnet`,
      Array.from(
        { length: 100 },
        (_, index) =>
          new Uint8Array(query(`${name}.example.test`, 'A', { edns: { options: subnet(index) } })),
      ),
    ]),
  ),
}

for (const [kind, requests] of Object.entries(kinds)) measure(kind, requests)
// And with a collector that is told of each.
state.apply({
  generation: 3,
  settings: only({
    ...state.settings,
    tap: {
      to: { path: '' },
      queries: true,
      responses: true,
      every: 1,
      identity: 'node-1',
      version: 'pooldns',
    },
  }),
  labels: candidates.map(({ counter }) => [counter, Buffer.from(`service=www pool=web member=m${counter}`)]),
})
for (const kind of ['hit', 'service']) measure(`told ${kind}`, kinds[kind]!)

function measure(kind: string, requests: readonly Uint8Array[]): void {
  for (let round = 0; round < rounds; round++) {
    console.log(`begin ${kind}`)
    answer(requests, queries)
    console.log(`end ${kind}`)
  }
}

function answer(requests: readonly Uint8Array[], count: number): void {
  for (let i = 0; i < count; i++) {
    if (i % 64 === 0) responder.clock.tick()
    // A reader that is told what it has without looking at it, which would be garbage.
    if (i % 1024 === 0) Atomics.store(positions, 1, Atomics.load(positions, 0))
    const request = requests[i % requests.length]!
    client.setOctets(address, 0, 4)
    responder.respond(request, request.length, client, out)
  }
}
