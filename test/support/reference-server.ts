/**
 * NSD and Knot, to hold our answers against theirs: each started on a free port of 127.0.0.1 with zones from files. Both
 * let this machine have the zones by AXFR.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { startProgram } from './program.ts'

export interface ReferenceZone {
  /** Without the final dot. */
  readonly apex: string
  /** Path of its master file. */
  readonly file: string
}

export interface ReferenceServer extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** All that it wrote so far, such as what it did not like in a zone. */
  readonly output: string
}

interface Start {
  /** Serves once it resolves. `folder` is made, and takes all that the server writes. */
  (folder: string, zones: readonly ReferenceZone[]): Promise<ReferenceServer>
  readonly program: string
}

const host = '127.0.0.1'

export const nsd: Start = Object.assign(
  async (folder: string, zones: readonly ReferenceZone[]) => {
    const port = await freePort()
    const configuration = `
server:
  ip-address: ${host}@${port}
  server-count: 1
  username: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${join(folder, 'nsd.pid')}"
  xfrdfile: "${join(folder, 'xfrd.state')}"
  xfrdir: "${folder}"
  zonelistfile: "${join(folder, 'zone.list')}"
  cookie-secret-file: "${join(folder, 'cookies')}"
  rrl-ratelimit: 0
  verbosity: 1
remote-control:
  control-enable: no
${zones.map(({ apex, file }) => `zone:\n  name: "${apex}"\n  zonefile: "${file}"\n  provide-xfr: ${host} NOKEY`).join('\n')}
`
    return start(folder, port, 'nsd', ['-d', '-c'], configuration, /nsd started/)
  },
  { program: 'nsd' },
)

export const knot: Start = Object.assign(
  async (folder: string, zones: readonly ReferenceZone[]) => {
    const port = await freePort()
    const configuration = `
server:
  rundir: "${folder}"
  listen: ${host}@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "${folder}"
log:
  - target: stdout
    any: info
acl:
  - id: transfer
    address: ${host}
    action: transfer
template:
  - id: default
    storage: "${folder}"
    semantic-checks: off
    zonefile-sync: -1
    journal-content: none
    acl: transfer
zone:
${zones.map(({ apex, file }) => `  - domain: "${apex}"\n    file: "${file}"`).join('\n')}
`
    return start(folder, port, 'knotd', ['-c'], configuration, /server started/)
  },
  { program: 'knotd' },
)

async function start(
  folder: string,
  port: number,
  program: string,
  args: readonly string[],
  configuration: string,
  ready: RegExp,
): Promise<ReferenceServer> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, 'server.conf')
  await writeFile(file, configuration)
  const running = startProgram(program, [...args, file])
  try {
    await running.said(ready)
  } catch (error) {
    await running.stop()
    throw error
  }
  return {
    host,
    port,
    get output() {
      return running.output
    },
    [Symbol.asyncDispose]: running.stop,
  }
}
