/**
 * The method: a server on one core, dnsperf on another, and the CPU time that the server has used over the run divided by
 * the queries completed. On a shared machine that is a steadier figure than queries a second, and at the rates of the best
 * servers it is dnsperf's core that is full.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Clock ticks a second, in which /proc counts CPU time. */
const ticksPerSecond = 100

export interface CpuSeconds {
  readonly user: number
  readonly system: number
}

/** CPU seconds that a process with all its threads, and all processes below it, have used. */
export function cpuSeconds(pid: number): CpuSeconds {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command may hold spaces and parentheses; what counts begins behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const own = { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond }
  return childrenOf(pid).reduce((sum, child) => {
    const { user, system } = cpuSeconds(child)
    return { user: sum.user + user, system: sum.system + system }
  }, own)
}

/** Only those that the first thread has started, which is who does it in the servers here (NSD's). */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/** Cores, as `taskset -c` takes them. */
export interface Cores {
  readonly server: string
  readonly generator: string
  /** The load generator has a core less than it should, because the machine has no more. */
  readonly shared: boolean
}

/** `workers` cores for the server, the next one for dnsperf; the last one for both when there are no more. */
export function divideCores(allowed: readonly number[], workers: number): Cores {
  if (allowed.length === 0) throw new RangeError('no core may be used')
  const server = allowed.slice(0, workers)
  const generator = allowed.slice(workers, 2 * workers)
  const shared = server.length < workers || generator.length === 0
  return {
    server: server.join(),
    generator: (generator.length === 0 ? allowed.slice(-1) : generator).join(),
    shared,
  }
}

/** The cores that this process may use. */
export function allowedCores(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  return parseCoreList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)![1]!)
}

/** `0-2,5` */
export function parseCoreList(text: string): number[] {
  return text.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number)
    return Array.from({ length: to! - from! + 1 }, (_, index) => from! + index)
  })
}

export interface Load {
  readonly port: number
  /** In dnsperf's binary form. */
  readonly queryFile: string
  readonly transport: 'udp' | 'tcp'
  readonly seconds: number
  /** Sockets to send from. */
  readonly clients: number
  /** Queries under way at once. */
  readonly outstanding: number
  /** Queries a second at the most; no bound without. */
  readonly rate?: number
  /** After which a query counts as lost; dnsperf also waits as long for the last ones. */
  readonly timeoutSeconds: number
  /** Cores of dnsperf, which gets a thread for each. */
  readonly cores: string
}

/** What dnsperf says at its end. */
export interface Tally {
  readonly sent: number
  readonly completed: number
  readonly lost: number
  readonly queriesPerSecond: number
  /** Responses by their code. */
  readonly rcodes: Readonly<Record<string, number>>
}

export interface Sample extends Tally {
  readonly cpuMicrosecondsPerQuery: number
  /** The part of it in user space. */
  readonly userMicrosecondsPerQuery: number
}

/** Of `taskset`. */
export function dnsperfArguments(load: Load): string[] {
  return [
    ...['-c', load.cores, 'dnsperf', '-B', '-s', '127.0.0.1', '-p', String(load.port), '-m', load.transport],
    ...['-d', load.queryFile, '-c', String(load.clients), '-q', String(load.outstanding)],
    ...[
      '-l',
      String(load.seconds),
      ...(load.rate === undefined ? [] : ['-Q', String(Math.round(load.rate))]),
    ],
  ]
}

/** Asks for `load.seconds`. */
export async function ask(load: Load, signal: AbortSignal): Promise<Tally> {
  const { stdout } = await run('taskset', dnsperfArguments(load), { signal, maxBuffer: 1 << 26 })
  return parseTally(stdout)
}

/** Asks, and has dnsperf write every response with its latency to the file `report`, a line each. */
export async function askVerbosely(load: Load, report: string, signal: AbortSignal): Promise<void> {
  await using file = await open(report, 'w')
  const stdio = ['ignore', file.fd, 'inherit'] as const
  const child = spawn('taskset', [...dnsperfArguments(load), '-v'], { signal, stdio: [...stdio] })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`dnsperf ended with ${code}`)
}

/** Asks the process `pid`, and says what it has used for that. */
export async function measure(pid: number, load: Load, signal: AbortSignal): Promise<Sample> {
  const before = cpuSeconds(pid)
  const tally = await ask(load, signal)
  const after = cpuSeconds(pid)
  const perQuery = (seconds: number) => (1e6 * seconds) / tally.completed
  const user = after.user - before.user
  return {
    ...tally,
    cpuMicrosecondsPerQuery: perQuery(user + after.system - before.system),
    userMicrosecondsPerQuery: perQuery(user),
  }
}

/** @throws Error with what dnsperf said, when it holds no figures */
export function parseTally(output: string): Tally {
  const number = (pattern: RegExp) => {
    const found = pattern.exec(output)
    if (found === null) throw new Error(`dnsperf gave no figures (${pattern}):\n${output}`)
    return Number(found[1])
  }
  const codes = /Response codes:\s+(.*)/.exec(output)?.[1] ?? ''
  return {
    sent: number(/Queries sent:\s+(\d+)/),
    completed: number(/Queries completed:\s+(\d+)/),
    lost: number(/Queries lost:\s+(\d+)/),
    queriesPerSecond: number(/Queries per second:\s+([\d.]+)/),
    rcodes: Object.fromEntries(
      [...codes.matchAll(/(\w+) (\d+) \(/g)].map(([, rcode, count]) => [rcode!, Number(count)]),
    ),
  }
}
