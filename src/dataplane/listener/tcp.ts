/** DNS over TCP: binds the addresses, and hands each connection to the table. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import { backlog, copyOf } from './bound-sockets.ts'
import { ConnectionTable } from './connection-table.ts'
import {
  type Bound,
  bindAll,
  closeAll,
  type Listener,
  type ListenerParts,
  type ListenOn,
} from './listener.ts'
import { loadSyscalls } from './syscalls.ts'

export async function startTcp(listen: readonly ListenOn[], parts: ListenerParts): Promise<Listener> {
  const table = new ConnectionTable(parts)
  const { sockets, bound, skipped } = await bindAll(listen, (address) => bind(address, table))
  const { handover = null } = parts
  const stop = async (passes = false) => {
    const closed = closeAll(sockets)
    await table.stop(passes ? handover : null)
    handover?.tell()
    await closed
  }
  const inherit = () => {
    for (const { fd, begun } of handover?.take() ?? []) {
      const connection = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true, ...paused })
      table.accept(connection, plainAddress(connection.remoteAddress ?? ''), begun)
    }
  }
  // From here on an error is a connection that can't be accepted, which costs nobody else anything.
  for (const socket of sockets) socket.on('error', (error) => parts.onError?.(error))
  // What one before us may have left behind that had nobody to take it.
  inherit()
  return { bound, skipped, stop, inherit }
}

/** Until somebody listens to it. */
const paused: object = { manualStart: true }

/** How clients over IPv4 look to a socket of both families (RFC 4291 section 2.5.5.2). */
const mapped = '::ffff:'

/** A socket of both families may have been handed to us. */
function plainAddress(address: string): string {
  return address.startsWith(mapped) && address.includes('.') ? address.slice(mapped.length) : address
}

async function bind(on: ListenOn, table: ConnectionTable): Promise<Bound<Server>> {
  // Half-open, since a client may send its queries, close its side and wait for the answers.
  const socket = createServer({ allowHalfOpen: true, noDelay: true }, (connection) =>
    // One that was reset before it was accepted has no address any more.
    table.accept(connection, plainAddress(connection.remoteAddress ?? '')),
  )
  if ('fd' in on) socket.listen({ fd: copyOf(loadSyscalls(), on.fd), backlog })
  else socket.listen({ host: on.host, port: on.port, ipv6Only: on.host.includes(':'), backlog })
  await once(socket, 'listening')
  return { socket, port: (socket.address() as AddressInfo).port }
}
