import t from 'tap'
import { readLatencies } from './tail.ts'

async function* lines(...texts: readonly string[]) {
  yield* texts
}

t.test('what dnsperf says of each query', async (t) => {
  const read = await readLatencies(
    lines(
      'DNS Performance Testing Tool',
      '[Status] Sending queries (to 127.0.0.1:55520)',
      '> NOERROR binary input 0.002000',
      '> T binary input',
      '> NXDOMAIN binary input 0.001000',
      '> I binary input',
      '> NOERROR binary input 0.003000',
      '  Average Latency (s):  0.004678 (min 0.000086, max 0.032990)',
    ),
  )
  t.match(read, { p50: 2, max: 3, answered: 3, lost: 1 })
  t.ok(read.p99 > 2.9 && read.p999 > read.p99)
  await t.rejects(readLatencies(lines('Error: unable to bind')), /nothing was measured/)
})
