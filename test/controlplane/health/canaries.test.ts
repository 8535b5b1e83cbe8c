import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { canaryPeriodMs, startCanaries } from '../../../src/controlplane/health/canaries.ts'
import { Checker } from '../../../src/controlplane/health/checker.ts'
import { SelfIsolationGuard } from '../../../src/controlplane/health/guard.ts'
import type { Measurement } from '../../../src/controlplane/health/monitor.ts'
import { authority } from '../../../src/controlplane/health/probes/connection.ts'
import { probe } from '../../../src/controlplane/health/probes/probe.ts'
import { freePort } from '../../support/free-port.ts'
import { HandClock } from '../timing/hand-clock.ts'
import { refused, success } from './fixture.ts'

t.test('the name of a canary is its address and port', async (t) => {
  t.equal(authority('192.0.2.1', 53), '192.0.2.1:53')
  t.equal(authority('2001:db8::1', 53), '[2001:db8::1]:53')
})

t.test('each is asked again within its period, until the end', async (t) => {
  const clock = new HandClock()
  const words: [string, boolean, number][] = []
  const canaries = [
    { host: '192.0.2.1', port: 53 },
    { host: '192.0.2.2', port: 853 },
  ]
  const asked = startCanaries(
    canaries,
    async ({ address }) => (address === '192.0.2.1' ? success : refused),
    (name, ok) => words.push([name, ok, clock.nowMs()]),
    { clock, random: () => 0.3 },
  )
  await clock.advance(60_000)
  for (const [name, ok] of [
    ['192.0.2.1:53', true],
    ['192.0.2.2:853', false],
  ] as const) {
    const times = words.filter((word) => word[0] === name && word[1] === ok).map(([, , atMs]) => atMs)
    t.ok(times.length >= 28, `${times.length} words of ${name}`)
    const gaps = times.slice(2).map((atMs, index) => atMs - times[index + 1]!)
    t.ok(Math.max(...gaps) <= canaryPeriodMs)
  }
  t.ok(words.every(([name, ok]) => ok === (name === '192.0.2.1:53')))
  await asked[Symbol.asyncDispose]()
  t.equal(clock.timers, 0)
})

t.test('one that is asked at the end says nothing', async (t) => {
  const words: string[] = []
  const asking = Promise.withResolvers<void>()
  const asked = startCanaries(
    [{ host: '192.0.2.1', port: 53 }],
    (_target, signal) => {
      asking.resolve()
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(refused)))
    },
    (name) => words.push(name),
  )
  await asking.promise
  await asked[Symbol.asyncDispose]()
  t.same(words, [])
})

t.test('it is said once when none has ever answered', async (t) => {
  const clock = new HandClock()
  const canaries = [53, 853].map((port) => ({ host: '192.0.2.1', port }))
  let words = 0
  const silences: number[] = []
  const start = (answering: (port: number) => boolean) =>
    startCanaries(
      canaries,
      async ({ port }) => (answering(port) ? success : refused),
      () => words++,
      { clock, random: () => 0.3, onSilence: () => silences.push(words) },
    )
  const silent = start(() => false)
  await clock.advance(60_000)
  await silent[Symbol.asyncDispose]()
  t.same(silences, [10], 'after five rounds of two')
  const one = start((port) => port === 53)
  await clock.advance(60_000)
  await one[Symbol.asyncDispose]()
  t.same(silences, [10])
})

t.test('end to end: a canary that can be connected to, and one that can not, tell the checker', async (t) => {
  // Nobody else is given it while it is closed.
  const port = await freePort()
  const server = createServer((socket) => socket.end()).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const canary = { host: '127.0.0.1', port }
  const guard = new SelfIsolationGuard<Measurement>({}, [authority('127.0.0.1', port)], canaryPeriodMs)
  const suspicions: (string | null)[] = []
  let heard = Promise.withResolvers<void>()
  const checker = new Checker({
    onTransitions: () => t.fail('there are no members'),
    probe,
    guard,
    onSuspicion: (suspicion) => {
      suspicions.push(suspicion?.reason ?? null)
      heard.resolve()
    },
  })
  t.teardown(() => checker.stop())
  const answered = Promise.withResolvers<void>()
  const asked = startCanaries([canary], probe, (name, ok) => {
    checker.canary(name, ok)
    answered.resolve()
  })
  t.teardown(() => asked[Symbol.asyncDispose]())
  await answered.promise
  server.close()
  await heard.promise
  t.same(suspicions, ['the canary does not answer'])
  heard = Promise.withResolvers()
  const again = createServer((socket) => socket.end()).listen(port, '127.0.0.1')
  t.teardown(() => again.close())
  await heard.promise
  t.same(suspicions, ['the canary does not answer', null])
})

t.test('all are asked at once when somebody wants to know', async (t) => {
  const clock = new HandClock()
  const asked: number[] = []
  const canaries = startCanaries(
    [
      { host: '192.0.2.1', port: 53 },
      { host: '192.0.2.2', port: 53 },
    ],
    async () => {
      asked.push(clock.nowMs())
      return success
    },
    () => {},
    { clock, random: () => 0.5 },
  )
  await clock.advance(10_000)
  const before = asked.length
  canaries.ask()
  await clock.advance(0)
  t.same(asked.slice(before), [10_000, 10_000])
  await clock.advance(60_000)
  t.ok(asked.length - before < 70, 'and at their pace after that')
  await canaries[Symbol.asyncDispose]()
  canaries.ask()
  t.equal(clock.timers, 0)
})
