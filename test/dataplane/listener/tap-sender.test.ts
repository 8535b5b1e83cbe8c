/** Frame Streams, by a collector that looks at every octet. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { defaultAnswerSettings } from '../../../src/dataplane/image/answer-settings.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { TapSender } from '../../../src/dataplane/listener/tap-sender.ts'
import { TapThread } from '../../../src/dataplane/listener/tap-thread.ts'
import { allocateTapRing, ringOctets, TapWriter } from '../../../src/dataplane/tap-ring.ts'
import { temporaryDataFolder } from '../../support/kept.ts'
import { askTcp, askUdp, askUdpOnce, generation, startFleet } from './running-fleet.ts'

const type = Buffer.from('protobuf:dnstap.Dnstap')
const control = (kind: number, withType = true): Buffer => {
  const frame = Buffer.alloc(12 + (withType ? 8 + type.length : 0))
  frame.writeUInt32BE(frame.length - 8, 4)
  frame.writeUInt32BE(kind, 8)
  if (!withType) return frame
  frame.writeUInt32BE(1, 12)
  frame.writeUInt32BE(type.length, 16)
  type.copy(frame, 20)
  return frame
}
const [accept, start, stop, ready, finish] = [
  control(1),
  control(2),
  control(3, false),
  control(4),
  control(5, false),
]

interface Peer {
  readonly socket: Socket
  /** The next so many octets. */
  read(octets: number): Promise<Buffer>
}

/** Somebody to connect to; `next` resolves with who connects. */
async function listen(t: Test, server: Server, on: object = { host: '127.0.0.1', port: 0 }) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(on)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    target: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async next(): Promise<Peer> {
      const [socket] = (await once(server, 'connection')) as [Socket]
      return {
        socket,
        read: async (octets) => {
          for (;;) {
            const found = socket.read(octets) as Buffer | null
            if (found !== null) return found
            // Whoever begins to listen while there is too little is told of that at once, again and again, and nothing more comes in.
            if (socket.readableLength > 0) await turn()
            else await once(socket, 'readable')
          }
        },
      }
    },
  }
}

function put(ring: SharedArrayBuffer, text: string): void {
  const writer = new TapWriter(ring)
  const at = writer.reserve(text.length)
  writer.octets.set(Buffer.from(text), at)
  writer.commit(text.length)
  writer.publish()
}

const times = { lookMs: 1, greetMs: 60_000, retryMs: 1, stopMs: 60_000 }

t.test('greets, sends what there is and what comes, and says goodbye', async (t) => {
  const collector = await listen(t, createServer())
  const rings = [allocateTapRing(), allocateTapRing()]
  put(rings[0]!, 'one')
  put(rings[1]!, 'two')
  const sender = new TapSender(rings, collector.target, times)
  const connected = collector.next()
  sender.start()
  const { socket, read } = await connected
  t.same(await read(ready!.length), ready)
  // In parts, as a network brings it.
  for (const [from, to] of [
    [0, 5],
    [5, 20],
    [20, accept!.length],
  ]) {
    await new Promise((resolve) => socket.write(accept!.subarray(from, to), resolve))
    // It is read in the next turn.
    await turn()
    await turn()
  }
  t.same(await read(start!.length), start)
  t.equal(String(await read(6)), 'onetwo')
  put(rings[1]!, 'three')
  t.equal(String(await read(5)), 'three')
  put(rings[0]!, 'last')
  const stopped = Promise.all([sender.stop(), sender.stop()])
  t.equal(String(await read(4)), 'last')
  t.same(await read(stop!.length), stop)
  socket.write(finish!)
  await stopped
})

t.test('comes again after whoever ends the connection, or is no collector', async (t) => {
  const collector = await listen(t, createServer())
  const ring = allocateTapRing()
  const sender = new TapSender([ring], collector.target, times)
  let connected = collector.next()
  sender.start()
  for (const wrong of [finish!, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), Buffer.alloc(600, 1)]) {
    const { socket, read } = await connected
    await read(ready!.length)
    connected = collector.next()
    socket.write(wrong)
  }
  const first = await connected
  await first.read(ready!.length)
  connected = collector.next()
  first.socket.write(accept!)
  await first.read(start!.length)
  first.socket.destroy()
  const { socket, read } = await connected
  await read(ready!.length)
  socket.write(accept!)
  await read(start!.length)
  put(ring, 'again')
  t.equal(String(await read(5)), 'again')
  const stopped = sender.stop()
  await read(stop!.length)
  socket.write(accept!)
  await stopped
})

t.test('one who does not read takes nothing out of the ring, and holds up no stop', async (t) => {
  const collector = await listen(t, createServer())
  const ring = allocateTapRing()
  const sender = new TapSender([ring], collector.target, { ...times, stopMs: 50 })
  const connected = collector.next()
  sender.start()
  const { socket, read } = await connected
  await read(ready!.length)
  socket.write(accept!)
  await read(start!.length)
  socket.pause()
  const writer = new TapWriter(ring)
  const part = 64 * 1024
  let written = 0
  // Until nothing is taken any more, which is when the kernel keeps as much for it as it does.
  for (let refused = 0; refused < 2000 && written < 16 * ringOctets; refused++) {
    while (writer.reserve(part) >= 0) {
      writer.commit(part)
      writer.publish()
      written += part
      refused = 0
    }
    await turn()
  }
  t.ok(written < 16 * ringOctets, 'the ring is full')
  await sender.stop()
})

t.test('a connection that ends amid a frame leaves the whole of it to the next', async (t) => {
  const folder = await temporaryDataFolder('pooldns-tap-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  // The kernel takes less than the ring has; over TCP it may take all.
  const path = join(folder, 'tap.sock')
  const collector = await listen(t, createServer(), { path })
  const ring = allocateTapRing()
  const writer = new TapWriter(ring)
  // No number of them fills what is written at once.
  const octets = 1009
  for (let index = 0; ; index++) {
    const at = writer.reserve(octets)
    if (at < 0) break
    const view = new DataView(writer.octets.buffer, writer.octets.byteOffset + at, octets)
    view.setUint32(0, octets - 4)
    view.setUint32(4, index)
    writer.commit(octets)
  }
  writer.publish()
  const sender = new TapSender([ring], { path }, times)
  let connected = collector.next()
  sender.start()
  const startSending = async () => {
    const peer = await connected
    await peer.read(ready!.length)
    connected = collector.next()
    peer.socket.write(accept!)
    await peer.read(start!.length)
    return peer
  }
  const first = await startSending()
  // More than the kernel takes at once, so that frames were taken, and then a part of one.
  for (let piece = 0; piece < 300; piece++) await first.read(1024)
  first.socket.destroy()
  const next = await startSending()
  const [length, index] = [await next.read(4), await next.read(4)]
  t.equal(length.readUInt32BE(), octets - 4)
  t.ok(index.readUInt32BE() > 0, 'what was taken whole is not told twice')
  t.equal((await next.read(octets - 4)).readUInt32BE(octets - 8), octets - 4, 'and so on')
  next.socket.destroy()
  await sender.stop()
})

t.test('an end that comes while the thread sleeps is found by writing, and takes no frame', async (t) => {
  const folder = await temporaryDataFolder('pooldns-tap-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'tap.sock')
  const collector = await listen(t, createServer(), { path })
  const ring = allocateTapRing()
  let first: Socket | undefined
  let sleeps = 2
  // Looks follow one another without a turn of the event loop, which would hear of the end: one that writes, and one that finds no socket.
  const sleep = () => {
    if (first === undefined || sleeps === 0) return false
    if (sleeps-- === 2) {
      first.destroy()
      put(ring, 'kept')
    }
    return true
  }
  const sender = new TapSender([ring], { path }, times, sleep)
  const connected = collector.next()
  sender.start()
  const one = await connected
  await one.read(ready!.length)
  const again = collector.next()
  one.socket.write(accept!)
  await one.read(start!.length)
  first = one.socket
  const { socket, read } = await again
  await read(ready!.length)
  socket.write(accept!)
  await read(start!.length)
  t.equal(String(await read(4)), 'kept')
  const stopped = sender.stop()
  await read(stop!.length)
  socket.write(finish!)
  await stopped
})

/** The next socket that this process connects. */
async function nextClient(): Promise<Socket> {
  const { promise, resolve } = Promise.withResolvers<Socket>()
  const hear = (message: unknown) => resolve((message as { socket: Socket }).socket)
  subscribe('net.client.socket', hear)
  const socket = await promise
  unsubscribe('net.client.socket', hear)
  return socket
}

t.test('a stop makes one more attempt at one who is not there', async (t) => {
  const folder = await temporaryDataFolder('pooldns-tap-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'tap.sock')
  const ring = allocateTapRing()
  put(ring, 'late')
  const waits = { lookMs: 1, greetMs: 3_600_000, retryMs: 3_600_000, stopMs: 60_000 }
  const lost = new TapSender([ring], { path }, waits)
  lost.start()
  await lost.stop()

  const sender = new TapSender([ring], { path }, waits)
  const connecting = nextClient()
  sender.start()
  const attempt = await connecting
  await new Promise((resolve) => attempt.once('close', resolve))
  const collector = await listen(t, createServer(), { path })
  const connected = collector.next()
  const stopped = sender.stop()
  const { socket, read } = await connected
  await read(ready!.length)
  socket.write(accept!)
  await read(start!.length)
  t.equal(String(await read(4)), 'late')
  await read(stop!.length)
  socket.write(finish!)
  await stopped
})

t.test('a thread sends, to another when that is said, and to nobody', async (t) => {
  const [one, two] = [await listen(t, createServer()), await listen(t, createServer())]
  const ring = allocateTapRing()
  const errors: string[] = []
  const thread = new TapThread((reason) => void errors.push(reason))
  const greet = async ({ socket, read }: Peer) => {
    await read(ready!.length)
    socket.write(accept!)
    await read(start!.length)
    return { socket, read }
  }
  let connected = one.next()
  thread.send([ring], one.target)
  thread.send([ring], { ...one.target })
  const first = await greet(await connected)
  put(ring, 'first')
  t.equal(String(await first.read(5)), 'first')
  connected = two.next()
  thread.send([ring], two.target)
  await first.read(stop!.length)
  first.socket.write(finish!)
  const second = await greet(await connected)
  thread.send([ring], null)
  await second.read(stop!.length)
  second.socket.write(finish!)
  await thread.stop()
  t.same(errors, [])
})

for (const udpBackend of ['batch', 'dgram'] as const) {
  t.test(`a fleet (${udpBackend}) tells of what its workers answer, from when it is to`, async (t) => {
    const collector = await listen(t, createServer())
    const { fleet } = await startFleet(t, { udpBackend }, generation(1))
    const connected = collector.next()
    const tap = {
      queries: false,
      responses: true,
      every: 1,
      identity: 'ns1',
      version: 'v',
      to: collector.target,
    }
    await fleet.publish({ generation: 2, settings: only({ ...defaultAnswerSettings, tap }) })
    const { socket, read } = await connected
    await read(ready!.length)
    socket.write(accept!)
    await read(start!.length)
    await askUdp(fleet)
    await askTcp(fleet)
    // Over IPv4, by UDP and by TCP, from and to this host. Whoever asks by UDP may have asked again.
    const ways = new Set(['\x08\x02\x10\x01\x18\x01', '\x08\x02\x10\x01\x18\x02'])
    const [to, from] = ['*\x04\x7f\0\0\x018', '"\x04\x7f\0\0\x010']
    while (ways.size > 0) {
      const frame = (await read((await read(4)).readUInt32BE())).toString('latin1')
      for (const way of ways) if (frame.includes(`${way}${to}`)) ways.delete(way)
      t.ok(frame.includes(from))
    }
    const stopped = fleet.stop()
    await read(stop!.length)
    socket.write(finish!)
    await stopped
  })
}

t.test('a thread that dies is told of, and started again', async (t) => {
  // The threads keep nobody alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(alive))
  const target = { host: '127.0.0.1', port: 1 }
  const dying = (provenAfterMs: number, words: string) => {
    const died: string[] = []
    const thrice = Promise.withResolvers<void>()
    const thread = new TapThread(
      (reason) => {
        if (died.push(reason) === 3) thrice.resolve()
      },
      new URL(`data:text/javascript,${words}`),
      { delaysMs: [0, 1], provenAfterMs, endsWithinMs: 60_000 },
    )
    thread.send([allocateTapRing()], target)
    return { died, thread, thrice: thrice.promise }
  }
  for (const [provenAfterMs, words, reason] of [
    [60_000, 'throw new Error("broken")', 'broken'],
    [0, 'process.exit()', 'it ended'],
  ] as const) {
    const { died, thread, thrice } = dying(provenAfterMs, words)
    await thrice
    await thread.stop()
    t.same(new Set(died), new Set([reason]))
  }
  // Nobody need hear of it.
  const quiet = new TapThread(undefined, new URL('data:text/javascript,process.exit()'))
  const begun = once(process, 'worker') as Promise<[Worker]>
  quiet.send([allocateTapRing()], target)
  const [worker] = await begun
  await once(worker, 'exit')
  await quiet.stop()
  // One that is stopped before it has begun does not begin.
  const late = new TapThread(() => t.fail('it was not started'))
  late.send([allocateTapRing()], target)
  await late.stop()
})

/** It says once that it lives. */
const hanging = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { workerData } from 'node:worker_threads'
    Atomics.add(new Int32Array(workerData.signs), 0, 1)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`)}`,
)
const target = { host: '127.0.0.1', port: 1 }
const restarts = { delaysMs: [0], provenAfterMs: 60_000, endsWithinMs: 1 }

t.test('a thread that hangs is told of, and another one is started', async (t) => {
  const died: string[] = []
  const thread = new TapThread((reason) => void died.push(reason), hanging, restarts)
  thread.look(1000)
  thread.send([allocateTapRing()], target)
  while (died.length < 2) {
    thread.look(1000)
    await turn()
  }
  for (const reason of died) t.match(reason, /^it hangs: no sign of life in \d+ ms, \d+ of them busy$/)
  await thread.stop()
  t.equal(died.length, 2, 'one that is told to end is not waited for')
})

t.test('a thread that the host has no room for is tried again', async (t) => {
  const twice = Promise.withResolvers<void>()
  const died: string[] = []
  const tell = (reason: string) => {
    if (died.push(reason) === 2) twice.resolve()
  }
  // Whatever keeps it from being made.
  const thread = new TapThread(tell, new URL('http://127.0.0.1/none'), restarts)
  const alive = setInterval(() => undefined, 1000)
  thread.send([allocateTapRing()], target)
  await twice.promise
  clearInterval(alive)
  await thread.stop()
  t.match(died[0], /must be|file|URL/)
})

t.test('a collector that says nothing to the greeting is connected to anew', async (t) => {
  const collector = await listen(t, createServer())
  const sender = new TapSender([allocateTapRing()], collector.target, { ...times, greetMs: 1, stopMs: 1 })
  for (let nth = 0; nth < 3; nth++) {
    const connected = collector.next()
    if (nth === 0) sender.start()
    await connected
  }
  await sender.stop()
  t.pass('three times')
})

t.test('a fleet hands out what its workers leave for the query log, each frame once', async (t) => {
  const { fleet } = await startFleet(t, {}, generation(1))
  const queryLog = { queries: false, responses: true, every: 1, identity: '', version: '' }
  t.same(await fleet.queries(1000), [])
  await fleet.publish({ generation: 2, settings: only({ ...defaultAnswerSettings, queryLog }) })
  await askUdpOnce(fleet)
  await askTcp(fleet)
  await askTcp(fleet)
  const taken: Buffer[] = []
  // One frame from each worker at a time.
  while (taken.length < 3)
    for (const frames of await fleet.queries(1)) {
      const frame = Buffer.from(frames)
      t.equal(frame.length, 4 + frame.readUInt32BE())
      taken.push(frame)
    }
  const protocols = taken.map((frame) => frame[frame.indexOf(Buffer.from([0x18])) + 1])
  t.same(protocols.toSorted(), [1, 2, 2])
  t.same(await fleet.queries(1000), [])
})
