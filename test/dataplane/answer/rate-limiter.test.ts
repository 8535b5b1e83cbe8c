import t from 'tap'
import { BatchClock } from '../../../src/dataplane/answer/batch-clock.ts'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { RateLimiter, responseKinds } from '../../../src/dataplane/answer/rate-limiter.ts'
import type { RateLimit } from '../../../src/dataplane/image/answer-settings.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'

const { answer, nxdomain } = responseKinds
const start = 1_000_000

function limiter(changes: Partial<RateLimit> = {}) {
  const clock = new BatchClock()
  const settings = { perSecond: 10, slip: 2, logOnly: false, exempt: [], ...changes }
  const rateLimiter = new RateLimiter(settings, clock)
  const client = new Client()
  return (address: string, ms = 0, kind: number = answer, question = 1, excess = 0) => {
    client.set(address, address.includes(':'))
    clock.tick(start + ms)
    return rateLimiter.judge(client, kind as typeof answer, question, excess)
  }
}

const times = <T>(count: number, work: () => T): T[] => Array.from({ length: count }, work)

t.test('a second worth passes, then one in `slip` goes out truncated', async (t) => {
  const judge = limiter()
  t.same(new Set(times(10, () => judge('192.0.2.1'))), new Set(['pass']))
  t.same(
    times(4, () => judge('192.0.2.1')),
    ['drop', 'slip', 'drop', 'slip'],
  )
  t.equal(judge('192.0.2.1', 100), 'pass', 'a tenth of a second gives one of ten back')
  t.equal(judge('192.0.2.1', 100), 'drop')
  t.same(
    times(10, () => judge('192.0.2.1', 10_000)),
    times(10, () => 'pass'),
    'no more than a second worth is saved',
  )
  t.not(judge('192.0.2.1', 10_000), 'pass')
})

t.test('prefixes and kinds are apart', async (t) => {
  const judge = limiter({ perSecond: 1, slip: 0 })
  t.equal(judge('192.0.2.1'), 'pass')
  t.equal(judge('192.0.2.200'), 'drop', 'the same /24')
  t.equal(judge('192.0.3.1'), 'pass', 'the next /24')
  t.equal(judge('192.0.2.1', 0, nxdomain), 'pass', 'another kind')
  t.equal(judge('2001:db8:0:100::1'), 'pass')
  t.equal(judge('2001:db8:0:1ff::1'), 'drop', 'the same /56')
  t.equal(judge('2001:db8:0:200::1'), 'pass', 'the next /56')
})

t.test(
  'many different questions are no flood, until their responses come to what one question may get',
  async (t) => {
    const judge = limiter({ slip: 0 })
    const ask = (ms: number, question: number, excess: number) =>
      judge('192.0.2.1', ms, answer, question, excess)
    for (let i = 0; i < 5000; i++) if (ask(i / 5, i, 2) !== 'pass') t.fail(`question ${i}`)
    const full = 1232
    for (let i = 0; i < 9; i++) t.equal(ask(10_000, 10_000 + i, full), 'pass', 'full responses')
    t.equal(ask(10_000, 10_009, full), 'pass')
    t.equal(ask(10_000, 10_010, full), 'drop', 'as many as of one question')
    t.equal(ask(10_000, 10_011, 0), 'pass', 'one that is no longer than its query')
    t.equal(judge('192.0.3.1', 10_000, answer, 10_010, full), 'pass', 'another network')
    t.equal(ask(10_100, 10_010, full), 'pass', 'a tenth of a second gives one of ten back')
    t.equal(ask(10_100, 10_012, full), 'drop')
  },
)

t.test('slip 1 truncates every one; log only lets all pass and says so', async (t) => {
  const slipping = limiter({ perSecond: 1, slip: 1 })
  t.same(
    times(3, () => slipping('192.0.2.1')),
    ['pass', 'slip', 'slip'],
  )
  const logging = limiter({ perSecond: 1, logOnly: true })
  t.same(
    times(3, () => logging('192.0.2.1')),
    ['pass', 'log', 'log'],
  )
})

t.test('a clock that is set back costs nobody an answer', async (t) => {
  const judge = limiter({ perSecond: 1, slip: 0 })
  const hour = 3_600_000
  t.same([judge('192.0.2.1'), judge('192.0.2.1')], ['pass', 'drop'])
  t.same([judge('192.0.2.1', -hour), judge('192.0.2.1', -hour)], ['pass', 'drop'], 'an hour back')
  t.same([judge('192.0.2.1', 1000 - hour), judge('192.0.2.1', 1000 - hour)], ['pass', 'drop'], 'as before')
  t.same([judge('192.0.2.1', 2 ** 31), judge('192.0.2.1', 2 ** 31)], ['pass', 'drop'], '25 days on')
})

t.test('clients of exempt prefixes are never limited', async (t) => {
  const prefixes: [string, number][] = [
    ['127.0.0.0', 8],
    ['192.0.2.128', 25],
    ['2001:db8::', 33],
  ]
  const exempt = prefixes.map(([address, length]) => ({ address: parseAddress(address)!, length }))
  const judge = limiter({ perSecond: 1, slip: 0, exempt })
  const rows: [string, string][] = [
    ['127.1.2.3', 'pass'],
    ['192.0.2.129', 'pass'],
    ['192.0.2.1', 'drop'],
    ['2001:db8:7fff::1', 'pass'],
    ['2001:db8:8000::1', 'drop'],
  ]
  for (const [address, wanted] of rows) {
    times(3, () => judge(address))
    t.equal(judge(address), wanted, address)
  }
})

t.test('memory is fixed: a flood of prefixes only costs the quietest their buckets', async (t) => {
  const judge = limiter({ perSecond: 1, slip: 0 })
  for (let i = 0; i < 300_000; i++) judge(`${1 + (i >> 16)}.${(i >> 8) & 0xff}.${i & 0xff}.1`, 1)
  t.equal(judge('203.0.113.1', 2), 'pass')
  t.equal(judge('203.0.113.2', 2), 'drop', 'a prefix that is there is still limited')
})
