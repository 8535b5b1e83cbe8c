/** An error of the code that answers costs the query that found it its answer, and nobody else anything. */
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { readCounters } from '../../../src/dataplane/counter-totals.ts'
import { WorkerErrors } from '../../../src/dataplane/listener/errors.ts'
import type { FromWorker } from '../../../src/dataplane/listener/protocol.ts'
import { query, readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { alive, generation, question, startFleet } from './running-fleet.ts'

t.setTimeout(300_000)

const poison = (id: number) => query('a.one.test', 'A', { opcode: 2, id })

for (const udpBackend of ['auto', 'dgram'] as const) {
  t.test(`workers go on, with UDP by ${udpBackend}`, async (t) => {
    const told: unknown[] = []
    const waiting: (() => void)[] = []
    const { fleet, restarts } = await startFleet(
      t,
      {
        udpBackend,
        entry: new URL('./worker-that-throws.ts', import.meta.url),
        onError: (transport, { message, code }, count) => {
          told.push({ transport, message, code, count })
          for (const resolve of waiting.splice(0)) resolve()
        },
      },
      generation(1),
    )
    const heard = (count: number) =>
      told.length >= count ? undefined : new Promise<void>((resolve) => waiting.push(resolve))
    const workers = alive('dns-udp').length
    const udp = await UdpClient.open(fleet.bound[0]!)
    for (let i = 0; i < 10; i++) udp.send(poison(1))
    t.match(readResponse(await udp.exchange(question)), { rcode: 0 })
    await heard(1)
    t.match(told, [{ transport: 'udp', message: 'keep is not a function', code: 'ECODE', count: 1 }])
    t.equal(readCounters(fleet.counters('udp')).dropped.find(({ reason }) => reason === 'error')!.count, 10)

    using tcp = await TcpClient.open(fleet.bound[0]!)
    using other = await TcpClient.open(fleet.bound[0]!)
    tcp.send(question, poison(2))
    t.match(readResponse((await tcp.next())!), { rcode: 0 })
    await tcp.ended
    t.match(readResponse((await other.exchange(question))!), { rcode: 0 })
    await heard(2)
    t.match(told[1], { transport: 'tcp', message: 'no error at all', count: 1 })
    await udp[Symbol.asyncDispose]()
    t.same(restarts, [])
    t.equal(alive('dns-udp').length, workers)
  })
}

t.test('many errors are told once a second', async (t) => {
  let nowMs = 0
  t.intercept(performance, 'now', { value: () => nowMs })
  const said: FromWorker[] = []
  const errors = new WorkerErrors((message) => said.push(message))
  for (; nowMs < 2500; nowMs += 10) errors.note(new Error(`at ${nowMs}`))
  t.match(said, [
    { error: { message: 'at 0' }, code: null, count: 1 },
    { error: { message: 'at 1000' }, count: 100 },
    { error: { message: 'at 2000' }, count: 100 },
  ])
})
