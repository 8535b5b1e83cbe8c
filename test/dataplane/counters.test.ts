import t from 'tap'
import { readCounters, readLimitedNetworks } from '../../src/dataplane/counter-totals.ts'
import {
  AnswerReader,
  allocateCounters,
  answerSlots,
  Counters,
  dropReasons,
  durationBounds,
  networkMarks,
} from '../../src/dataplane/counters.ts'

t.test('a fresh buffer is all zero, with every label there', async (t) => {
  const totals = readCounters([allocateCounters()])
  t.equal(totals.queries.length, 76)
  t.ok(totals.queries.every(({ count }) => count === 0))
  t.same(
    totals.responses.map(({ rcode }) => rcode),
    ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'NOTAUTH', 'BADVERS'],
  )
  t.same(
    totals.dropped,
    dropReasons.map((reason) => ({ reason, count: 0 })),
  )
  t.equal(totals.durations.length, durationBounds.length + 1)
  t.equal(totals.durationSumSeconds, 0)
})

t.test('counts add up over the buffers', async (t) => {
  const buffers = [allocateCounters(), allocateCounters()]
  const [first, second] = buffers.map((buffer) => new Counters(buffer))
  first!.query(false, 1)
  first!.query(false, 1)
  second!.query(false, 1)
  second!.query(true, 1)
  first!.query(true, 257)
  // What is not counted by name, on both sides of the table's end.
  for (const type of [0, 3, 511, 512, 65535]) second!.query(false, type)
  first!.response(0)
  second!.response(16)
  second!.response(16)
  first!.drop('short')
  second!.drop('send')
  const totals = readCounters(buffers)
  t.same(
    totals.queries.filter(({ count }) => count > 0),
    [
      { family: 'ipv4', qtype: 'A', count: 3 },
      { family: 'ipv4', qtype: 'other', count: 5 },
      { family: 'ipv6', qtype: 'A', count: 1 },
      { family: 'ipv6', qtype: 'CAA', count: 1 },
    ],
  )
  t.same(
    totals.responses.filter(({ count }) => count > 0),
    [
      { rcode: 'NOERROR', count: 1 },
      { rcode: 'BADVERS', count: 2 },
    ],
  )
  t.same(
    totals.dropped.filter(({ count }) => count > 0),
    [
      { reason: 'short', count: 1 },
      { reason: 'send', count: 1 },
    ],
  )
})

t.test('a duration falls into the first bucket that it does not exceed', async (t) => {
  const buffer = allocateCounters()
  const counters = new Counters(buffer)
  for (const seconds of [0, 1e-6, 1.1e-6, 1e-2, 5]) counters.duration(seconds)
  const { durations, durationSumSeconds } = readCounters([buffer])
  t.same(durations, [2, 1, ...new Array(durationBounds.length - 3).fill(0), 1, 1])
  t.ok(Math.abs(durationSumSeconds - (2.1e-6 + 1e-2 + 5)) < 1e-12)
})

t.test('answers by member, from the first slot to the last', async (t) => {
  const buffers = [allocateCounters(), allocateCounters()]
  const counters = buffers.map((buffer) => new Counters(buffer))
  counters[0]!.answer(0)
  counters[0]!.answer(answerSlots - 1)
  counters[1]!.answer(answerSlots - 1)
  const reader = new AnswerReader(buffers)
  t.same([reader.total(0), reader.total(1), reader.total(answerSlots - 1)], [1, 0, 2])
  counters[1]!.answer(1)
  t.equal(reader.total(1), 1, 'a reader sees what is counted later')
  t.equal(readCounters(buffers).durationSumSeconds, 0, 'the blocks do not overlap')
})

t.test('networks that were limited: the last one of each slot', async (t) => {
  const buffer = allocateCounters()
  const counters = new Counters(buffer)
  const read = () => readLimitedNetworks(buffer).filter((slot) => slot !== null)
  t.same(read(), [])
  const ipv4 = (a: number, b: number, c: number) =>
    counters.limitedNetwork((a << 24) | (b << 16) | (c << 8), networkMarks.ipv4)
  ipv4(192, 0, 2)
  ipv4(192, 0, 2)
  ipv4(203, 0, 113)
  counters.limitedNetwork(0x2001_0db8, 0xaabb_cc00 | networkMarks.ipv6)
  t.same(
    new Set(read()),
    new Set([
      { network: '192.0.2.0/24', count: 2 },
      { network: '203.0.113.0/24', count: 1 },
      { network: '2001:db8:aabb:cc00::/56', count: 1 },
    ]),
  )
  // 192 ^ 2 is 194 ^ 0.
  ipv4(194, 0, 0)
  t.ok(read().some(({ network, count }) => network === '194.0.0.0/24' && count === 1))
  t.notOk(
    read().some(({ network }) => network === '192.0.2.0/24'),
    'whose slot that was',
  )
})
