import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import t from 'tap'
import { allocateCounters } from '../../../src/dataplane/counters.ts'
import type { FromWorker, ToWorker, WorkerInput } from '../../../src/dataplane/listener/protocol.ts'
import { query, readResponse, UdpClient } from '../../support/dns-client.ts'
import { servingUpdate } from '../zone-text.ts'
import { zone } from './listening.ts'

/** The worker alone, without a fleet around it. */
function startWorker(fields: Partial<WorkerInput> = {}) {
  const { port1, port2 } = new MessageChannel()
  const workerData: WorkerInput = {
    transport: 'udp',
    listen: [{ host: '127.0.0.1', port: 0 }],
    counters: allocateCounters(),
    initial: servingUpdate([zone]),
    control: port2,
    ...fields,
  }
  const worker = new Worker(new URL('./worker-with-failing-socket.ts', import.meta.url), {
    workerData,
    transferList: [port2],
  })
  const say = (message: ToWorker) => port1.postMessage(message)
  const next = async (): Promise<FromWorker> => (await once(port1, 'message'))[0]
  return { worker, control: port1, say, next }
}

t.test('listens, serves what it is told, stops', async (t) => {
  for (const transport of ['udp', 'tcp'] as const) {
    const { worker, say, next } = startWorker({ transport })
    t.match(await next(), { kind: 'listening', bound: [{ host: '127.0.0.1', port: Number }], skipped: [] })
    say({ kind: 'publish', update: { generation: 7, zones: [], plans: [] } })
    t.same(await next(), { kind: 'serving', generation: 7 })
    const ended = once(worker, 'exit')
    say({ kind: 'stop' })
    t.same(await next(), { kind: 'stopped' })
    t.same(await ended, [0])
  }
})

t.test('says why it can not listen, and ends', async (t) => {
  const { next, worker } = startWorker({ listen: [{ host: '192.0.2.1', port: 0 }] })
  const ended = once(worker, 'exit')
  t.match(await next(), { kind: 'failed', code: 'EADDRNOTAVAIL', message: /192\.0\.2\.1/ })
  t.same(await ended, [0])
})

t.test('datagrams that have arrived before stop are answered', async (t) => {
  const { say, next } = startWorker()
  const listening = await next()
  if (listening.kind !== 'listening') throw new Error(listening.kind)
  await using client = await UdpClient.open(listening.bound[0]!)
  for (let id = 0; id < 50; id++) client.send(query('www.example.test', 'A', { id }))
  say({ kind: 'stop' })
  for (let id = 0; id < 50; id++) t.equal(readResponse(await client.next()).id, id)
  t.same(await next(), { kind: 'stopped' })
})

t.test('a socket that fails ends the thread with its error', async (t) => {
  const { next, worker } = startWorker()
  t.match(await next(), { kind: 'listening' })
  worker.postMessage('fail')
  const [error] = await once(worker, 'error')
  t.equal(error.message, 'recvmsg EIO')
})
