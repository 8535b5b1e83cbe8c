/**
 * Answers queries of several kinds, in rounds, and prints a line before and a line behind each round: with `--trace-gc`, what stands
 * between them are the collections that it cost. `node --trace-gc allocation-load.ts [rounds] [queries of each]`
 */
import { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { defaultAnswerSettings } from '../../../src/dataplane/zone/answer-settings.ts'
import { ServingState } from '../../../src/dataplane/zone/state.ts'
import { query, u16Octets } from '../../support/dns-client.ts'
import { servingUpdate } from '../zone-text.ts'

const rounds = Number(process.argv[2] ?? 1)
const queries = Number(process.argv[3] ?? 10_000_000)
const candidates = [1, 2, 3].map((n) => ({ address: Uint8Array.of(192, 0, 2, n), weight: n, counter: n }))
const plan = { outcome: 'select', select: 'weighted', answers: 2, ttlSeconds: 30, candidates } as const
const hosts = Array.from({ length: 100 }, (_, host) => `h${host} 300 A 192.0.2.${host}`)
const lines = [
  'ns1 300 A 192.0.2.53',
  '*.wild 300 A 192.0.2.7',
  'alias 300 CNAME h1',
  'cut 300 NS ns1.cut',
  ...hosts,
]
const state = new ServingState()
state.apply(servingUpdate([{ apex: 'example.test', lines, services: { www: 0 } }], [plan]))
state.apply({
  generation: 2,
  zones: [],
  plans: [],
  settings: {
    ...defaultAnswerSettings,
    nsid: Buffer.from('node-1'),
    cookieKeys: [new Uint8Array(16).fill(7)],
    rateLimit: { perSecond: 200, slip: 2, logOnly: false, exempt: [] },
  },
})
const responder = new Responder(state, new Counters(allocateCounters()), { stream: false })
const client = new Client()
const address = Uint8Array.of(198, 51, 100, 1)
const out = new Uint8Array(1232)

const options = Buffer.concat([u16Octets(3, 0, 10, 8), Buffer.from('12345678')])
const named = (name: (index: number) => string, fields = {}) =>
  Array.from({ length: 100 }, (_, index) => new Uint8Array(query(`${name(index)}.example.test`, 'A', fields)))
const kinds: Readonly<Record<string, readonly Uint8Array[]>> = {
  hit: named((index) => `h${index}`),
  'hit with cookie and NSID': named((index) => `h${index}`, { edns: { options } }),
  miss: named((index) => `x${index}`),
  wildcard: named((index) => `a${index}.wild`),
  alias: named(() => 'alias'),
  referral: named((index) => `a${index}.cut`),
  service: named(() => 'www'),
}

for (const [kind, requests] of Object.entries(kinds)) {
  for (let round = 0; round < rounds; round++) {
    console.log(`begin ${kind}`)
    answer(requests, queries)
    console.log(`end ${kind}`)
  }
}

function answer(requests: readonly Uint8Array[], count: number): void {
  for (let i = 0; i < count; i++) {
    if (i % 64 === 0) responder.clock.tick()
    const request = requests[i % requests.length]!
    client.setOctets(address, 0, 4)
    responder.respond(request, request.length, client, out)
  }
}
