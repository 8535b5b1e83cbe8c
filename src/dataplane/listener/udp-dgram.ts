/**
 * The portable UDP listener, on node:dgram. Every UDP worker opens its own sockets on the same ports (SO_REUSEPORT), and
 * the kernel spreads the clients over them.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Client, localEnd } from '../answer/client.ts'
import { ednsPayload } from '../wire/constants.ts'
import { maxRequestOctets } from './batch-buffers.ts'
import { copyOf } from './bound-sockets.ts'
import { KernelDrops } from './kernel-drops.ts'
import {
  type Bound,
  bindAll,
  closeAll,
  type Listener,
  type ListenerParts,
  type ListenOn,
} from './listener.ts'
import { isAnswered } from './source-ports.ts'
import { loadSyscalls } from './syscalls.ts'

/** Asked of the kernel for each socket, to ride out bursts; it may grant less. */
const receiveBufferOctets = 4 << 20
/** Responses that the kernel has not taken yet, per socket; beyond it they are dropped and counted. */
const maxQueuedOctets = 4 << 20
/** Turns of the event loop that `stop` takes at the most: libuv reads up to 32 datagrams of a socket in each. */
const drainTurns = 256
/** How often the kernel is asked what it has dropped. */
const lookEveryMs = 1000
/** One response in this many is timed, so that the histogram costs next to nothing. */
export const timedEvery = 16

/** Datagrams so far on all the sockets of a listener. */
interface Traffic {
  received: number
}

export async function startUdp(listen: readonly ListenOn[], parts: ListenerParts): Promise<Listener> {
  const traffic: Traffic = { received: 0 }
  /** Of the sockets that were handed to us, our copies. */
  const fds: number[] = []
  const { sockets, bound, skipped } = await bindAll(listen, async (address) => {
    const started = await bind(address, fds)
    serve(started.socket, parts, traffic, 'fd' in address && address.dual)
    return started
  })
  const drops = countKernelDrops(fds, parts)
  const stop = async () => {
    await drain(traffic)
    drops[Symbol.dispose]()
    await closeAll(sockets)
  }
  return { bound, skipped, copies: fds, stop }
}

/**
 * Counts what the kernel drops, each second and at the end: Node doesn't tell what comes with a datagram, but sockets can be asked.
 *
 * @param fds of sockets that were handed to us; of others Node doesn't say which they are
 */
function countKernelDrops(fds: readonly number[], { counters }: ListenerParts): Disposable {
  if (fds.length === 0) return { [Symbol.dispose]: () => undefined }
  const kernel = new KernelDrops(loadSyscalls())
  const lanes = fds.map((fd) => ({ fd, seen: kernel.of(fd) }))
  const look = () => {
    for (const lane of lanes) {
      const drops = kernel.of(lane.fd)
      counters.drop('receive-queue', (drops - lane.seen) >>> 0)
      lane.seen = drops
    }
  }
  const timer = setInterval(look, lookEveryMs).unref()
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer)
      look()
    },
  }
}

/** Waits until what has arrived has been read and answered. */
async function drain(traffic: Traffic): Promise<void> {
  for (let turns = 0, before = -1; traffic.received !== before && turns < drainTurns; turns++) {
    before = traffic.received
    await turn()
  }
}

async function bind(on: ListenOn, fds: number[]): Promise<Bound<Socket>> {
  const ipv6 = on.host.includes(':')
  const socket = createSocket({
    type: ipv6 ? 'udp6' : 'udp4',
    ipv6Only: ipv6,
    reusePort: true,
    recvBufferSize: receiveBufferOctets,
    // Only addresses come here; the default would take each through the resolver's queue.
    lookup: (hostname, _options, callback) => callback(null, hostname, ipv6 ? 6 : 4),
  })
  // With that lookup it may be bound before `bind` returns.
  const listening = once(socket, 'listening')
  if ('fd' in on) {
    const fd = copyOf(loadSyscalls(), on.fd)
    fds.push(fd)
    socket.bind({ fd })
  } else socket.bind({ address: on.host, port: on.port })
  await listening
  return { socket, port: socket.address().port }
}

/** How clients over IPv4 look to a socket of both families (RFC 4291 section 2.5.5.2). */
const mapped = '::ffff:'

/** @param dual the socket is one of both families */
function serve(
  socket: Socket,
  { responder, counters }: ListenerParts,
  traffic: Traffic,
  dual: boolean,
): void {
  const client = new Client()
  const { address, port } = socket.address()
  client.local = localEnd(address, port)
  let out = new Uint8Array(ednsPayload)
  let untimed = 0
  let queued = false
  socket.on('message', (request: Buffer, from: RemoteInfo) => {
    traffic.received++
    if (!isAnswered(from.port)) return counters.drop('source-port')
    if (queued && socket.getSendQueueSize() > maxQueuedOctets) return counters.drop('send')
    if (dual && from.address.startsWith(mapped)) client.set(from.address.slice(mapped.length), false)
    else client.set(from.address, from.family === 'IPv6')
    client.port = from.port
    const startMs = untimed === 0 ? performance.now() : 0
    responder.clock.tick()
    const length = responder.respond(request, Math.min(request.length, maxRequestOctets), client, out)
    if (length > 0) socket.send(out, 0, length, from.port, from.address)
    responder.endBatch()
    if (untimed === 0) counters.duration((performance.now() - startMs) / 1000)
    untimed = (untimed + 1) % timedEvery
    // As a rule the kernel has taken the datagram when `send` returns. When it is queued, the buffer belongs to the queue.
    queued = socket.getSendQueueCount() > 0
    if (queued) out = new Uint8Array(ednsPayload)
  })
}
