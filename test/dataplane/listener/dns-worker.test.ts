import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import t from 'tap'
import { allocateCounters } from '../../../src/dataplane/counters.ts'
import { allocateSigns } from '../../../src/dataplane/life/signs.ts'
import { BatchSockets } from '../../../src/dataplane/listener/batch-sockets.ts'
import type { FromWorker, ToWorker, WorkerInput } from '../../../src/dataplane/listener/protocol.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { allocateSample } from '../../../src/dataplane/sample.ts'
import { allocateTapRing } from '../../../src/dataplane/tap-ring.ts'
import { query, readResponse, UdpClient } from '../../support/dns-client.ts'
import { servingUpdate } from '../zone-text.ts'
import { zone } from './listening.ts'
import { breakUdpSocket } from './listening-udp.ts'

/** The worker alone, without a fleet around it. */
function startWorker(fields: Partial<WorkerInput> = {}) {
  const { port1, port2 } = new MessageChannel()
  const workerData: WorkerInput = {
    connections: 8192,
    transport: 'udp',
    listen: [{ host: '127.0.0.1', port: 0 }],
    counters: allocateCounters(),
    sample: allocateSample(1),
    tap: allocateTapRing(),
    queryLog: allocateTapRing(),
    signs: allocateSigns(),
    initial: servingUpdate([zone]),
    control: port2,
    batch: null,
    handover: null,
    memory: null,
    ...fields,
  }
  const worker = new Worker(new URL('./worker-with-failing-socket.ts', import.meta.url), {
    workerData,
    transferList: [port2],
  })
  const say = (message: ToWorker, sockets?: BatchSockets) => {
    port1.postMessage(message)
    sockets?.ring()
  }
  const next = async (): Promise<FromWorker> => (await once(port1, 'message'))[0]
  return { worker, control: port1, say, next }
}

t.test('listens, serves what it is told, stops', async (t) => {
  for (const transport of ['udp', 'tcp'] as const) {
    const { worker, say, next } = startWorker({ transport })
    t.match(await next(), { kind: 'listening', bound: [{ host: '127.0.0.1', port: Number }], skipped: [] })
    say({ kind: 'publish', update: { generation: 7 } })
    t.same(await next(), { kind: 'serving', generation: 7 })
    const ended = once(worker, 'exit')
    say({ kind: 'stop', passes: false })
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
  const { worker, say, next } = startWorker()
  const ended = once(worker, 'exit')
  const listening = await next()
  if (listening.kind !== 'listening') throw new Error(listening.kind)
  await using client = await UdpClient.open(listening.bound[0]!)
  for (let id = 0; id < 50; id++) client.send(query('www.example.test', 'A', { id }))
  say({ kind: 'stop', passes: false })
  for (let id = 0; id < 50; id++) t.equal(readResponse(await client.next()).id, id)
  t.same(await ended, [0])
})

t.test('a socket that fails ends the thread with its error', async (t) => {
  const { next, worker } = startWorker()
  t.match(await next(), { kind: 'listening' })
  worker.postMessage('fail')
  const [error] = await once(worker, 'error')
  t.equal(error.message, 'recvmsg EIO')
})

t.test('in batches: listens, serves what it is told when the doorbell rings, stops', async (t) => {
  const sockets = new BatchSockets(loadSyscalls(), [{ host: '127.0.0.1', port: 0 }])
  t.teardown(() => sockets.close())
  const { worker, say, next } = startWorker({ batch: sockets.end, listen: sockets.bound })
  const listening = await next()
  if (listening.kind !== 'listening') throw new Error(listening.kind)
  await using client = await UdpClient.open(listening.bound[0]!)
  t.match(readResponse(await client.exchange(query('www.example.test', 'A'))), { rcode: 0 })
  say({ kind: 'publish', update: { generation: 7 } }, sockets)
  t.same(await next(), { kind: 'serving', generation: 7 })
  for (let id = 0; id < 50; id++) client.send(query('www.example.test', 'A', { id }))
  const ended = once(worker, 'exit')
  say({ kind: 'stop', passes: false }, sockets)
  for (let id = 0; id < 50; id++) t.equal(readResponse(await client.next()).id, id)
  t.same(await ended, [0])
})

t.test('in batches: when the system calls fail for good, it goes on with events', async (t) => {
  const sockets = new BatchSockets(loadSyscalls(), [{ host: '127.0.0.1', port: 0 }])
  t.teardown(() => sockets.close())
  const { worker, say, next } = startWorker({ batch: sockets.end, listen: sockets.bound })
  const listening = await next()
  if (listening.kind !== 'listening') throw new Error(listening.kind)
  breakUdpSocket(listening.bound[0]!.port)
  sockets.ring()
  t.match(await next(), { kind: 'fell-back', reason: /^recvmmsg ENOTSOCK: .* 127\.0\.0\.1:\d+$/ })
  await using client = await UdpClient.open(listening.bound[0]!)
  t.match(readResponse(await client.exchange(query('www.example.test', 'A'))), { rcode: 0 })
  say({ kind: 'publish', update: { generation: 8 } })
  t.same(await next(), { kind: 'serving', generation: 8 })
  const ended = once(worker, 'exit')
  say({ kind: 'stop', passes: false })
  t.same(await ended, [0])
})

t.test('in batches: a fault of ours ends the thread with its error', async (t) => {
  const sockets = new BatchSockets(loadSyscalls(), [{ host: '127.0.0.1', port: 0 }])
  t.teardown(() => sockets.close())
  const { say, next, worker } = startWorker({ batch: sockets.end, listen: sockets.bound })
  t.match(await next(), { kind: 'listening' })
  const broken: ToWorker = {
    kind: 'publish',
    update: { generation: 2, zones: [[0, new SharedArrayBuffer(64)]] },
  }
  const failed = once(worker, 'error')
  say(broken, sockets)
  t.match(await failed, [{ message: 'not a zone image of this version' }])
})
