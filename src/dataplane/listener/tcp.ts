/** DNS over TCP: binds the addresses, and hands each connection to the table. */
import { createServer, type Server } from 'node:net'
import { ConnectionTable } from './connection-table.ts'
import { type Bound, bindAll, type ListenAddress, type Listener, type ListenerParts } from './listener.ts'

export async function startTcp(listen: readonly ListenAddress[], parts: ListenerParts): Promise<Listener> {
  const table = new ConnectionTable(parts)
  const { sockets: servers, bound, skipped } = await bindAll(listen, (address) => bind(address, table), close)
  for (const server of servers) server.on('error', parts.onError)
  const stop = async () => {
    const closed = servers.map(close)
    table.stop()
    await Promise.all(closed)
  }
  return { bound, skipped, stop }
}

function bind({ host, port }: ListenAddress, table: ConnectionTable): Promise<Bound<Server>> {
  return new Promise((resolve, reject) => {
    // Half-open, since a client may send its queries, close its side and wait for the answers.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      // One that was reset before it was accepted has no address any more.
      table.accept(socket, socket.remoteAddress ?? ''),
    )
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: host.includes(':'), backlog: 1024 }, () => {
      server.off('error', reject)
      resolve({ socket: server, port: (server.address() as { port: number }).port })
    })
  })
}

/** Resolves when no connection is left either; at once when it was closed before. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
