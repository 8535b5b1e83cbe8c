import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly received: readonly Received[]
  /** Most requests that were being answered at one time. */
  readonly busiest: number
  /** Resolves once so many requests have come. */
  count(requests: number): Promise<void>
  /** Resolves once nobody is connected any more: then all that whoever is gone had sent has come. */
  left(): Promise<void>
}

/** Somebody who is told. @param answer replies to the nth request (from 0), or leaves it hanging */
export async function startReceiver(
  answer: (response: ServerResponse, nth: number) => void = (response) => response.writeHead(204).end(),
): Promise<Receiver> {
  const received: Received[] = []
  let open = 0
  let busiest = 0
  const server = createServer(async (request, response) => {
    busiest = Math.max(busiest, ++open)
    response.once('close', () => open--)
    const body = (await request.setEncoding('utf8').toArray()).join('')
    const { method = '', url: path = '', headers } = request
    const nth = received.push({ method, path, headers, body }) - 1
    answer(response, nth)
    server.emit('received')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    get busiest() {
      return busiest
    },
    async count(requests) {
      while (received.length < requests) await once(server, 'received')
    },
    async left() {
      const connections = promisify(server.getConnections.bind(server))
      // One that nobody has taken yet is not counted: there is a turn first.
      do await delay(10)
      while ((await connections()) > 0)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
