/** Who is measured: pooldns in its forms, a bare echo, and the peers that are installed. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { node, repository, startDaemonProcess } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { missingPrograms, startProgram } from '../support/program.ts'
import { type Cores, divideCores } from './measure.ts'
import { isInstalled, peers, startPeer } from './peers.ts'
import { service, serviceAddresses, steered, steeredPools, zone, zoneBody } from './zone-data.ts'

/** A server that runs. */
export interface Contestant extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  readonly port: number
  /** Whether `www` is a service here, and not just an RRset. */
  readonly hasService: boolean
  /** Whether the services of `steered` are here. */
  readonly steers: boolean
  readonly hasTcp: boolean
  /** What it wrote so far, for error messages. */
  said(): string
}

/** A pooldns, with its API. */
export interface Pooldns extends Contestant {
  /** `fetch` of a path of the API as admin; an object as `json` becomes the body. A bad status is an error. */
  request(path: string, init?: RequestInit & { json?: unknown }): Promise<Response>
  /** A metric without labels, or its sum over those whose labels hold all of `labels`, such as `transport="udp"`. */
  metric(name: string, ...labels: readonly string[]): Promise<number>
}

/** A server that may be started, again and again. */
export interface Entrant {
  readonly name: string
  readonly workers: number
  readonly cores: Cores
  /** Runs and serves once this resolves. `folder` does not exist yet. */
  start(folder: string): Promise<Contestant>
}

export const echoName = 'node:dgram echo'

const token = 'bench-admin-token-of-24-characters'
const answersWithinMs = 30_000

export interface Entrants {
  readonly entrants: readonly Entrant[]
  /** Peers that are not installed, with their packages. */
  readonly leftOut: readonly string[]
}

/** Everybody who can be measured here; `only` leaves the peers that it does not name out. */
export function findEntrants(cores: readonly number[], only?: readonly string[]): Entrants {
  const single = divideCores(cores, 1)
  const pooldns = (backend: Backend, workers: number): Entrant => ({
    name: pooldnsName(backend, workers),
    workers,
    cores: divideCores(cores, workers),
    start: () => startPooldns(backend, workers, divideCores(cores, workers).server),
  })
  const wanted = peers.filter(({ name }) => only?.includes(name) ?? true)
  return {
    entrants: [
      { name: echoName, workers: 1, cores: single, start: () => startEcho(single.server) },
      pooldns('dgram', 1),
      pooldns('batch', 1),
      ...(missingPrograms('fstrm_capture') === false
        ? [
            {
              name: tappedName,
              workers: 1,
              cores: single,
              start: (folder: string) => startTapped(folder, single),
            },
          ]
        : []),
      ...(only === undefined ? [pooldns('batch', 2)] : []),
      ...wanted.filter(isInstalled).map((peer) => ({
        name: peer.name,
        workers: 1,
        cores: single,
        start: async (folder: string) => serving(await startPeer(peer, folder, single.server)),
      })),
    ],
    leftOut: wanted
      .filter((peer) => !isInstalled(peer))
      .map(({ name, packages }) => `${name} (${packages.join(', ')})`),
  }
}

/** node:dgram sending back what it gets: what the portable listener costs before it does any DNS. */
async function startEcho(cores: string): Promise<Contestant> {
  const running = startProgram('taskset', ['-c', cores, node, join(repository, 'test/bench/echo.ts')])
  await running.said(/^\d+\n/)
  return {
    name: echoName,
    pid: running.pid,
    port: Number.parseInt(running.output, 10),
    hasService: true,
    steers: false,
    hasTcp: false,
    said: () => running.output,
    [Symbol.asyncDispose]: running.stop,
  }
}

type Backend = 'batch' | 'dgram'

export function pooldnsName(backend: Backend, workers: number): string {
  return `pooldns ${backend}${workers === 1 ? '' : `, ${workers} workers`}`
}

/**
 * The daemon as it is run, with everything on: its embedded database, the API, metrics. The zone and the service come by
 * HTTP; members are without a monitor, as those of the peers are.
 */
export async function startPooldns(
  backend: Backend,
  workers: number,
  cores: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Pooldns> {
  const daemon = await startDaemonProcess({
    through: ['taskset', '-c', cores],
    env: {
      POOLDNS_WORKERS: String(workers),
      POOLDNS_UDP_BACKEND: backend,
      POOLDNS_ADMIN_TOKEN: token,
      ...env,
    },
  })
  const request: Pooldns['request'] = async (path, init) => {
    const response = await daemon.request(path, init)
    if (!response.ok)
      throw new Error(`${init?.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`)
    return response
  }
  const pooldns: Pooldns = {
    name: pooldnsName(backend, workers),
    pid: daemon.pid,
    port: daemon.dns.port,
    hasService: true,
    steers: true,
    hasTcp: true,
    said: () => daemon.lines.map((line) => JSON.stringify(line)).join('\n') + daemon.stderr,
    request,
    metric: async (name, ...labels) => sumMetric(await (await request('/metrics')).text(), name, labels),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  }
  try {
    await request(`/v1/zones/${zone}`, { method: 'PUT', json: zoneBody() })
    const members = Object.fromEntries(serviceAddresses.map((address, index) => [`m${index}`, { address }]))
    await request('/v1/pools/bench', { method: 'PUT', json: { members } })
    await request(`/v1/services/${service}.${zone}`, { method: 'PUT', json: { pools: ['bench'] } })
    for (const [name, body] of Object.entries(steeredPools)) {
      await request(`/v1/pools/${name}`, { method: 'PUT', json: body })
    }
    for (const [name, body] of Object.entries(steered)) {
      await request(`/v1/services/${name}.${zone}`, { method: 'PUT', json: body })
    }
    await serving(pooldns)
  } catch (error) {
    await daemon.stop()
    throw error
  }
  return pooldns
}

export const tappedName = 'pooldns batch, dnstap'

/** The same, telling a collector of every response. The collector has the other core, as those who ask. */
async function startTapped(folder: string, cores: Cores): Promise<Contestant> {
  await mkdir(folder)
  const socket = join(folder, 'tap.sock')
  const collect = ['fstrm_capture', '-t', 'protobuf:dnstap.Dnstap', '-u', socket, '-w', '/dev/null']
  const collector = startProgram('taskset', ['-c', cores.generator, ...collect])
  const pooldns = await startPooldns('batch', 1, cores.server, { POOLDNS_DNSTAP: `unix:${socket}` })
  return {
    ...pooldns,
    name: tappedName,
    [Symbol.asyncDispose]: async () => {
      await pooldns[Symbol.asyncDispose]()
      await collector.stop()
    },
  }
}

/** Waits until a server answers for the zone as it should; stops it when it does not. */
async function serving(contestant: Contestant): Promise<Contestant> {
  const signal = AbortSignal.timeout(answersWithinMs)
  try {
    for (;;) {
      const answer = await addressesOf(contestant, `h1.${zone}`).catch(() => [])
      if (answer.length === 3) break
      if (signal.aborted)
        throw new Error(`${contestant.name} does not answer for ${zone}:\n${contestant.said()}`)
      // Servers that don't say in a common way when they serve.
      await delay(20)
    }
    const chosen = await addressesOf(contestant, `${service}.${zone}`)
    if (chosen.length === 0) throw new Error(`${contestant.name} has no answer for ${service}.${zone}`)
    return contestant
  } catch (error) {
    await contestant[Symbol.asyncDispose]()
    throw error
  }
}

async function addressesOf({ port }: Contestant, name: string): Promise<readonly string[]> {
  await using client = await UdpClient.open({ host: '127.0.0.1', port })
  client.send(query(name, 'A'))
  const none = AbortSignal.timeout(200)
  const silence = new Promise<never>((_, reject) =>
    none.addEventListener('abort', () => reject(new Error('no answer')), { once: true }),
  )
  return readResponse(await Promise.race([client.next(), silence])).answer
}

/** A figure of the text that Prometheus reads. */
export function sumMetric(text: string, name: string, labels: readonly string[]): number {
  let sum = 0
  for (const line of text.split('\n')) {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match?.[1] === name && labels.every((label) => match[2]?.includes(label))) sum += Number(match[3])
  }
  return sum
}
