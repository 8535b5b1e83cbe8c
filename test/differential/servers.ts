/** The three servers, each with the same zones on a free port of 127.0.0.1: NSD and Knot as Debian ships them, and ours. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ZoneCompiler } from '../../src/dataplane/image/compile.ts'
import { compileDirectory } from '../../src/dataplane/image/directory.ts'
import { only } from '../../src/dataplane/image/serving-set.ts'
import { Fleet } from '../../src/dataplane/listener/fleet.ts'
import { lowerName, parseName } from '../../src/dataplane/wire/name.ts'
import { parseRdata, rrTypes } from '../../src/dataplane/wire/rdata.ts'
import { freePort } from '../support/free-port.ts'
import { patienceMs } from '../support/patience.ts'
import { toText } from './names.ts'
import { masterLines, type TestRdata, testTypes } from './rdata.ts'
import { signaturesOf } from './signatures.ts'
import type { TestZone } from './world.ts'

export interface RunningServer extends AsyncDisposable {
  readonly name: 'pooldns' | 'nsd' | 'knot'
  readonly port: number
  /** What it has written to its log, to explain a failure. */
  log(): string
}

const askEveryMs = 50

/** Why the other servers can't run here, or null. */
export function missingServers(): string | null {
  const missing = ['nsd', 'knotd'].filter((program) => spawnSync(program, ['-h']).error !== undefined)
  return missing.length === 0 ? null : `not installed (Debian packages nsd and knot): ${missing.join(', ')}`
}

export async function startPooldns(zones: readonly TestZone[]): Promise<RunningServer> {
  const fleet = new Fleet({
    listen: [{ host: '127.0.0.1', port: 0 }],
    udpWorkers: 1,
    udpBackend: 'auto',
    onRestart: (transport, reason) => {
      throw new Error(`the ${transport} worker died: ${reason}`)
    },
    onFallback: (reason) => {
      throw new Error(reason)
    },
    onSkipped: () => undefined,
  })
  await fleet.start()
  await fleet.publish({
    generation: 1,
    directory: only(
      compileDirectory(new Map(zones.map(({ apex }, slot) => [slot, lowerName(parseName(toText(apex)))]))),
    ),
    zones: zones.map((zone, slot) => [slot, compileTestZone(zone)]),
  })
  return {
    name: 'pooldns',
    port: fleet.bound[0]!.port,
    log: () => '',
    [Symbol.asyncDispose]: () => fleet.stop(),
  }
}

/** Through the text that the other servers read, by our own parsers. */
function compileTestZone({ apex, rrsets }: TestZone): SharedArrayBuffer {
  const origin = lowerName(parseName(toText(apex)))
  const soa = rrsets.find(({ type }) => type === 'SOA')!
  const compiler = new ZoneCompiler(
    origin,
    {
      rdata: parseRdata('SOA', soa.rdata[0]!.text, origin),
      ttlSeconds: soa.ttlSeconds,
    },
    { signatures: signaturesOf(rrsets) },
  )
  for (const { owner, type, ttlSeconds, rdata } of rrsets) {
    if (type === 'SOA' || type === 'RRSIG') continue
    compiler.add({
      owner: lowerName(parseName(toText(owner), origin)),
      type: testTypes[type],
      ttlSeconds,
      rdata: rdata.map(({ text, wire }: TestRdata) =>
        rrTypes.has(type) ? parseRdata(type, text, origin) : wire,
      ),
    })
  }
  return compiler.finish()
}

export async function startNsd(zones: readonly TestZone[]): Promise<RunningServer> {
  const folder = await writeZones(zones)
  const port = await freePort()
  const config = `server:
  ip-address: 127.0.0.1
  port: ${port}
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  zonelistfile: "${folder}/zone.list"
  xfrdfile: "${folder}/xfrd.state"
  xfrdir: "${folder}"
  pidfile: "${folder}/nsd.pid"
  server-count: 1
  minimal-responses: yes
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
${zones.map(({ apex }, i) => `zone:\n  name: "${toText(apex)}"\n  zonefile: "${i}.zone"\n`).join('')}`
  await writeFile(join(folder, 'nsd.conf'), config)
  return run('nsd', 'nsd', ['-d', '-c', join(folder, 'nsd.conf')], folder, port, zones)
}

export async function startKnot(zones: readonly TestZone[]): Promise<RunningServer> {
  const folder = await writeZones(zones)
  const port = await freePort()
  await mkdir(join(folder, 'run'))
  const config = `server:
  listen: 127.0.0.1@${port}
  rundir: "${folder}/run"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
database:
  storage: "${folder}/db"
template:
  - id: default
    storage: "${folder}"
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
zone:
${zones.map(({ apex }, i) => `  - domain: "${toText(apex)}"\n    file: "${i}.zone"\n`).join('')}`
  await writeFile(join(folder, 'knot.conf'), config)
  return run('knot', 'knotd', ['-c', join(folder, 'knot.conf')], folder, port, zones)
}

async function writeZones(zones: readonly TestZone[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-differential-'))
  for (const [index, { rrsets }] of zones.entries())
    await writeFile(join(folder, `${index}.zone`), rrsets.map(masterLines).join(''))
  return folder
}

async function run(
  name: 'nsd' | 'knot',
  program: string,
  args: readonly string[],
  folder: string,
  port: number,
  zones: readonly TestZone[],
): Promise<RunningServer> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  /** What a server says about a thousand zones is little. */
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk
    })
  }
  const server: RunningServer = {
    name,
    port,
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    for (const { apex } of zones) await untilLoaded(child, port, toText(apex))
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw new Error(`${program}: ${(error as Error).message}\n${log}`)
  }
  return server
}

/** Asks for the zone's SOA until there is an authoritative answer. */
async function untilLoaded(child: ChildProcess, port: number, apex: string): Promise<void> {
  const socket = createSocket('udp4')
  const query = Buffer.concat([
    Buffer.from('000100000001000000000000', 'hex'),
    parseName(apex),
    Buffer.from('00060001', 'hex'),
  ])
  let timer: NodeJS.Timeout | undefined
  let ended = (_code: number | null): void => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      ended = (code) => reject(new Error(`ended with code ${code}`))
      if (child.exitCode !== null) ended(child.exitCode)
      const start = performance.now()
      socket.on('message', (message) => {
        if ((message.readUInt16BE(2) & 0x040f) === 0x0400) resolve()
      })
      // Before the server listens, the port says so.
      socket.on('error', () => undefined)
      child.once('exit', ended)
      const ask = () => {
        if (performance.now() - start > patienceMs) reject(new Error(`zone ${apex} does not load`))
        socket.send(query, port, '127.0.0.1')
      }
      timer = setInterval(ask, askEveryMs)
      ask()
    })
  } finally {
    clearInterval(timer)
    child.off('exit', ended)
    socket.close()
  }
}
