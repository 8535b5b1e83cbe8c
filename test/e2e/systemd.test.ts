/** A server that is started as systemd starts one: with sockets that are open, and somebody who wants to be told. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openTcp, openUdp } from '../../src/dataplane/listener/bound-sockets.ts'
import { loadSyscalls } from '../../src/dataplane/listener/syscalls.ts'
import { main, node, repository, spawnDaemon } from '../support/daemon.ts'
import { query, readResponse, TcpClient, UdpClient } from '../support/dns-client.ts'
import { listenForNotices } from '../support/notified.ts'
import { startPostgres } from '../support/postgres.ts'
import { processOf } from '../support/processes.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'

const syscalls = loadSyscalls()
const postgres = await startPostgres()
t.teardown(() => postgres.stop())

/** Two sockets for UDP and one for TCP, at each of these addresses. */
function openSockets(t: Test, ...hosts: string[]) {
  const endpoints = hosts.map((host) => {
    const tcp = openTcp(syscalls, { host, port: 0 })
    const udp = () => openUdp(syscalls, { host, port: tcp.port, dual: false })
    return { host, port: tcp.port, fds: [tcp.fd, udp().fd, udp().fd] }
  })
  const fds = endpoints.flatMap(({ fds }) => fds)
  t.teardown(() => {
    for (const fd of fds) syscalls.close(fd)
  })
  return { endpoints, fds }
}

/** The shell's number is that of the program that takes its place. */
const activating = (count: number) => [
  'sh',
  '-c',
  `export LISTEN_PID=$$ LISTEN_FDS=${count}; exec "$@"`,
  'activated',
]

for (const udpBackend of ['batch', 'dgram']) {
  t.test(
    `sockets of both families are answered by, and systemd is told how it goes (${udpBackend})`,
    async (t) => {
      const { endpoints, fds } = openSockets(t, '127.0.0.1', '::1')
      using notices = listenForNotices(udpBackend === 'batch' ? 'path' : 'abstract')
      const daemon = await startServer(await postgres.createDatabase(), {
        env: {
          POOLDNS_DNS_LISTEN: undefined,
          POOLDNS_UDP_BACKEND: udpBackend,
          NOTIFY_SOCKET: notices.name,
          WATCHDOG_USEC: '500000',
        },
        through: activating(fds.length),
        sockets: fds,
      })
      t.teardown(() => daemon.stop())
      t.same(daemon.ready.dns, [`127.0.0.1:${endpoints[0]!.port}`, `[::1]:${endpoints[1]!.port}`])
      const askAll = async () => {
        for (const endpoint of endpoints) {
          await using udp = await UdpClient.open(endpoint)
          // From several ports, so that each of the sockets has some.
          for (let id = 0; id < 8; id++) {
            await using client = await UdpClient.open(endpoint)
            t.match(readResponse(await client.exchange(query(name, 'A', { id }))), { rcode: 0, id })
          }
          t.match(readResponse(await udp.exchange(query(name, 'A'))), { rcode: 0 })
          using tcp = await TcpClient.open(endpoint)
          t.match(readResponse((await tcp.exchange(query(name, 'A')))!), { rcode: 0 })
        }
      }
      await askAll()
      await notices.until(/^READY=1$/)
      await notices.until(/^WATCHDOG=1$/)

      const before = processOf(daemon, 'data')
      daemon.signal('SIGHUP')
      const reloading = await notices.until(/^RELOADING=1\nMONOTONIC_USEC=\d+$/)
      await notices.until(/^READY=1$/, reloading)
      t.not(processOf(daemon, 'data'), before)
      await askAll()
      await putMember(daemon, 2)
      await daemon.stop()
      await notices.until(/^STOPPING=1$/)
    },
  )
}

t.test('systemd hears nothing while the data plane does not answer', async (t) => {
  using notices = listenForNotices('path')
  await using daemon = await startServer(await postgres.createDatabase(), {
    env: { NOTIFY_SOCKET: notices.name, WATCHDOG_USEC: '100000' },
  })
  const before = await notices.until(/WATCHDOG/)
  process.kill(processOf(daemon, 'data'), 'SIGSTOP')
  await daemon.line(({ msg }) => msg === 'the data plane hangs: it is killed')
  const killed = await notices.until(/WATCHDOG/)
  t.ok(killed > before)
  await notices.until(/WATCHDOG/, killed)
})

t.test('sockets that do not fit end the start, and say why', async (t) => {
  const { fds } = openSockets(t, '127.0.0.1')
  const start = async (given: readonly number[], env: Record<string, string | undefined> = {}) => {
    await using daemon = await spawnDaemon({
      env: { POOLDNS_DNS_LISTEN: undefined, ...env },
      through: activating(given.length),
      sockets: given,
    })
    t.same(await daemon.exited, { code: 2, signal: null })
    return daemon.stderr
  }
  t.match(await start(fds.slice(0, 1)), /^pooldns: socket activation: .* none for UDP there$/m)
  t.match(
    await start(fds, { POOLDNS_DNS_LISTEN: '127.0.0.1:1' }),
    /^pooldns: socket activation: 127\.0\.0\.1:1, of POOLDNS_DNS_LISTEN, is not among the sockets/m,
  )
})

async function restart(dataDir: string) {
  const child = spawn(node, [main, 'restart', '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  const [code] = await once(child, 'close')
  return { code, output }
}

t.test('"pooldns restart" replaces what runs, and waits for that', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const before = [processOf(daemon, 'control'), processOf(daemon, 'data')]
  t.same(await restart(daemon.dataDir), { code: 0, output: 'replaced\n' })
  const after = [processOf(daemon, 'control'), processOf(daemon, 'data')]
  t.notOk(after.some((pid) => before.includes(pid)))
  await putMember(daemon, 3)
})

t.test('a replacement that can not begin costs nothing, and says why', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-installed-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const part of ['src', 'schema', 'drizzle', 'deploy', 'package.json'])
    cpSync(join(repository, part), join(folder, part), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const urlFile = join(folder, 'database-url')
  const url = await postgres.createDatabase()
  writeFileSync(urlFile, url)
  const daemon = await startServer(undefined, {
    env: { DATABASE_URL_FILE: urlFile },
    entry: join(folder, 'src/main.ts'),
  })
  t.teardown(() => daemon.stop())
  const running = () => [processOf(daemon, 'control'), processOf(daemon, 'data')]
  const before = running()
  const stop = askAllTheTime(daemon)

  writeFileSync(urlFile, 'no URL')
  const badConfiguration = await restart(daemon.dataDir)
  t.equal(badConfiguration.code, 1)
  t.match(
    badConfiguration.output,
    /^pooldns: not replaced: the next control plane ended \(exit code 2\): DATABASE_URL/m,
  )
  writeFileSync(urlFile, url)

  const broken = join(folder, 'src/daemon/run-control-plane.ts')
  const sound = readFileSync(broken, 'utf8')
  writeFileSync(broken, 'export const = nothing')
  const badProgram = await restart(daemon.dataDir)
  t.equal(badProgram.code, 1)
  t.match(badProgram.output, /^pooldns: not replaced: the next control plane ended \(exit code 1\): /m)
  writeFileSync(broken, sound)

  t.same(running(), before)
  await putMember(daemon, 4)
  t.same(await restart(daemon.dataDir), { code: 0, output: 'replaced\n' })
  t.notOk(running().some((pid) => before.includes(pid)))
  await losesNothing(t, stop)
})

t.test('without a server there is nothing to restart', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-nobody-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  t.same(await restart(folder), {
    code: 1,
    output: `pooldns: no server runs with the data directory ${folder}\n`,
  })
})
