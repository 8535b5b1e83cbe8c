/**
 * `npm run soak`: a mixed load for minutes or hours, well below what the server can do, while an RRset is edited and members
 * flap. Ends with a verdict, and with 1 when memory rises, a query gets no answer, or a worker had to be started again.
 *
 * What counts as lost: dnsperf gives a query up after five seconds, and can also fail to read a response when its own core
 * is busy with something else, which on a shared machine happens. So its count is not the verdict. Of the queries that
 * dnsperf has sent, those that the server has not answered by its own counters are lost; that includes what the kernel
 * dropped before the server read it. No burst explains such a loss: dnsperf has at most 100 queries under way, for which
 * there is room in the server's receive buffer.
 *
 * Responses that were sent and that dnsperf counts as lost came late by five seconds, or dnsperf was held up. To know which,
 * a witness in this process asks a query every now and then: it would have waited as long.
 */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { missingPrograms } from '../support/program.ts'
import { parseSoakArguments, type SoakArguments, soakUsage } from './arguments.ts'
import { type Pooldns, startPooldns } from './contestants.ts'
import { startDisturbance } from './disturbance.ts'
import { untilInterrupted } from './interruption.ts'
import { allowedCores, ask, type Load } from './measure.ts'
import { queryFileOctets } from './query-files.ts'
import { judge, type MemorySample } from './soak-verdict.ts'
import { startWitness } from './witness.ts'

const disturbance = { editsPerSecond: 5, flapsPerSecond: 2 }
/** More would make the pairs of the trend many, and say no more. */
const maxSamples = 600
const workers = 2
/** Beyond the time of the load: start, stop, and some queries that time out. */
const overheadSeconds = 180

const report = (line: string) => void process.stderr.write(`${line}\n`)

async function soak(args: SoakArguments): Promise<boolean> {
  const seconds = args.minutes * 60
  using interruption = untilInterrupted(seconds + overheadSeconds)
  const { signal } = interruption
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-soak-'))
  try {
    const queryFile = join(folder, 'mixed.queries')
    await writeFile(queryFile, queryFileOctets('mixed'))
    const cores = allowedCores()
    const generator = cores.at(-1)!
    const server = cores.length === 1 ? cores : cores.slice(0, -1)
    await using pooldns = await startPooldns(args.backend, workers, server.join())
    const load: Load = {
      port: pooldns.port,
      queryFile,
      transport: 'udp',
      seconds,
      clients: 32,
      outstanding: 100,
      timeoutSeconds: 5,
      rate: args.rate,
      cores: String(generator),
    }
    return await underLoad(pooldns, load, signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function underLoad(pooldns: Pooldns, load: Load, signal: AbortSignal): Promise<boolean> {
  const answers = () => pooldns.metric('pooldns_dns_responses_total', 'transport="udp"')
  const answeredBefore = await answers()
  await using disturbing = await startDisturbance(pooldns, disturbance)
  await using witness = await startWitness(pooldns.port)
  const done = new AbortController()
  const sampling = sampleMemory(
    pooldns.pid,
    load.seconds / maxSamples,
    AbortSignal.any([signal, done.signal]),
  )
  try {
    const tally = await Promise.race([ask(load, AbortSignal.any([signal, done.signal])), disturbing.failed])
    done.abort()
    const { edits, flaps } = disturbing
    const verdict = judge({
      memory: await sampling,
      tally,
      // Waits for the answer to the last one, or it would be counted with those of dnsperf.
      ...(await witness.finish()),
      answered: (await answers()) - answeredBefore - witness.answers,
      workerRestarts: await pooldns.metric('pooldns_worker_restarts_total'),
    })
    process.stdout.write(
      [`${tally.sent} queries, ${edits} edits, ${flaps} changes of members`, ...verdict.lines, ''].join('\n'),
    )
    return verdict.passed
  } finally {
    done.abort()
  }
}

/** Resident memory until the signal, every `everySeconds` but not more often than each second. */
async function sampleMemory(pid: number, everySeconds: number, signal: AbortSignal): Promise<MemorySample[]> {
  const samples: MemorySample[] = []
  const began = performance.now()
  while (!signal.aborted) {
    const atSeconds = (performance.now() - began) / 1000
    const residentMiB = residentMemoryMiB(pid)
    samples.push({ atSeconds, residentMiB })
    if (samples.length % 30 === 0) report(`${Math.round(atSeconds)} s: ${residentMiB.toFixed(0)} MiB`)
    await delay(Math.max(1, everySeconds) * 1000, undefined, { signal }).catch(() => undefined)
  }
  return samples
}

function residentMemoryMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) / 1024
}

try {
  const args = parseSoakArguments(process.argv.slice(2))
  const missing = missingPrograms('dnsperf', 'taskset')
  if (args === null) process.stdout.write(`${soakUsage}\n`)
  else if (missing !== false) throw new Error(`${missing} (Debian: dnsperf, util-linux)`)
  else if (!(await soak(args))) process.exitCode = 1
} catch (error) {
  report(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
