/** The supervisor stands, whatever comes to it: DNS is asked all the time. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { askToReplace, doorOf } from '../../src/supervisor/door.ts'
import { type DaemonProcess, type LogLine, spawnDaemon } from '../support/daemon.ts'
import { query, readResponse, UdpClient } from '../support/dns-client.ts'
import { freePort } from '../support/free-port.ts'
import { runIn } from '../support/inspector.ts'
import { listenForNotices } from '../support/notified.ts'
import { startPostgres } from '../support/postgres.ts'
import { processesOf, processOf } from '../support/processes.ts'
import { askAllTheTime, losesNothing, name, putMember, startServer } from './asked-server.ts'
import { eventually, put } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const childrenOf = (daemon: DaemonProcess) => [processOf(daemon, 'control'), processOf(daemon, 'data')]

/** Clients of its socket, one for each way. Each resolves when its connection has ended. */
const clients: Readonly<Record<string, (client: Socket) => Promise<unknown>>> = {
  'says nothing': (client) => once(client.resume(), 'close'),
  'says half a word and goes': async (client) => {
    client.end('{"command"')
    await once(client.resume(), 'close')
  },
  'breaks off': async (client) => {
    client.write('{"comm')
    client.destroy()
    await once(client, 'close')
  },
  'resets the connection, for it goes with the answer unread': async (client) => {
    client.write('{"command":"none"}\n')
    await once(client, 'readable')
    client.destroy()
    await once(client, 'close')
  },
  'says too much': async (client) => {
    client.on('error', () => undefined).write('x'.repeat(100_000))
    await once(client.resume(), 'close')
  },
}

t.test('a client of its socket costs nobody else anything', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const before = childrenOf(daemon)
  const stop = askAllTheTime(daemon)
  for (const [way, act] of Object.entries(clients)) {
    const client = connect(doorOf(daemon.dataDir))
    await once(client, 'connect')
    await act(client)
    t.same(childrenOf(daemon), before, way)
  }
  await losesNothing(t, stop)
  t.same(
    daemon.lines.filter(({ level }) => level === 'error' || level === 'fatal'),
    [],
  )
  t.same(await askToReplace(daemon.dataDir), { replaced: true })
})

const isGoingOn = ({ msg }: { readonly msg?: string }) =>
  msg === 'an internal error of the supervisor: it goes on'

t.test('an error that nobody caught is told, and all go on; a broken invariant ends it', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const before = childrenOf(daemon)
  const from = daemon.lines.length
  const stop = askAllTheTime(daemon)
  const code = `const [assert, { EventEmitter }] = [require('node:assert'), require('node:events')]
    setTimeout(() => { throw new Error('thrown') })
    setImmediate(() => new EventEmitter().emit('error', new Error('emitted')))
    void Promise.reject(new Error('rejected'))
    process.once('SIGUSR2', () => assert.ok(false, 'this can not be'))`
  await runIn(daemon, daemon.pid, code)
  for (const message of ['thrown', 'emitted', 'rejected']) {
    const said = (line: LogLine) => isGoingOn(line) && (line.err as Error).message === message
    t.match(await daemon.line(said, { from }), { level: 'error' })
  }
  await putMember(daemon, 2)
  await losesNothing(t, stop)
  t.same(childrenOf(daemon), before)
  daemon.signal('SIGUSR2')
  t.same(await daemon.exited, { code: 1, signal: null })
  t.match(daemon.lines.at(-1), { level: 'fatal', err: { message: 'this can not be' } })
})

t.test('when memory runs out, the kernel ends the control plane first', async (t) => {
  await using daemon = await startServer(await postgres.createDatabase())
  const score = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'))
  const own = score(daemon.pid)
  const highest = Math.min(own + 500, 1000)
  const from = daemon.lines.length
  for (let time = 0; time < 2; time++) {
    t.equal(score(processOf(daemon, 'control')), highest)
    t.equal(score(processOf(daemon, 'data')), own)
    if (time > 0) break
    process.kill(processOf(daemon, 'control'), 'SIGKILL')
    await daemon.line(({ msg }) => msg === 'ready', { from })
  }
})

/** A member that takes connections and says nothing until it is told to. */
async function startMute() {
  const waiting = new Set<Socket>()
  let mute = true
  const answer = (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  const server = createServer((socket) => {
    socket.on('error', () => undefined).resume()
    if (mute) waiting.add(socket)
    else answer(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    speak: () => {
      mute = false
      for (const socket of waiting) answer(socket)
    },
    [Symbol.dispose]: () => {
      server.close()
      for (const socket of waiting) socket.destroy()
    },
  }
}

t.test('a control plane that dies before the first round of checks is started again', async (t) => {
  using mute = await startMute()
  const port = await freePort()
  const env = { DATABASE_URL: await postgres.createDatabase(), POOLDNS_DNS_LISTEN: `127.0.0.1:${port}` }
  {
    await using before = await startServer(env.DATABASE_URL, { env })
    const monitor = { type: 'http', port: mute.port, interval: '1d', timeout: '1d' }
    await put(before, '/v1/monitors/slow', monitor)
    await put(before, '/v1/pools/slow', { monitor: 'slow', members: { m: { address: '127.0.0.1' } } })
  }
  using notices = listenForNotices('path')
  await using daemon = await spawnDaemon({ env: { ...env, POOLDNS_RRL: 'off', NOTIFY_SOCKET: notices.name } })
  const dns = { host: '127.0.0.1', port }
  await eventually(async () => {
    await using client = await UdpClient.open(dns)
    return readResponse(await client.insist(query(name, 'A'))).rcode === 0 ? true : undefined
  })
  const stop = askAllTheTime({ dns })
  const [first] = processesOf(daemon, 'control')
  const data = processesOf(daemon, 'data')
  process.kill(first!, 'SIGKILL')
  await daemon.line(({ msg }) => /^the control plane ended: it is started again/.test(msg ?? ''))
  const from = daemon.lines.length
  daemon.signal('SIGHUP')
  // The next one, or the one after that.
  await eventually(async () => {
    const now = processesOf(daemon, 'data')
    return now.length === 1 && now[0] !== data[0] ? true : undefined
  })
  t.notOk(daemon.lines.some(({ msg }) => msg === 'ready'))
  t.same(notices.heard, [], 'systemd is told nothing before')
  mute.speak()
  await daemon.line(({ msg }) => msg === 'the processes were replaced', { from })
  await notices.until(/^READY=1$/)
  await losesNothing(t, stop)
})

/** A pipe that nobody reads until the test does. */
function openPipe(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'pooldns-log-'))
  const path = join(folder, 'log')
  spawnSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })
  const octets = Buffer.alloc(1 << 20, '\n')
  const untilFull = (size: number) => {
    try {
      for (;;) writeSync(fd, octets, 0, size)
    } catch {
      // It is.
    }
  }
  return {
    path,
    fill: () => [4096, 1].forEach(untilFull),
    read: () => {
      try {
        return octets.toString('utf8', 0, readSync(fd, octets))
      } catch {
        return ''
      }
    },
  }
}

t.test('nobody reads the log: processes start, die, are started again, and end', async (t) => {
  const pipe = openPipe(t)
  const [dnsPort, httpPort] = [await freePort(), await freePort()]
  const env = {
    DATABASE_URL: await postgres.createDatabase(),
    POOLDNS_DNS_LISTEN: `127.0.0.1:${dnsPort}`,
    POOLDNS_HTTP_LISTEN: `127.0.0.1:${httpPort}`,
  }
  await (await startServer(env.DATABASE_URL, { env })).stop()
  pipe.fill()
  await using daemon = await spawnDaemon({
    env: { ...env, POOLDNS_RRL: 'off' },
    through: ['sh', '-c', 'exec "$@" > "$0"', pipe.path],
  })
  const ready = () =>
    eventually(async () => {
      const response = await fetch(`http://127.0.0.1:${httpPort}/ready`).catch(() => null)
      return response?.status === 200 ? true : undefined
    })
  await ready()
  const stop = askAllTheTime({ dns: { host: '127.0.0.1', port: dnsPort } })
  const first = processOf(daemon, 'control')
  process.kill(first, 'SIGKILL')
  await eventually(async () => {
    const [next] = processesOf(daemon, 'control')
    return next !== undefined && next !== first ? true : undefined
  })
  await ready()
  await losesNothing(t, stop)
  let text = ''
  await eventually(async () => {
    text += pipe.read()
    // What waited is read late: of the supervisor, and of the control plane that is there now.
    return /the control plane ended: it is started again/.test(text) && /"msg":"ready"/.test(text)
      ? true
      : undefined
  })
  pipe.fill()
  daemon.signal('SIGTERM')
  t.same(await daemon.exited, { code: 0, signal: null })
})
