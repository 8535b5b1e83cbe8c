/** What is more than a message holds: over UDP a client is told to come by TCP, and there it gets what fits, never nothing. */
import t from 'tap'
import type { AnswerNode, Candidate } from '../../../src/dataplane/image/plan-tree.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { query } from '../../support/dns-client.ts'
import type { ZoneText } from '../zone-text.ts'
import { Served } from './served.ts'

const text = `"${'t'.repeat(255)}" `.repeat(16).trim()
const link = (i: number) => `${'c'.repeat(50)}${i}`
const zone: ZoneText = {
  apex: 'example.test',
  lines: [
    '@ 300 NS ns1',
    'alias 300 CNAME www',
    ...Array.from({ length: 12 }, (_, i) => `${link(i)} 300 CNAME ${link(i + 1)}`),
    ...Array.from({ length: 15 }, (_, i) => `${link(12)} 300 TXT ${text} "${'u'.repeat(210 + i)}"`),
    ...Array.from({ length: 200 }, (_, i) => `sub 300 NS ns${i}.sub`),
    ...Array.from({ length: 200 }, (_, i) =>
      Array.from({ length: 15 }, (_, j) => `ns${i}.sub 300 AAAA 2001:db8::${i}:${j}`),
    ).flat(),
  ],
  services: { www: 0 },
}

function candidates(count: number, ipv6: boolean): Candidate[] {
  return Array.from({ length: count }, (_, i) => {
    const address = ipv6 ? `2001:db8::${i.toString(16)}` : `10.0.${i >> 8}.${i & 255}`
    return { address: parseAddress(address)!, weight: 1 + (i % 3), counter: i + 1, key: i }
  })
}

function serve(stream: boolean, plan: Partial<AnswerNode>): Served {
  const whole: AnswerNode = {
    kind: 'answer',
    gives: 'addresses',
    select: 'rotate',
    answers: 4096,
    ttlSeconds: 30,
    candidates: candidates(2500, true),
    ...plan,
  }
  return new Served([zone], [whole], { stream })
}

t.test('more members than fit: as many as do, in turn, so that none is left out for good', async (t) => {
  const served = serve(true, {})
  const seen = new Set<string>()
  for (let i = 0; i < 2500; i++) {
    // Reading a response of 64 KiB takes its time; where the turn has gone is what counts.
    if (i % 250 === 0) {
      const response = served.ask('www.example.test', 'AAAA')
      t.equal(response.flags, 'qr aa rd')
      t.equal(response.answer.length, Math.floor((65_535 - 12 - 22) / 28))
      t.equal(new Set(response.answer).size, response.answer.length, 'none twice')
      for (const line of response.answer) seen.add(line)
    } else served.respond(query('www.example.test', 'AAAA'))
  }
  t.equal(seen.size, 2500)
})

t.test('with an OPT, behind an alias, and of IPv4', async (t) => {
  const served = serve(true, { candidates: [...candidates(2500, true), ...candidates(1500, false)] })
  const withOpt = served.ask('www.example.test', 'AAAA', { edns: {} })
  t.equal(withOpt.flags, 'qr aa rd')
  t.ok(withOpt.answer.length > 2330 && withOpt.edns !== null)
  const alias = served.ask('alias.example.test', 'AAAA')
  t.equal(alias.flags, 'qr aa rd')
  t.equal(alias.answer[0], 'alias.example.test 300 CNAME www.example.test')
  t.ok(alias.answer.length > 2330)
  t.equal(served.ask('www.example.test', 'A').answer.length, 1500, 'what fits is whole')
  const four = serve(true, { candidates: candidates(4096, false) }).ask('www.example.test', 'A')
  t.equal(four.flags, 'qr aa rd')
  t.equal(four.answer.length, Math.floor((65_535 - 12 - 22) / 16))
})

t.test('by weight and by hash, with 1,000 answers', async (t) => {
  for (const select of ['weighted', 'hash'] as const) {
    const prefix = { ipv4: 24, ipv6: 56 }
    const { flags, answer } = serve(true, { select, prefix, answers: 1000 }).ask('www.example.test', 'AAAA')
    t.equal(flags, 'qr aa rd')
    t.equal(new Set(answer).size, 1000, select)
  }
})

t.test('over UDP such an answer is truncated, with nothing in it', async (t) => {
  const response = serve(false, {}).ask('www.example.test', 'AAAA', { edns: {} })
  t.match(response, { flags: 'qr aa tc rd', answer: [] })
})

t.test('aliases whose end no longer fits stand by themselves', async (t) => {
  const direct = serve(true, {}).ask(`${link(12)}.example.test`, 'TXT')
  t.match(direct, { flags: 'qr aa rd', rcode: 0 })
  t.equal(direct.answer.length, 15)
  const chain = serve(true, {}).ask(`${link(0)}.example.test`, 'TXT')
  t.match(chain, { flags: 'qr aa rd', rcode: 0 })
  t.equal(chain.answer.length, 12)
  t.equal(chain.answer.at(-1), `${link(11)}.example.test 300 CNAME ${link(12)}.example.test`)
})

t.test('a referral with more glue than fits has as much as does', async (t) => {
  const response = serve(true, {}).ask('x.sub.example.test', 'A')
  t.match(response, { flags: 'qr rd', rcode: 0, answer: [] })
  t.equal(response.authority.length, 200)
  t.ok(response.additional.length > 2000, `${response.additional.length}`)
  t.match(serve(false, {}).ask('x.sub.example.test', 'A'), { flags: 'qr tc rd', authority: [] })
})
