/**
 * The scenario `tail`: how long answers take at half of the rate at which the server is full, for pooldns also while an RRset
 * is edited and members flap. The mix of `mixed` is asked. First it is asked without a bound, which gives the rate; then at
 * half of it, with every latency written down by dnsperf. The control plane gets every core but that of dnsperf: on two
 * cores it shares one with the thread that answers.
 */
import { createReadStream } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Contestant, findEntrants, type Pooldns, pooldnsName, startPooldns } from './contestants.ts'
import { startDisturbance } from './disturbance.ts'
import { ask, askVerbosely, type Load } from './measure.ts'
import { queryFileOctets } from './query-files.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { percentile } from './statistics.ts'
import { significant, thousands } from './table.ts'

const disturbance = { editsPerSecond: 10, flapsPerSecond: 2 }
/** Every latency is a line of a file: bounds that file, and what dnsperf spends on it. */
const mostPerSecond = 100_000
const leastSeconds = 5

interface Latencies {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly answered: number
  readonly lost: number
}

interface Row {
  readonly server: string
  readonly disturbed: string
  readonly rate: number
  readonly milliseconds: Latencies
}

export async function run(options: ScenarioOptions): Promise<ScenarioResult> {
  const queryFile = join(options.folder, 'mixed.queries')
  await writeFile(queryFile, queryFileOctets('mixed'))
  const { cores } = options
  const server = (cores.length === 1 ? cores : cores.slice(0, -1)).join()
  const load = (port: number): Load => ({
    port,
    queryFile,
    transport: 'udp',
    seconds: Math.max(leastSeconds, options.seconds),
    clients: 8,
    outstanding: 200,
    timeoutSeconds: 5,
    cores: String(cores.at(-1)),
  })
  const rows: Row[] = []
  const gdnsd = findEntrants(cores, ['gdnsd']).entrants.find(({ name }) => name === 'gdnsd')
  if (gdnsd !== undefined) {
    await using contestant = await gdnsd.start(join(options.folder, 'gdnsd'))
    const rate = await halfOfSaturation(load(contestant.port), options)
    rows.push(await measureRow(contestant, 'no', { ...load(contestant.port), rate }, options))
  }
  for (const backend of ['dgram', 'batch'] as const) {
    options.report(`tail: ${pooldnsName(backend, 1)}`)
    await using pooldns = await startPooldns(backend, 1, server)
    const rate = await halfOfSaturation(load(pooldns.port), options)
    rows.push(await measureRow(pooldns, 'no', { ...load(pooldns.port), rate }, options))
    rows.push(await measureDisturbed(pooldns, { ...load(pooldns.port), rate }, options))
  }
  return { tables: [tailTable(rows)], data: rows }
}

async function halfOfSaturation(load: Load, { signal }: ScenarioOptions): Promise<number> {
  const seconds = 2
  // Once to warm up, once to count.
  await ask({ ...load, seconds, timeoutSeconds: 1 }, signal)
  const { queriesPerSecond } = await ask({ ...load, seconds, timeoutSeconds: 1 }, signal)
  return Math.min(mostPerSecond, queriesPerSecond / 2)
}

async function measureDisturbed(pooldns: Pooldns, load: Load, options: ScenarioOptions): Promise<Row> {
  await using disturbing = await startDisturbance(pooldns, disturbance)
  const row = await Promise.race([measureRow(pooldns, 'yes', load, options), disturbing.failed])
  const [edits, flaps] = [disturbing.edits, disturbing.flaps].map((count) =>
    (count / load.seconds).toFixed(1),
  )
  return { ...row, disturbed: `${edits} edits/s, ${flaps} flaps/s` }
}

async function measureRow(
  contestant: Contestant,
  disturbed: string,
  load: Load,
  { folder, signal, report }: ScenarioOptions,
): Promise<Row> {
  const file = join(folder, 'latencies')
  await askVerbosely(load, file, signal)
  const milliseconds = await readLatencies(createInterface({ input: createReadStream(file) }))
  await rm(file)
  report(`tail: ${contestant.name}, disturbed: ${disturbed}: p99 ${significant(milliseconds.p99)} ms`)
  return { server: contestant.name, disturbed, rate: load.rate!, milliseconds }
}

/**
 * Of the lines of `dnsperf -v`: `> NOERROR binary input 0.000123`, with `T` in place of the code for a query that was given
 * up. In milliseconds.
 */
export async function readLatencies(lines: AsyncIterable<string>): Promise<Latencies> {
  const latencies: number[] = []
  let lost = 0
  for await (const line of lines) {
    if (!line.startsWith('> ')) continue
    if (line.startsWith('> T ')) lost++
    else if (!line.startsWith('> I ')) latencies.push(Number(line.slice(line.lastIndexOf(' ') + 1)) * 1000)
  }
  const ascending = Float64Array.from(latencies).sort()
  const at = (percent: number) => percentile(ascending, percent)
  return { p50: at(50), p99: at(99), p999: at(99.9), max: at(100), answered: ascending.length, lost }
}

function tailTable(rows: readonly Row[]) {
  return {
    title: 'tail: milliseconds to an answer at half of the rate at which the server is full',
    columns: ['server', 'edits and flaps', 'queries/s', 'p50', 'p99', 'p99.9', 'max', 'lost'],
    rows: rows.map(({ server, disturbed, rate, milliseconds: { p50, p99, p999, max, lost } }) => [
      server,
      disturbed,
      thousands(rate),
      ...[p50, p99, p999, max].map(significant),
      String(lost),
    ]),
  }
}
