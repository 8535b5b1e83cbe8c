import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { busyMetrics } from './sources.ts'

const names = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'] as const

function lagsIn(text: string): Record<string, number> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)$`, 'm').exec(text)?.[1]),
    ]),
  )
}

t.test('what the event loop is late by is told, and not the time between two looks', async (t) => {
  const metrics = busyMetrics()
  const text = async () => (await metrics.text()).toString()
  await text()
  // A busy machine may take so long between two texts that there is a look in between, but not each time.
  let unlooked: Record<string, number>
  do unlooked = lagsIn(await text())
  while (unlooked.mean !== 0)
  t.strictSame(unlooked, Object.fromEntries(names.map((name) => [name, 0])), 'nobody has looked since')
  // However long the looks are in coming, once there are some, and one of them in time: that is no lag.
  let quiet: Record<string, number>
  do {
    await delay(500)
    quiet = lagsIn(await text())
  } while (quiet.mean === 0 || quiet.min! >= 0.09)
  t.ok(quiet.min! <= quiet.p50! && quiet.p50! <= quiet.p99!, JSON.stringify(quiet))

  await delay(250)
  const until = performance.now() + 400
  while (performance.now() < until);
  await delay(1)
  const busy = lagsIn(await text())
  t.ok(busy.max! >= 0.25, `it stood still for 0.4 s: ${JSON.stringify(busy)}`)
  t.ok(busy.max! >= busy.mean!)
  t.match(await text(), /^nodejs_eventloop_lag_seconds \S+$/m, 'and what prom-client measures by itself')
})
