/** What is asked and answered, as Debian's tools for dnstap read it: a collector, and what shows a capture. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { query, TcpClient, UdpClient } from '../support/dns-client.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { eventually, putService, startBackend } from './fixture.ts'

const run = promisify(execFile)
const has = (program: string) =>
  (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)))
const missing = ['fstrm_capture', 'dnstap-read', 'dnsperf'].filter((program) => !has(program))
const skip = missing.length === 0 ? false : `not installed: ${missing.join(', ')}`

interface Collector {
  readonly pid: number
  /** Ends it, and gives what it has captured. */
  end(): Promise<string>
}

/** `fstrm_capture` on a socket, into a file. */
async function startCollector(t: Test, socket: string, file: string): Promise<Collector> {
  const child = spawn('fstrm_capture', ['-t', 'protobuf:dnstap.Dnstap', '-u', socket, '-w', file], {
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL'))
  await eventually(async () => (existsSync(socket) ? true : undefined))
  return {
    pid: child.pid!,
    end: async () => {
      child.kill('SIGINT')
      await exited
      return file
    },
  }
}

/** Frames of a file, a line each. */
async function read(file: string, ...options: string[]): Promise<string[]> {
  const { stdout } = await run('dnstap-read', [...options, file], { maxBuffer: 1 << 28 })
  return stdout.split(options.includes('-y') ? /^---$/m : '\n').filter((line) => line.trim() !== '')
}

/** Resolves when a file grows no more: a stop gives a collector half a second for what it has not been sent yet. */
async function takenIn(file: string): Promise<void> {
  let before = -1
  await eventually(async () => {
    const { size } = await stat(file)
    if (size === before) return true
    before = size
    await delay(500)
    return undefined
  })
}

async function metric(daemon: DaemonProcess, name: string): Promise<number> {
  const text = await (await fetch(`${daemon.http}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.split(' ').at(-1))
}
const frames = (daemon: DaemonProcess, outcome: string) =>
  metric(daemon, `pooldns_dnstap_frames_total{outcome="${outcome}"}`)

async function prepare(t: Test, env: Record<string, string> = {}) {
  const folder = await temporaryDataFolder('pooldns-tap-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const socket = join(folder, 'tap.sock')
  const collector = await startCollector(t, socket, join(folder, 'out.tap'))
  const daemon = await startDaemonProcess({
    env: { POOLDNS_DNSTAP: `unix:${socket}`, POOLDNS_IDENTITY: 'ns-tap', POOLDNS_WORKERS: '1', ...env },
  })
  t.teardown(() => daemon.stop())
  const backend = await startBackend()
  t.teardown(() => backend[Symbol.asyncDispose]())
  await putService(daemon, [backend])
  await daemon.line(({ pool, member, to }) => pool === 'web' && member !== undefined && to === 'up')
  return { folder, socket, collector, daemon }
}

async function askBy(client: UdpClient, request: Buffer): Promise<Buffer> {
  client.send(request)
  return await client.next()
}

t.test('queries and responses, with who answered, over UDP and TCP', { skip }, async (t) => {
  const { collector, daemon } = await prepare(t, { POOLDNS_DNSTAP_MESSAGES: 'both' })
  await using udp = await UdpClient.open(daemon.dns)
  const answer = await askBy(udp, query('www.example.test', 'A', { id: 7 }))
  using tcp = await TcpClient.open(daemon.dns)
  tcp.send(query('ns1.example.test', 'A', { id: 8 }))
  await tcp.next()
  await eventually(async () => ((await frames(daemon, 'written')) >= 4 ? true : undefined))
  t.equal(await frames(daemon, 'written'), 4)
  await daemon.stop()
  const file = await collector.end()
  const lines = await read(file)
  t.equal(lines.length, 4)
  // Each worker has its own, so they come in any order.
  const one = (what: RegExp) => t.equal(lines.filter((line) => what.test(line)).length, 1, String(what))
  one(/ AQ 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+ UDP \d+b www\.example\.test\/IN\/A$/)
  one(/ AR 127\.0\.0\.1:\d+ <- 127\.0\.0\.1:\d+ UDP \d+b www\.example\.test\/IN\/A$/)
  one(/ AQ .* TCP /)
  one(/ AR .* TCP /)
  const response = (await read(file, '-y')).find((each) => /AUTH_RESPONSE/.test(each) && /UDP/.test(each))!
  t.match(response, /^identity: ns-tap$/m)
  t.match(response, /^version: pooldns /m)
  t.match(response, /query_zone: example\.test/)
  t.match(response, /192\.0\.2\.1/, 'what the client got')
  t.match(response, new RegExp(`message_size: ${answer.length}b`))
  // The program does not show it.
  const extra = '\x1a\xab\x80\0service=www.example.test pool=web member=m1'
  t.equal((await readFile(file, 'latin1')).split(extra).length - 1, 1, 'of the service alone')
  t.match(response, /192\.0\.2\.1/, 'what the client got')
  t.match(response, new RegExp(`message_size: ${answer.length}b`))
})

t.test('100,000 queries are 100,000 frames, less those dropped', { skip }, async (t) => {
  const { folder, collector, daemon } = await prepare(t)
  const data = join(folder, 'queries')
  await writeFile(data, 'www.example.test A\n'.repeat(100_000))
  const { host, port } = daemon.dns
  const { stdout } = await run('dnsperf', ['-s', host, '-p', String(port), '-d', data, '-n', '1', '-q', '50'])
  const completed = Number(/Queries completed:\s+(\d+)/.exec(stdout)?.[1])
  const [written, dropped] = [await frames(daemon, 'written'), await frames(daemon, 'dropped')]
  const lost = Number(/Queries lost:\s+(\d+)/.exec(stdout)?.[1])
  // A response that a busy machine lost on its way was told all the same.
  t.ok(written + dropped >= completed && written + dropped <= completed + lost, `${written} + ${dropped}`)
  await takenIn(join(folder, 'out.tap'))
  await daemon.stop()
  const lines = await read(await collector.end())
  t.equal(lines.length, written)
  t.comment(`${completed} queries, ${written} frames, ${dropped} dropped`)
})

t.test('a collector that stands still, and one that comes back', { skip }, async (t) => {
  const { folder, socket, collector, daemon } = await prepare(t)
  const data = join(folder, 'queries')
  await writeFile(data, 'www.example.test A\n'.repeat(1000))
  const { host, port } = daemon.dns
  // As many as take ten seconds where nothing else is to be done. None is lost for being slow.
  const options = [
    '-s',
    host,
    '-p',
    String(port),
    '-d',
    data,
    '-n',
    '50',
    '-Q',
    '5000',
    '-q',
    '50',
    '-t',
    '600',
  ]
  process.kill(collector.pid, 'SIGSTOP')
  const { stdout } = await run('dnsperf', options)
  process.kill(collector.pid, 'SIGCONT')
  t.match(stdout, /Queries lost:\s+0 /, 'no query is lost')
  t.match(stdout, /Queries completed:\s+50000 /)
  t.ok((await frames(daemon, 'dropped')) > 0)
  await collector.end()

  const file = join(folder, 'next.tap')
  const next = await startCollector(t, socket, file)
  await using udp = await UdpClient.open(daemon.dns)
  // Behind what waited in the ring, in which there may be no room yet. The collector writes some thousands of octets at a time.
  const asked = '\x03www\x07example\x04test\x00\x00\x1c\x00\x01'
  await eventually(async () => {
    await askBy(udp, query('www.example.test', 'AAAA'))
    return (await readFile(file, 'latin1').catch(() => '')).includes(asked) ? true : undefined
  })
  t.pass('frames come again')
  await daemon.stop()
  await next.end()
})
