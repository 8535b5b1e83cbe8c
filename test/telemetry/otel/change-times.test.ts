import t from 'tap'
import { ChangeTimes } from '../../../src/telemetry/otel/change-times.ts'

const shown = (times: ChangeTimes, revision: number, writtenMs: number, servedMs: number) =>
  Object.fromEntries(
    times
      .stages(revision, writtenMs, servedMs)
      .map(({ name, beganMs, endedMs }) => [name, [beganMs, endedMs]]),
  )

t.test('each stage begins where the one before has ended', async (t) => {
  const times = new ChangeTimes()
  times.hinted(11)
  times.hinted(12)
  times.read(7, 20)
  times.compiled(7, 30)
  times.handedOver(40)
  t.same(shown(times, 7, 10, 50), {
    notify: [10, 11],
    read: [11, 20],
    compile: [20, 30],
    publish: [30, 40],
    acknowledge: [40, 50],
  })
})

t.test(
  'without zones it is compiled when it is handed over; what was read with a later one counts',
  async (t) => {
    const times = new ChangeTimes()
    times.read(5, 8)
    times.compiled(5, 9)
    times.read(9, 20)
    times.handedOver(25)
    t.same(shown(times, 8, 10, 30), {
      notify: [10, 10],
      read: [10, 20],
      compile: [20, 25],
      publish: [25, 25],
      acknowledge: [25, 30],
    })
  },
)

t.test('what is not known, or was before the write, takes no time', async (t) => {
  const times = new ChangeTimes()
  t.same(shown(times, 1, 10, 30), {
    notify: [10, 10],
    read: [10, 10],
    compile: [10, 30],
    publish: [30, 30],
    acknowledge: [30, 30],
  })
  for (let revision = 0; revision < 1000; revision++) {
    times.hinted(revision)
    times.read(revision, revision)
    times.compiled(revision, revision)
  }
  times.handedOver(2000)
  t.same(shown(times, 3, 1500, 1600), {
    notify: [1500, 1500],
    read: [1500, 1500],
    compile: [1500, 1500],
    publish: [1500, 1600],
    acknowledge: [1600, 1600],
  })
})
