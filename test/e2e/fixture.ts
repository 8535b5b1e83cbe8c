import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { DaemonProcess } from '../support/daemon.ts'
import { patience, patienceLeftMs } from '../support/patience.ts'

export const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }

/** PUTs a resource, and waits until DNS is answered by it; throws with the reply when it is not a success. */
export async function put(daemon: DaemonProcess, path: string, json: unknown): Promise<void> {
  const response = await daemon.request(path, { method: 'PUT', json })
  if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`)
  // A write waits for that by itself, but for five seconds only, and a busy machine may take longer.
  if (response.headers.get('pooldns-published') === 'pending') await serves(daemon, revisionOf(response))
}

/**
 * PUTs an override that ends by itself in a moment, and again when the moment was over before the server had read of it.
 *
 * @returns when it ends
 */
export async function putEndingSoon(daemon: DaemonProcess, path: string, override: object): Promise<Date> {
  for (;;) {
    const until = new Date(Date.now() + 1000)
    const json = { ...override, until: until.toISOString() }
    const response = await daemon.request(path, { method: 'PUT', json })
    if (response.ok) return until
    const said = await response.text()
    if (response.status !== 400 || until.getTime() > Date.now())
      throw new Error(`PUT ${path}: ${response.status} ${said}`)
  }
}

const revisionOf = (response: Response) => Number(response.headers.get('etag')!.replaceAll('"', ''))

/** Waits until the node answers by a revision, or a later one. */
export async function serves(daemon: DaemonProcess, revision: number): Promise<void> {
  await eventually(async () => {
    const metrics = await (await fetch(`${daemon.http}/metrics`)).text()
    const served = /^pooldns_config_revision (\d+)$/m.exec(metrics)?.[1]
    return Number(served) >= revision ? true : undefined
  })
}

export interface Backend extends AsyncDisposable {
  readonly port: number
  healthy: boolean
  /** What its responses have. */
  headers: Record<string, string>
  /** Shows another certificate from now on. */
  renew(identity: { key: Buffer; cert: Buffer }): void
  /** Resolves when it has been asked once more. */
  asked(): Promise<void>
}

/** A member's health endpoint; by HTTPS when it is given an identity. */
export async function startBackend(identity?: { key: Buffer; cert: Buffer }): Promise<Backend> {
  const answer: RequestListener = (_request, response) => {
    response.writeHead(backend.healthy ? 200 : 503, backend.headers).end('ok\n')
    server.emit('asked')
  }
  const server = identity === undefined ? createServer(answer) : createHttpsServer(identity, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const backend: Backend = {
    port: (server.address() as AddressInfo).port,
    healthy: true,
    headers: {},
    renew: (next) => 'setSecureContext' in server && server.setSecureContext(next),
    asked: async () => {
      await once(server, 'asked', { signal: patience() })
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return backend
}

/**
 * Probes that find soon what fails, and take nobody for failed who is only slow: what answers with a failure is asked again at once, and has
 * failed often enough in less than a second; what does not answer at all, as this process may not for some seconds of a busy machine, has
 * a second each time.
 */
export const timing = { interval: '1s', timeout: '1s', recheck: '20ms', rise: 1, fall: 20 }

/** Zone example.test with a service `www` on a pool of one member for each backend: 192.0.2.1, 192.0.2.2, ... */
export async function putService(
  daemon: DaemonProcess,
  backends: readonly Backend[],
  service: Record<string, unknown> = {},
  pool: Record<string, unknown> = {},
  monitor: Record<string, unknown> = {},
): Promise<void> {
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(daemon, '/v1/monitors/web', { ...timing, ...monitor })
  const members = Object.fromEntries(
    backends.map(({ port }, index) => [
      `m${index + 1}`,
      { address: `192.0.2.${index + 1}`, probe: { address: '127.0.0.1', port } },
    ]),
  )
  await put(daemon, '/v1/pools/web', { monitor: 'web', members, ...pool })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'], ttl: 5, ...service })
}

/** What `look` finds, as soon as it finds something; asks again until then. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + patienceLeftMs()
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error('it did not come')
    await delay(40)
  }
}
