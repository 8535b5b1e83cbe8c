import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { ProbeMethod } from '../../../src/controlplane/health/check-method.ts'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import type { Probe } from '../../../src/controlplane/health/probes/probe.ts'
import type { ProbeTarget } from '../../../src/controlplane/health/probes/probe-target.ts'
import type { ProbeVerdict } from '../../../src/controlplane/health/verdict.ts'
import type {
  HttpMonitor,
  ProbeMonitor,
  ProbeTiming,
  TextExpectation,
} from '../../../src/controlplane/model/monitor.ts'
import { freePort } from '../../support/free-port.ts'
import { anyText, httpDefaults, timingDefaults } from '../model/defaults.ts'

/** What the tests register their clean-up with: a tap test. */
interface Owner {
  teardown(fn: () => unknown): void
}

export const containing = (contains: string): TextExpectation => ({ ...anyText, contains })

/** What all probing monitors have; the deadline is one that no healthy test comes near. */
export const timing: ProbeTiming = { ...timingDefaults, intervalMs: 60_000, timeoutMs: 20_000 }

/** Expects `200-299` of `GET /`. */
export function httpMonitorWith(changes: Partial<HttpMonitor> = {}): HttpMonitor {
  return { name: 'web', ...httpDefaults, ...timing, ...changes }
}

export interface HttpTarget extends ProbeTarget {
  readonly monitor: HttpMonitor
}

/** A target on 127.0.0.1. */
export function targetAt(
  port: number,
  changes: Partial<HttpMonitor> = {},
  address = '127.0.0.1',
): HttpTarget {
  return { pool: 'pool', member: 'member', address, port, monitor: httpMonitorWith(changes) }
}

/** A target that is never connected to, at an address of its own. */
export function paperTarget(
  member: string,
  changes: Partial<HttpMonitor> = {},
  pool = 'pool',
  method: Partial<ProbeMethod> = {},
): CheckTarget {
  const host = [...`${pool} ${member}`].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7)
  const address = `198.18.${host >> 8}.${host & 0xff}`
  const probe = { kind: 'probe', monitor: httpMonitorWith(changes), port: 80, address, ...method } as const
  return { pool, member, quorum: 'own', method: probe }
}

async function listening(owner: Owner, server: Server, host: string): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, host)
  await once(server, 'listening')
  owner.teardown(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

/** Starts an HTTP server that ends with the test. */
export function serveHttp(owner: Owner, onRequest: RequestListener, host = '127.0.0.1'): Promise<number> {
  return listening(owner, createHttpServer(onRequest), host)
}

/** Any other kind of target on 127.0.0.1. */
export function targetOf(port: number, monitor: ProbeMonitor): ProbeTarget {
  return { pool: 'pool', member: 'member', address: '127.0.0.1', port, monitor }
}

/** Starts a TCP server that ends with the test. */
export function serveTcp(owner: Owner, onConnection: (socket: Socket) => void): Promise<number> {
  return listening(owner, createTcpServer(onConnection), '127.0.0.1')
}

/** Starts an HTTP server that was made elsewhere, such as one with TLS. */
export function serve(owner: Owner, server: Server | HttpServer): Promise<number> {
  return listening(owner, server, '127.0.0.1')
}

/** Starts a TCP server that answers whatever comes with these bytes and then ends the connection. */
export function serveBytes(
  owner: Owner,
  answer: string,
  end: (socket: Socket) => void = (s) => s.end(),
): Promise<number> {
  return serveTcp(owner, (socket) => {
    socket.once('data', () => socket.write(answer, () => end(socket)))
  })
}

/** A port of 127.0.0.1 that nobody listens on, and that the system gives to nobody. */
export const closedPort = freePort

export const success: ProbeVerdict = { ok: true, durationMs: 1 }
export const refused: ProbeVerdict = {
  ok: false,
  failure: 'connect',
  reason: 'connect ECONNREFUSED',
  durationMs: 1,
}

export interface OpenProbe {
  readonly target: ProbeTarget
  readonly signal: AbortSignal
  settle(verdict: ProbeVerdict): void
}

/** A probe that gives its verdict when the test says so; probes that are called off settle by themselves. */
export function probeByHand(): {
  readonly probe: Probe
  readonly open: Map<string, OpenProbe>
  started: string[]
} {
  const open = new Map<string, OpenProbe>()
  const started: string[] = []
  const probe: Probe = (target, signal) => {
    const { promise, resolve } = Promise.withResolvers<ProbeVerdict>()
    const one: OpenProbe = {
      target,
      signal,
      settle: (verdict) => {
        if (open.get(target.member) === one) open.delete(target.member)
        resolve(verdict)
      },
    }
    signal.addEventListener('abort', () =>
      one.settle({ ok: false, failure: 'aborted', reason: 'probe aborted', durationMs: 0 }),
    )
    open.set(target.member, one)
    started.push(target.member)
    return promise
  }
  return { probe, open, started }
}

/** A reproducible source of numbers in [0, 1) (a linear congruential generator of 32 bits). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
