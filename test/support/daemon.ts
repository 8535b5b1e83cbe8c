/**
 * The daemon as a process of its own, for tests that go through its real edges: environment, standard output, signals,
 * DNS and HTTP. It gets a data directory of its own and free ports unless the test says otherwise, and nothing of the
 * environment that would configure it.
 *
 * The backends of `--demo` have fixed ports, so only one such daemon may run on a machine. A test that wants one waits
 * for its turn: the holder listens on a port beside those of the backends, and whoever finds it taken connects and waits
 * for the connection to end. The kernel ends it however the holder goes away, so no lock can be left behind (which a
 * lock file could).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { placeEmbeddedDatabase } from './embedded-database.ts'
import { temporaryDataFolder } from './kept.ts'
import { patience, patienceLeftMs } from './patience.ts'

export const repository = fileURLToPath(new URL('../../', import.meta.url))
/** What the program begins with: the sources, or what was built from them as users get it, which starts in less CPU (`.ci/unit.mjs`). */
export const main = process.env.POOLDNS_TEST_PROGRAM ?? join(repository, 'src/main.ts')
/** Where Node keeps what it has compiled, so that not each daemon does it anew. */
const compiled = join(repository, 'node_modules/.cache/pooldns/compiled')
/** Node 24 of the dev dependency, whatever runs the tests. */
export const node = join(repository, 'node_modules/.bin/node')

const demoLockPort = 8084
/** A stop takes ten seconds at the most; this is for a busy machine. */
const stopTimeoutMs = 120_000

export interface DaemonOptions {
  /** Added to the defaults; undefined takes a default away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Behind `serve`. */
  readonly args?: readonly string[]
  /** Adds `--demo`, and waits until no other daemon on this machine runs it. */
  readonly demo?: boolean
  /** Kept at the end; by default a temporary one, which `stop` removes. */
  readonly dataDir?: string
  /** A temporary data directory with nothing in it, so that the embedded database is made at this start. */
  readonly firstStart?: boolean
  /** What node runs; default `main`. */
  readonly entry?: string
  /** Before it: options of node, which its processes and threads get as well. */
  readonly nodeArgs?: readonly string[]
  /** A command that runs the rest of its command line, such as `setpriv`, with its arguments. */
  readonly through?: readonly string[]
  /** Descriptors that it gets, from number 3 on. */
  readonly sockets?: readonly number[]
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string; readonly level?: string }

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that was started, ready or not. */
export interface DaemonChild extends AsyncDisposable {
  readonly pid: number
  readonly dataDir: string
  /** Lines of its log so far; grows. */
  readonly lines: readonly LogLine[]
  /** What it wrote to standard error so far. */
  readonly stderr: string
  /** Resolves at its end, however that comes. */
  readonly exited: Promise<Exit>
  /**
   * The first line that `matches`, counted from the line number `from` (0), as soon as it is written.
   * @throws Error with what the process said, when it ends before or `timeoutMs` pass
   */
  line(matches: (line: LogLine) => boolean, options?: { from?: number; timeoutMs?: number }): Promise<LogLine>
  signal(name: NodeJS.Signals): void
  /** SIGTERM, SIGKILL when that takes longer than two minutes; removes a temporary data directory. Idempotent. */
  stop(): Promise<Exit>
}

/** A daemon that has said that it is ready. */
export interface DaemonProcess extends DaemonChild {
  /** The first bound DNS address. */
  readonly dns: { readonly host: string; readonly port: number }
  /** `http://host:port`, no slash at the end. */
  readonly http: string
  /** The admin token. */
  readonly token: string
  readonly ready: LogLine
  /** `fetch` of a path with the admin token; an object as `json` becomes the body. */
  request(path: string, init?: RequestInit & { json?: unknown }): Promise<Response>
}

/** Starts `serve` and waits until it is ready. */
export async function startDaemonProcess(options: DaemonOptions = {}): Promise<DaemonProcess> {
  const child = await spawnDaemon(options)
  try {
    const ready = await child.line(({ msg }) => msg === 'ready', {})
    const configured = options.env?.POOLDNS_ADMIN_TOKEN
    const token = configured ?? (await readFile(join(child.dataDir, 'admin-token'), 'utf8')).trim()
    const http = `http://${ready.http}`
    const [address] = ready.dns as string[]
    return Object.assign(child, {
      dns: parseHostPort(address!),
      http,
      token,
      ready,
      request: (path: string, { json, ...init }: RequestInit & { json?: unknown } = {}) => {
        const headers = new Headers(init.headers)
        if (!headers.has('authorization')) headers.set('authorization', `Bearer ${token}`)
        if (json !== undefined && !headers.has('content-type'))
          headers.set('content-type', 'application/json')
        return fetch(http + path, {
          ...init,
          headers,
          ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        })
      },
    })
  } catch (error) {
    await child.stop()
    throw error
  }
}

/** Starts `serve` and returns at once: for starts that fail, or that have to wait. */
export async function spawnDaemon(options: DaemonOptions = {}): Promise<DaemonChild> {
  const temporary = options.dataDir === undefined ? await temporaryDataFolder('pooldns-data-') : undefined
  const dataDir = options.dataDir ?? temporary!
  if (temporary !== undefined && options.env?.DATABASE_URL === undefined && options.firstStart !== true)
    await placeEmbeddedDatabase(temporary)
  const lock = options.demo === true ? await lockDemo() : undefined
  const [command, ...args] = [
    ...(options.through ?? []),
    node,
    ...(options.nodeArgs ?? []),
    options.entry ?? main,
    'serve',
    ...(options.demo === true ? ['--demo'] : []),
    ...(options.args ?? []),
  ]
  const child = spawn(command!, args, {
    cwd: repository,
    env: environment(dataDir, options.env),
    stdio: ['ignore', 'pipe', 'pipe', ...(options.sockets ?? [])],
  })
  return follow(child, dataDir, async () => {
    lock?.[Symbol.dispose]()
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
  })
}

function environment(dataDir: string, given: DaemonOptions['env']): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !name.startsWith('POOLDNS_') &&
      !name.startsWith('PG') &&
      name !== 'DATABASE_URL' &&
      name !== 'KUBERNETES_SERVICE_HOST',
  )
  return {
    ...Object.fromEntries(kept),
    // What this process measures its coverage by; the data plane has tests in process for all that it does.
    NODE_OPTIONS: '',
    NODE_COMPILE_CACHE: compiled,
    POOLDNS_DATA_DIR: dataDir,
    POOLDNS_DNS_LISTEN: '127.0.0.1:0',
    POOLDNS_HTTP_LISTEN: '127.0.0.1:0',
    // Members and their health endpoints are on this host.
    POOLDNS_PROBE_ALLOW: '127.0.0.0/8,::1/128',
    ...given,
  }
}

function follow(child: ChildProcess, dataDir: string, release: () => Promise<void>): DaemonChild {
  const lines: LogLine[] = []
  let stderr = ''
  // One entry for each `line` that a test waits for.
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const look of [...waiting]) look()
  }
  let ended: Exit | undefined
  createInterface({ input: child.stdout! }).on('line', (text) => {
    lines.push(parseLine(text))
    wake()
  })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const killAtExit = () => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const exited = new Promise<Exit>((resolve) => {
    // `close` comes after the last line; `error` when there was nothing to start.
    child.once('error', (error) => {
      stderr += String(error)
    })
    child.once('close', (code, signal) => {
      ended = { code, signal }
      process.removeListener('exit', killAtExit)
      resolve(ended)
      wake()
    })
  })
  const line: DaemonChild['line'] = (matches, { from = 0, timeoutMs = patienceLeftMs() } = {}) => {
    let next = from
    const { promise, resolve, reject } = Promise.withResolvers<LogLine>()
    const fail = (why: string) =>
      reject(
        new Error(`${why}; the daemon said:\n${lines.map((l) => JSON.stringify(l)).join('\n')}\n${stderr}`),
      )
    const look = () => {
      while (next < lines.length) {
        const candidate = lines[next++]!
        if (matches(candidate)) return resolve(candidate)
      }
      if (ended !== undefined) fail(`it ended first (code ${ended.code}, signal ${ended.signal})`)
    }
    const timer = setTimeout(() => fail(`no such line within ${timeoutMs} ms`), timeoutMs)
    waiting.add(look)
    look()
    return promise.finally(() => {
      clearTimeout(timer)
      waiting.delete(look)
    })
  }
  let stopped: Promise<Exit> | undefined
  const stop = () => {
    stopped ??= (async () => {
      if (ended === undefined) child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
      const exit = await exited
      clearTimeout(timer)
      await release()
      return exit
    })()
    return stopped
  }
  return {
    pid: child.pid ?? -1,
    dataDir,
    lines,
    get stderr() {
      return stderr
    },
    exited,
    line,
    signal: (name) => void child.kill(name),
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { msg: text }
  }
}

function parseHostPort(text: string): { host: string; port: number } {
  const match = /^\[?([^\]]+)\]?:(\d+)$/.exec(text)
  if (match === null) throw new Error(`no address: ${text}`)
  return { host: match[1]!, port: Number(match[2]) }
}

/** Waits for the demo's ports; they are this process's until the lock is disposed of. */
export async function lockDemo(): Promise<Disposable> {
  const deadline = patience()
  while (!deadline.aborted) {
    const lock = await tryLock()
    if (lock !== undefined) return lock
    const holder = connect(demoLockPort, '127.0.0.1')
    const abort = () => holder.destroy()
    deadline.addEventListener('abort', abort)
    // A refused connection means that it was just let go of.
    await once(holder.on('error', () => undefined).resume(), 'close').catch(() => undefined)
    deadline.removeEventListener('abort', abort)
  }
  throw new Error(`127.0.0.1:${demoLockPort}, the lock of the demo's ports, was taken all the time`)
}

async function tryLock(): Promise<Disposable | undefined> {
  const waiting = new Set<Socket>()
  const server: Server = createServer((socket) => {
    waiting.add(socket)
    socket.on('error', () => undefined).on('close', () => waiting.delete(socket))
  })
  server.listen(demoLockPort, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
  server.unref()
  return {
    [Symbol.dispose]() {
      server.close()
      for (const socket of waiting) socket.destroy()
    },
  }
}
