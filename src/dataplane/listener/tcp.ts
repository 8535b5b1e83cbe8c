/** DNS over TCP: binds the addresses, and hands each connection to the table. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { ConnectionTable } from './connection-table.ts'
import {
  type Bound,
  bindAll,
  closeAll,
  type ListenAddress,
  type Listener,
  type ListenerParts,
} from './listener.ts'

export async function startTcp(listen: readonly ListenAddress[], parts: ListenerParts): Promise<Listener> {
  const table = new ConnectionTable(parts)
  const { sockets, bound, skipped } = await bindAll(listen, (address) => bind(address, table))
  const stop = async () => {
    const closed = closeAll(sockets)
    table.stop()
    await closed
  }
  // From here on an error is a connection that can't be accepted, which costs nobody else anything.
  for (const socket of sockets) socket.on('error', (error) => parts.onError?.(error))
  return { bound, skipped, stop }
}

async function bind({ host, port }: ListenAddress, table: ConnectionTable): Promise<Bound<Server>> {
  // Half-open, since a client may send its queries, close its side and wait for the answers.
  const socket = createServer({ allowHalfOpen: true, noDelay: true }, (connection) =>
    // One that was reset before it was accepted has no address any more.
    table.accept(connection, connection.remoteAddress ?? ''),
  )
  socket.listen({ host, port, ipv6Only: host.includes(':'), backlog: 1024 })
  await once(socket, 'listening')
  return { socket, port: (socket.address() as AddressInfo).port }
}
