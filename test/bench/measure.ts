import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Clock ticks a second, in which /proc counts CPU time. */
const ticksPerSecond = 100

/** CPU seconds that a process and all its threads have used, in user and in kernel space. */
export function cpuSeconds(pid: number): { readonly user: number; readonly system: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command may hold spaces and parentheses; what counts begins behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]) / ticksPerSecond, system: Number(fields[12]) / ticksPerSecond }
}

export interface Load {
  readonly port: number
  readonly queryFile: string
  readonly seconds: number
  /** Queries under way at once. */
  readonly outstanding: number
  /** More of dnsperf's options, such as `-e` or `-m tcp`. */
  readonly options?: readonly string[]
}

export interface Sample {
  readonly completed: number
  readonly lost: number
  readonly queriesPerSecond: number
  readonly cpuMicrosecondsPerQuery: number
  readonly userMicrosecondsPerQuery: number
}

/** Runs dnsperf, pinned to the second core, against the process `pid`. */
export async function measure(pid: number, load: Load): Promise<Sample> {
  const before = cpuSeconds(pid)
  const { stdout } = await run('taskset', [
    ...['-c', '1', 'dnsperf', '-s', '127.0.0.1', '-p', String(load.port), '-d', load.queryFile],
    ...['-c', '8', '-q', String(load.outstanding), '-l', String(load.seconds), ...(load.options ?? [])],
  ])
  const after = cpuSeconds(pid)
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN)
  const completed = number(/Queries completed:\s+(\d+)/)
  const perQuery = (seconds: number) => (1e6 * seconds) / completed
  const user = after.user - before.user
  return {
    completed,
    lost: number(/Queries lost:\s+(\d+)/),
    queriesPerSecond: number(/Queries per second:\s+([\d.]+)/),
    cpuMicrosecondsPerQuery: perQuery(user + after.system - before.system),
    userMicrosecondsPerQuery: perQuery(user),
  }
}

/** Starts a server pinned to the first core. */
export function spawnPinned(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  return spawn('taskset', ['-c', '0', command, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
