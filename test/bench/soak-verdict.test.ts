import t from 'tap'
import { judge, type SoakCounts } from './soak-verdict.ts'

/** Ten minutes with a garbage collector; `y` is added. */
function memory(y: (atSeconds: number) => number) {
  return Array.from({ length: 300 }, (_, index) => {
    const atSeconds = 2 * index
    return { atSeconds, residentMiB: 400 + (index % 9) * 3 + y(atSeconds) }
  })
}

const tally = { sent: 1_000_000, completed: 1_000_000, lost: 0, queriesPerSecond: 20_000, rcodes: {} }
const good: SoakCounts = {
  memory: memory(() => 0),
  tally,
  answered: 1_000_000,
  longestWaitMs: 20,
  workerRestarts: 0,
}
const failures = (counts: Partial<SoakCounts>) =>
  judge({ ...good, ...counts }).lines.filter((line) => line.startsWith('FAILED'))

t.test('a good run', async (t) => {
  const { passed, lines } = judge(good)
  t.ok(passed)
  t.equal(lines.length, 4)
  t.ok(lines.every((line) => line.startsWith('ok: ')))
})

t.test('memory that rises to the end fails the run, a peak does not', async (t) => {
  t.match(failures({ memory: memory((at) => at / 10) }), [/resident memory .* by 6\.\d\d MiB a minute/])
  t.same(failures({ memory: memory((at) => Math.min(340, at * 2)) }), [], 'rises at first and then no more')
  t.same(failures({ memory: memory((at) => at / 200) }), [], 'less than matters')
  t.same(failures({ memory: memory((at) => (at === 400 ? 900 : 0)) }), [], 'a peak')
  t.same(failures({ memory: memory((at) => -at / 10) }), [], 'falls')
  const short = memory((at) => at).slice(0, 100)
  t.match(
    judge({ ...good, memory: short }).lines[0],
    /^ok: resident memory not judged: that takes a run of 6 minutes/,
  )
})

t.test('an unanswered query fails the run, unless the client was held up', async (t) => {
  t.match(failures({ answered: 999_999, tally: { ...tally, completed: 999_999, lost: 1 } }), [
    /1 of 1000000 queries without an answer/,
  ])
  const missed = { ...tally, completed: 999_900, lost: 100 }
  t.same(failures({ tally: missed }), [], 'dnsperf was held up')
  t.match(failures({ tally: missed, longestWaitMs: 5000 }), [/100 answers that dnsperf did not see/])
  t.same(failures({ longestWaitMs: 5000 }), [], 'only the witness was held up')
  t.same(failures({ answered: 1_000_003 }), [], 'others may ask, too')
})

t.test('a worker that was started again fails the run', async (t) => {
  t.match(failures({ workerRestarts: 1 }), [/1 workers started again/])
  t.notOk(judge({ ...good, workerRestarts: 1 }).passed)
})
