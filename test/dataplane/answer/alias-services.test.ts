/** Services that are answered with a CNAME, and TTLs that count down: query processing without a socket. */

import t from 'tap'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { AnswerReader, allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { ZoneCompiler } from '../../../src/dataplane/image/compile.ts'
import { compileDirectory } from '../../../src/dataplane/image/directory.ts'
import { compilePlan } from '../../../src/dataplane/image/plan-compiler.ts'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { Random } from '../../../src/dataplane/random.ts'
import { hostnameToWire, parseName } from '../../../src/dataplane/wire/name.ts'
import { parseRdata, rrTypes } from '../../../src/dataplane/wire/rdata.ts'
import {
  type QueryFields,
  query,
  type Response,
  readResponse,
  type TypeName,
} from '../../support/dns-client.ts'

function zone(apex: string, services: Record<string, number>, ...lines: string[]): SharedArrayBuffer {
  const wire = hostnameToWire(apex)
  const soa = `ns1.${apex}. host.${apex}. 7 3600 600 86400 60`
  const compiler = new ZoneCompiler(wire, { rdata: parseRdata('SOA', soa, wire), ttlSeconds: 300 })
  for (const line of lines) {
    const [owner, type, data] = line.split(' ') as [string, string, string]
    compiler.add({
      owner: parseName(owner, wire),
      type: rrTypes.get(type)!,
      ttlSeconds: 300,
      rdata: [parseRdata(type, data, wire)],
    })
  }
  for (const [owner, slot] of Object.entries(services)) compiler.addService(parseName(owner, wire), slot)
  return compiler.finish()
}

/** Zones example.test and other.test, whose services www, loop (and deep), wild and target have the plans 0 to 3. */
function serve(plans: readonly AnswerNode[], options: { stream?: boolean; nowMs?: number } = {}) {
  const state = new ServingState()
  const apexes = ['example.test', 'other.test']
  state.apply({
    generation: 1,
    directory: only(compileDirectory(new Map(apexes.map((apex, slot) => [slot, hostnameToWire(apex)])))),
    zones: [
      [
        0,
        zone(
          'example.test',
          { www: 0, loop: 1, '*.wild': 2 },
          '@ NS ns1',
          'a A 192.0.2.7',
          'alias CNAME www',
        ),
      ],
      [1, zone('other.test', { target: 3, '*.deep': 1 }, '@ NS ns1', 'a A 192.0.2.8')],
    ],
    plans: plans.map((plan, slot) => [slot, compilePlan(plan)]),
  })
  const buffer = allocateCounters()
  const out = new Uint8Array(options.stream ? 65535 : 1232)
  const responder = new Responder(state, new Counters(buffer), {
    stream: options.stream ?? false,
    random: new Random(1),
  })
  if (options.nowMs !== undefined) responder.clock.nowMs = options.nowMs
  const client = new Client()
  client.set('192.0.2.1', false)
  return {
    ask(name: string, type: TypeName | number, fields?: QueryFields): Response {
      const request = query(name, type, fields)
      return readResponse(out.subarray(0, responder.respond(request, request.length, client, out)))
    },
    answers: (slot: number) => new AnswerReader([buffer]).total(slot),
  }
}

const cnamePlan = (...hosts: (string | [host: string, weight: number])[]): AnswerNode => ({
  kind: 'answer',
  gives: 'cname',
  select: 'weighted',
  answers: 1,
  ttlSeconds: 30,
  candidates: [],
  cnames: hosts.map((entry, index) => {
    const [host, weight] = typeof entry === 'string' ? [entry, 1] : entry
    return { cname: hostnameToWire(host), weight, counter: index + 1, key: index }
  }),
})
const addressPlan = (fields: Partial<AnswerNode> = {}): AnswerNode => ({
  kind: 'answer',
  gives: 'addresses',
  select: 'rotate',
  answers: 10,
  ttlSeconds: 30,
  candidates: [
    { address: Uint8Array.of(192, 0, 2, 1), weight: 1, counter: 1, key: 1 },
    { address: Uint8Array.of(192, 0, 2, 2), weight: 1, counter: 2, key: 2 },
  ],
  ...fields,
})
const fill = (plan: AnswerNode, ...others: AnswerNode[]) =>
  [plan, ...others, ...Array(4).fill(addressPlan())].slice(0, 4)

t.test('a CNAME for every type', async (t) => {
  const { ask, answers } = serve(fill(cnamePlan('lb.provider.example')))
  const types = ['A', 'AAAA', 'TXT', 'CNAME', 'MX', 'DS', 'ANY', 65280] as const
  for (const type of types) {
    const { answer, authority, additional, rcode, flags } = ask('WWW.example.test', type)
    t.same(answer, ['WWW.example.test 30 CNAME lb.provider.example'], String(type))
    t.match(
      { authority, additional, rcode, flags },
      { authority: [], additional: [], rcode: 0, flags: 'qr aa rd' },
    )
  }
  t.equal(answers(1), types.length)
  t.equal(ask('ns1.www.example.test', 'A').rcode, 3, 'nothing is below it')
})

t.test('one of several, by weight', async (t) => {
  const { ask, answers } = serve(fill(cnamePlan(['a.example', 300], ['b.example', 100])))
  for (let i = 0; i < 4000; i++) {
    if (ask('www.example.test', 'A').answer.length !== 1) t.fail('one CNAME in an answer')
  }
  // Binomial with p = 3/4: standard deviation 27.4; six of them.
  t.ok(Math.abs(answers(1) - 3000) < 165, String(answers(1)))
  t.equal(answers(1) + answers(2), 4000)
})

t.test('the chain goes on in our zones', async (t) => {
  const within = serve(fill(cnamePlan('a.example.test')))
  t.same(within.ask('www.example.test', 'A').answer, [
    'www.example.test 30 CNAME a.example.test',
    'a.example.test 300 A 192.0.2.7',
  ])
  const nodata = within.ask('www.example.test', 'AAAA')
  t.same([nodata.answer.length, nodata.authority.length, nodata.rcode], [1, 1, 0])
  t.equal(serve(fill(cnamePlan('nx.example.test'))).ask('www.example.test', 'A').rcode, 3)

  const across = serve(fill(cnamePlan('target.other.test')))
  const chain = across.ask('alias.example.test', 'A').answer
  t.same(chain.slice(0, 2), [
    'alias.example.test 300 CNAME www.example.test',
    'www.example.test 30 CNAME target.other.test',
  ])
  t.same(chain.slice(2).sort(), ['target.other.test 30 A 192.0.2.1', 'target.other.test 30 A 192.0.2.2'])
  const elsewhere = serve(fill(cnamePlan('nx.other.test'))).ask('www.example.test', 'A')
  t.match(elsewhere.authority, [/^other\.test 60 SOA ns1\.other\.test /], 'the SOA of the last zone')
})

t.test('a chain of aliases that leads in a circle comes to an end', async (t) => {
  const self = serve(fill(cnamePlan('www.example.test'))).ask('www.example.test', 'A')
  t.same([self.rcode, self.answer], [0, ['www.example.test 30 CNAME www.example.test']])
  const two = serve(fill(cnamePlan('loop.example.test'), cnamePlan('www.example.test')))
  t.same(two.ask('loop.example.test', 'TXT').answer, [
    'loop.example.test 30 CNAME www.example.test',
    'www.example.test 30 CNAME loop.example.test',
  ])
})

t.test('a wildcard service', async (t) => {
  const { ask } = serve(fill(addressPlan(), addressPlan(), cnamePlan('lb.provider.example')))
  t.same(ask('Any.wild.example.test', 'TXT').answer, ['Any.wild.example.test 30 CNAME lb.provider.example'])
})

t.test('other services are what they were', async (t) => {
  const { ask } = serve(fill(addressPlan()))
  t.same(ask('www.example.test', 'TXT').answer, [])
  t.same(ask('www.example.test', 'A').answer.length, 2)
  const broken = serve(fill(addressPlan({ gives: 'servfail', candidates: [] })))
  t.equal(broken.ask('www.example.test', 'A').rcode, 2)
})

t.test('a CNAME that does not fit makes the response truncated', async (t) => {
  const long = (letter: string, apex: string) => `${Array(3).fill(letter.repeat(60)).join('.')}.${apex}`
  const plans = fill(
    addressPlan(),
    cnamePlan(long('y', 'provider.example')),
    cnamePlan(long('x', 'deep.other.test')),
  )
  const name = long('q', 'wild.example.test')
  const small = serve(plans).ask(name, 'A')
  t.same([small.flags, small.answer], ['qr aa tc rd', []])
  t.equal(serve(plans).ask(name, 'A', { edns: {} }).answer.length, 2)
  t.equal(serve(plans, { stream: true }).ask(name, 'A').answer.length, 2)
})

t.test('the TTL of resolved addresses counts down', async (t) => {
  let nowMs = 1_800_000_000_000
  const ttls = (fields: Partial<AnswerNode>) => {
    const { ask } = serve(fill(addressPlan({ expiresAtSeconds: 1_800_000_060, ...fields })), { nowMs })
    return new Set(ask('www.example.test', 'A').answer.map((line) => Number(line.split(' ')[1])))
  }
  for (const [afterMs, ttl] of [
    [0, 30],
    [30_000, 30],
    [30_999, 30],
    [31_000, 29],
    [59_500, 1],
    [60_000, 1],
    [90_000, 1],
  ] as const) {
    nowMs = 1_800_000_000_000 + afterMs
    t.same([...ttls({})], [ttl], `after ${afterMs} ms`)
  }
  t.same([...ttls({ ttlSeconds: 0 })], [0], 'never above the own TTL')
  nowMs = 1_700_000_000_000
  t.same([...ttls({ ttlSeconds: 0x01020304 })], [0x01020304], 'all four octets')
})
