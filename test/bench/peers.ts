/**
 * Other people's servers, from Debian's packages, each with one worker for UDP, on a free port of 127.0.0.1, with all
 * that it writes in a folder of ours. What is set besides makes them comparable: no rate limits, as pooldns has none for
 * loopback, and answers without the NS RRset that some add, as pooldns and gdnsd never do. Caches stay on.
 */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../support/free-port.ts'
import { findProgram, startProgram } from '../support/program.ts'
import type { Contestant } from './contestants.ts'
import { masterFile, type ServiceForm, service, serviceAddresses, zone } from './zone-data.ts'

const run = promisify(execFile)
const host = '127.0.0.1'

export interface Peer {
  /** As the table calls it; its version comes behind. */
  readonly name: string
  readonly program: string
  /** Its package in Debian. */
  readonly packages: readonly string[]
  /** How the zone says the service; `static` for a server that has none. */
  readonly form: ServiceForm
  /** Makes it print its version. */
  readonly versionArgs: readonly string[]
  /** Files by their path in the folder. */
  files(folder: string, port: number): Readonly<Record<string, string>>
  args(folder: string): readonly string[]
  /** Path in the folder of the zone as a master file. */
  readonly zoneFile: string
}

const gdnsd: Peer = {
  name: 'gdnsd',
  program: 'gdnsd',
  packages: ['gdnsd'],
  form: 'gdnsd',
  versionArgs: ['version'],
  zoneFile: `zones/${zone}`,
  files: (folder, port) => ({
    config: `
options => {
  listen => ${host}:${port}
  udp_threads => 1
  tcp_threads => 1
  run_dir => ${join(folder, 'run')}
  state_dir => ${join(folder, 'state')}
}
plugins => { multifo => { ${service} => { service_types => up, ${serviceAddresses
      .map((address, index) => `m${index} => ${address}`)
      .join(', ')} } } }
`,
  }),
  args: (folder) => ['-c', folder, 'start'],
}

const knot: Peer = {
  name: 'knot',
  program: 'knotd',
  packages: ['knot'],
  form: 'static',
  versionArgs: ['--version'],
  zoneFile: 'zone',
  files: (folder, port) => ({
    config: `
server:
  rundir: "${folder}"
  listen: ${host}@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "${folder}"
zone:
  - domain: ${zone}
    file: "${join(folder, 'zone')}"
    zonefile-sync: -1
    journal-content: none
`,
  }),
  args: (folder) => ['-c', join(folder, 'config')],
}

const nsd: Peer = {
  name: 'nsd',
  program: 'nsd',
  packages: ['nsd'],
  form: 'static',
  versionArgs: ['-v'],
  zoneFile: 'zone',
  files: (folder, port) => ({
    config: `
server:
  ip-address: ${host}@${port}
  server-count: 1
  username: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${join(folder, 'pid')}"
  xfrdfile: "${join(folder, 'xfrd.state')}"
  xfrdir: "${folder}"
  zonelistfile: "${join(folder, 'zone.list')}"
  cookie-secret-file: "${join(folder, 'cookies')}"
  rrl-ratelimit: 0
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: "${zone}"
  zonefile: "zone"
`,
  }),
  args: (folder) => ['-d', '-c', join(folder, 'config')],
}

const bind: Peer = {
  name: 'bind',
  program: 'named',
  packages: ['bind9'],
  form: 'static',
  versionArgs: ['-v'],
  zoneFile: 'zone',
  files: (folder, port) => ({
    config: `
options {
  directory "${folder}";
  pid-file none;
  session-keyfile none;
  listen-on port ${port} { ${host}; };
  listen-on-v6 { none; };
  recursion no;
  notify no;
  minimal-responses yes;
};
controls { };
zone "${zone}" { type primary; file "zone"; };
`,
  }),
  args: (folder) => ['-f', '-n', '1', '-c', join(folder, 'config')],
}

const pdns: Peer = {
  name: 'pdns',
  program: 'pdns_server',
  packages: ['pdns-server', 'pdns-backend-bind'],
  form: 'lua',
  versionArgs: ['--version'],
  zoneFile: 'zone',
  files: (folder, port) => ({
    'pdns.conf': `
launch=bind
bind-config=${join(folder, 'named.conf')}
local-address=${host}
local-port=${port}
socket-dir=${folder}
receiver-threads=1
distributor-threads=1
enable-lua-records=yes
daemon=no
guardian=no
security-poll-suffix=
loglevel=3
`,
    'named.conf': `zone "${zone}" { type native; file "${join(folder, 'zone')}"; };\n`,
  }),
  args: (folder) => [`--config-dir=${folder}`],
}

export const peers: readonly Peer[] = [gdnsd, knot, nsd, bind, pdns]

/** Whether it is installed, without starting it. */
export function isInstalled(peer: Peer): boolean {
  return findProgram(peer.program) !== null
}

/** Starts a peer in a folder that doesn't exist yet. Serves some time later; `stop` leaves the folder. */
export async function startPeer(peer: Peer, folder: string, cores: string): Promise<Contestant> {
  const port = await freePort()
  const files = { ...peer.files(folder, port), [peer.zoneFile]: masterFile(peer.form) }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  const name = `${peer.name} ${await version(peer)}`
  const running = startProgram('taskset', ['-c', cores, findProgram(peer.program)!, ...peer.args(folder)])
  return {
    name,
    pid: running.pid,
    port,
    hasService: peer.form !== 'static',
    steers: false,
    hasTcp: true,
    said: () => running.output,
    [Symbol.asyncDispose]: running.stop,
  }
}

async function version(peer: Peer): Promise<string> {
  // Some of them end with an error when they are asked.
  const said = await run(findProgram(peer.program)!, peer.versionArgs).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error,
  )
  return versionIn(said.stdout + said.stderr)
}

/** The first thing like a version that stands behind a blank or a `v`: dates and paths hold figures, too. */
export function versionIn(text: string): string {
  return /(?:^|[ v])(\d+\.\d+(?:\.\d+)?)/m.exec(text)?.[1] ?? 'of an unknown version'
}
