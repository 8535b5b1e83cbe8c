/**
 * The portable UDP listener, on node:dgram. Every UDP worker opens its own sockets on the same ports (SO_REUSEPORT), and
 * the kernel spreads the clients over them.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { Client, type Responder } from '../answer/responder.ts'
import type { Counters } from '../counters.ts'
import { ednsPayload } from '../wire/constants.ts'
import { formatListenAddress, isMissingFamily, type ListenAddress, type Listener } from './protocol.ts'

/** Asked of the kernel for each socket, to ride out bursts; it may grant less. */
const receiveBufferOctets = 4 << 20
/** Responses that the kernel has not taken yet, per socket; beyond it they are dropped and counted. */
const maxQueuedOctets = 4 << 20
/** One response in this many is timed, so that the histogram costs next to nothing. */
export const timedEvery = 16

export async function startUdp(
  listen: readonly ListenAddress[],
  responder: Responder,
  counters: Counters,
  onError: (error: Error) => void,
): Promise<Listener> {
  const sockets: Socket[] = []
  const bound: ListenAddress[] = []
  const skipped: string[] = []
  const stop = async () => {
    await Promise.all(
      sockets.splice(0).map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    )
  }
  for (const address of listen) {
    try {
      const socket = await bind(address)
      sockets.push(socket)
      bound.push({ host: address.host, port: socket.address().port })
      serve(socket, responder, counters)
      socket.on('error', onError)
    } catch (error) {
      if (!isMissingFamily(address, error as NodeJS.ErrnoException)) {
        await stop()
        throw error
      }
      skipped.push(`${formatListenAddress(address)}: ${(error as Error).message}`)
    }
  }
  return { bound, skipped, stop }
}

function bind({ host, port }: ListenAddress): Promise<Socket> {
  const ipv6 = host.includes(':')
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: ipv6 ? 'udp6' : 'udp4',
      ipv6Only: ipv6,
      reusePort: true,
      recvBufferSize: receiveBufferOctets,
      // Only addresses come here; the default would take each through the resolver's queue.
      lookup: (hostname, _options, callback) => callback(null, hostname, ipv6 ? 6 : 4),
    })
    socket.once('error', reject)
    socket.bind({ address: host, port }, () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

function serve(socket: Socket, responder: Responder, counters: Counters): void {
  const client = new Client()
  let out = new Uint8Array(ednsPayload)
  let untimed = 0
  socket.on('message', (request: Buffer, from: RemoteInfo) => {
    // Port 0 can't be answered, and only a forged packet has it.
    if (from.port === 0) return counters.drop('source-port')
    if (socket.getSendQueueSize() > maxQueuedOctets) return counters.drop('send')
    client.ipv6 = from.family === 'IPv6'
    const startMs = untimed === 0 ? performance.now() : 0
    const length = responder.respond(request, request.length, client, out)
    if (length > 0) socket.send(out, 0, length, from.port, from.address)
    if (untimed === 0) counters.duration((performance.now() - startMs) / 1000)
    untimed = (untimed + 1) % timedEvery
    // As a rule the kernel has taken the datagram when `send` returns. When it is queued, the buffer belongs to the queue.
    if (socket.getSendQueueCount() > 0) out = new Uint8Array(ednsPayload)
  })
}
