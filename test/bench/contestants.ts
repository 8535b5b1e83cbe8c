import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { spawnPinned } from './measure.ts'

/** A server under load. */
export interface Contestant extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  readonly port: number
}

const root = new URL('../../', import.meta.url).pathname
const node = join(root, 'node_modules/.bin/node')
const token = 'bench-admin-token'

/** Names of the zone that is asked: `h0` to `h999`, three addresses each. */
export const zone = 'bench.test'
export const hosts = 1000

/** node:dgram sending back what it gets: what the portable listener costs before it does any DNS. */
export async function startEcho(): Promise<Contestant> {
  const child = spawnPinned(node, [join(root, 'test/bench/echo.ts')])
  const port = Number(await lineOf(child, (line) => line))
  return { name: 'node:dgram echo', pid: child.pid!, port, [Symbol.asyncDispose]: () => end(child) }
}

/** The daemon with one UDP worker, its zone put by HTTP. */
export async function startPooldns(backend: 'batch' | 'dgram'): Promise<Contestant> {
  const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-bench-'))
  const child = spawnPinned(node, [join(root, 'src/main.ts'), 'serve'], {
    ...process.env,
    POOLDNS_DATA_DIR: dataDir,
    POOLDNS_DNS_LISTEN: '127.0.0.1:0',
    POOLDNS_HTTP_LISTEN: '127.0.0.1:0',
    POOLDNS_WORKERS: '1',
    POOLDNS_UDP_BACKEND: backend,
    POOLDNS_ADMIN_TOKEN: token,
  })
  const ready = JSON.parse(await lineOf(child, (line) => (line.includes('"msg":"ready"') ? line : undefined)))
  await putZone(`http://${ready.http}`)
  return {
    name: `pooldns ${backend}`,
    pid: child.pid!,
    port: Number(ready.dns[0].split(':').at(-1)),
    [Symbol.asyncDispose]: async () => {
      await end(child)
      await rm(dataDir, { recursive: true })
    },
  }
}

async function putZone(api: string): Promise<void> {
  const rrsets = Array.from({ length: hosts }, (_, host) => ({
    name: `h${host}`,
    type: 'A',
    data: [1, 2, 3].map((n) => `10.${n}.${host >> 8}.${host & 0xff}`),
  }))
  const soa = { mname: `ns1.${zone}.`, rname: `hostmaster.${zone}.` }
  const response = await fetch(`${api}/v1/zones/${zone}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }, ...rrsets] }),
  })
  if (!response.ok) throw new Error(`zone: ${response.status} ${await response.text()}`)
}

/** The first thing that `pick` finds in the lines of a process; the rest is read and dropped. */
async function lineOf(child: ChildProcess, pick: (line: string) => string | undefined): Promise<string> {
  const lines = createInterface({ input: child.stdout! })
  const found = Promise.withResolvers<string>()
  lines.on('line', (line) => {
    const picked = pick(line)
    if (picked !== undefined) found.resolve(picked)
  })
  child.once('exit', (code) => found.reject(new Error(`a contestant ended with ${code}`)))
  return found.promise
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}
