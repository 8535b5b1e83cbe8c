import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { readCounters } from '../../../src/dataplane/counter-totals.ts'
import { compileLocationMap } from '../../../src/dataplane/image/location-map.ts'
import { query } from '../../support/dns-client.ts'
import { leaf, located, ranges } from '../trees.ts'
import { servingUpdate } from '../zone-text.ts'
import { alive, askTcp, askUdp, askUdpOnce, generation, generationOf, startFleet } from './running-fleet.ts'

t.test('a worker that dies is replaced while the other answers, and what it counted stays', async (t) => {
  const { fleet, restarts, restarted } = await startFleet(t, { udpWorkers: 2 }, generation(1))
  for (let i = 0; i < 20; i++) await askUdpOnce(fleet)
  const answered = () => readCounters(fleet.counters('udp')).responses[0]!.count
  t.equal(answered(), 20)
  const left = restarted().then(() => fleet.live('udp'))
  await alive('dns-udp')[0]!.terminate()
  t.equal(generationOf(await askUdp(fleet)), 1)
  t.ok((await left) < 2, 'when that was told')
  t.same(restarts, ['udp: it ended'])
  await fleet.publish(generation(2))
  while (fleet.live('udp') < 2) t.equal(generationOf(await askUdp(fleet)), 2)
  t.equal(fleet.counters('udp').length, 2)
  t.ok(answered() >= 21)
  for (let i = 0; i < 20; i++) t.equal(generationOf(await askUdp(fleet)), 2)

  t.test('the TCP worker comes back on the port that it had', async (t) => {
    const { bound } = fleet
    const noticed = restarted()
    await alive('dns-tcp')[0]!.terminate()
    await noticed
    t.equal(generationOf(await askTcp(fleet)), 2)
    t.same(fleet.bound, bound)
    t.equal(restarts.at(-1), 'tcp: it ended')
  })
})

t.test('what is published while a worker starts reaches it', async (t) => {
  const { fleet, restarted } = await startFleet(t, {}, generation(1))
  const successor = once(process, 'worker')
  await alive('dns-udp')[0]!.terminate()
  await successor
  // It has been handed generation 1 and is not listening yet. An update says only what has changed.
  t.equal(fleet.live('udp'), 0)
  const { zones = [] } = generation(2)
  await fleet.publish({ generation: 2, zones })
  t.equal(fleet.live('udp'), 1)
  t.equal(generationOf(await askUdp(fleet)), 2)

  t.test('zones that went are gone for a successor as well', async (t) => {
    await fleet.publish({
      ...servingUpdate([], [], 3),
      zones: [
        [0, null],
        [1, null],
      ],
    })
    const noticed = restarted()
    await alive('dns-udp')[0]!.terminate()
    await noticed
    t.match(await askUdp(fleet), { rcode: 5 })
  })
})

t.test('location maps reach the workers, and their successors', async (t) => {
  const zone = { apex: 'one.test', lines: [], services: { lb: 0 } }
  const plan = located(4, leaf(['192.0.2.1']), leaf(['192.0.2.2']))
  const { fleet, restarted } = await startFleet(t, {}, servingUpdate([zone], [plan]))
  const ask = async () => (await askUdp(fleet, query('lb.one.test', 'A'))).answer
  t.same(await ask(), ['lb.one.test 30 A 192.0.2.1'])
  const map = compileLocationMap(ranges({ '0.0.0.0': 0, '127.0.0.0': 1 }))
  await fleet.publish({ generation: 2, maps: [[4, map]] })
  t.same(await ask(), ['lb.one.test 30 A 192.0.2.2'])
  const noticed = restarted()
  await alive('dns-udp')[0]!.terminate()
  await noticed
  t.same(await ask(), ['lb.one.test 30 A 192.0.2.2'])
})

t.test('a worker that throws, and a successor that ends while it starts', async (t) => {
  const { fleet, restarts, restarted } = await startFleet(t, {}, generation(1))
  const successor = once(process, 'worker')
  const [worker] = alive('dns-udp')
  worker!.emit('error', new Error('it threw'))
  await worker!.terminate()
  const [next] = (await successor) as [Worker]
  await next.terminate()
  while (restarts.length < 2) await restarted()
  t.equal(restarts[0], 'udp: it threw')
  t.match(restarts[1], /^udp: udp worker: /)
  t.equal(generationOf(await askUdp(fleet)), 1)
})

t.test('successors that die are started less and less often, until one has lived', async (t) => {
  // However long the machine takes for them, they have lived for no time.
  let nowMs = performance.now()
  t.intercept(performance, 'now', { value: () => nowMs })
  const { fleet, restarted } = await startFleet(t, {}, generation(1))
  const delaysMs: unknown[] = []
  const { setTimeout } = globalThis
  const timers = t.intercept(globalThis, 'setTimeout', {
    value: (work: () => void, delayMs?: number) => {
      const isRestart = /\brestart\b|this\.start\(\)/.test(String(work))
      if (isRestart) delaysMs.push(delayMs)
      return setTimeout(work, isRestart ? 0 : delayMs)
    },
  })
  const kill = async () => {
    const noticed = restarted()
    await alive('dns-udp')[0]!.terminate()
    await noticed
    await askUdp(fleet)
  }
  for (let i = 0; i < 3; i++) await kill()
  t.same(delaysMs, [0, 100, 500])
  // Eleven seconds go by.
  nowMs += 11_000
  await kill()
  t.equal(delaysMs.at(-1), 0)
  timers.restore()
})

t.test('stop while a worker is being replaced', async (t) => {
  for (const moment of ['dead', 'starting'] as const) {
    const { fleet, restarted } = await startFleet(t, {}, generation(1))
    const noticed = restarted()
    const successor = once(process, 'worker')
    await alive('dns-udp')[0]!.terminate()
    await (moment === 'dead' ? noticed : successor)
    await fleet.stop()
    t.same([fleet.live('udp'), fleet.live('tcp')], [0, 0], moment)
    t.same(alive('dns-udp'), [])
  }
})
