/**
 * `npm run bench`: CPU time a query, side by side, of pooldns and of the servers that it is measured against, by the method
 * of `measure.ts`, in the rounds of `rounds.ts`; then the scenarios that are programs of their own. Prints a table for each,
 * and leaves `results.json`, `tables.md` and `cpu-per-query.svg` in a folder. docs/performance.md says how to repeat it.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { missingPrograms } from '../support/program.ts'
import { type BenchArguments, parseBenchArguments, usage } from './arguments.ts'
import { chart } from './chart.ts'
import { type Entrant, type Entrants, findEntrants } from './contestants.ts'
import { untilInterrupted } from './interruption.ts'
import { describeMachine, machineLine } from './machine.ts'
import { allowedCores } from './measure.ts'
import { queryFileOctets } from './query-files.ts'
import type { Measurement, ScenarioOptions, ScenarioResult } from './results.ts'
import { runRounds } from './rounds.ts'
import { type LoadScenario, loads, type OtherName, otherNames } from './scenarios.ts'
import { loadTable, markdown, overviewTable, type References, type Table } from './table.ts'

const references: References = { peer: 'gdnsd', echo: 'node:dgram echo' }

/** Files beside this one whose `run(options: ScenarioOptions): Promise<ScenarioResult>` is a scenario. */
const programs: Readonly<Record<OtherName, string>> = {
  tail: './tail.ts',
  monitors: './monitors.ts',
  failover: './failover.ts',
  signed: './signed.ts',
  drain: './drain.ts',
  scale: './scale.ts',
  'signed-scale': './signed-scale.ts',
  writes: './writes.ts',
  feeds: './feeds.ts',
  'feed-push': './feed-push.ts',
  apply: './apply.ts',
  zones: './zones.ts',
}

const report = (line: string) => void process.stderr.write(`${line}\n`)

async function bench(args: BenchArguments): Promise<void> {
  using interruption = untilInterrupted(args.limitSeconds)
  const { signal } = interruption
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-bench-'))
  try {
    const cores = allowedCores()
    const scenarios = loads.filter(({ name }) => args.scenarios.includes(name))
    const found = findEntrants(cores, args.peers)
    const measurements =
      scenarios.length === 0 ? [] : await measureLoads(args, found, scenarios, folder, signal)
    const results: Record<string, ScenarioResult> = {}
    for (const name of otherNames.filter((other) => args.scenarios.includes(other))) {
      const inside = join(folder, name)
      await mkdir(inside)
      const { seconds, kinds } = args
      const options = {
        folder: inside,
        cores,
        seconds,
        signal,
        report,
        ...(kinds === undefined ? {} : { kinds }),
      }
      const result = await runProgram(name, options)
      if (result !== null) results[name] = result
    }
    await publish(args, cores, found, scenarios, measurements, results)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measureLoads(
  args: BenchArguments,
  { entrants }: Entrants,
  scenarios: readonly LoadScenario[],
  folder: string,
  signal: AbortSignal,
): Promise<Measurement[]> {
  const queryFiles = ({ file }: LoadScenario) => ({
    measured: join(folder, `${file}.queries`),
    warmUp: join(folder, `${file}.warm-up`),
  })
  for (const scenario of scenarios) {
    const { measured, warmUp } = queryFiles(scenario)
    if (existsSync(measured)) continue
    await writeFile(measured, queryFileOctets(scenario.file))
    await writeFile(warmUp, queryFileOctets(scenario.file, 'warmUp'))
  }
  return runRounds({ ...args, entrants, scenarios, queryFiles, folder, signal, report })
}

async function runProgram(name: OtherName, options: ScenarioOptions): Promise<ScenarioResult | null> {
  const file = new URL(programs[name], import.meta.url)
  if (!existsSync(file)) {
    report(`${name}: not there`)
    return null
  }
  const program: { run(options: ScenarioOptions): Promise<ScenarioResult> } = await import(file.href)
  return program.run(options)
}

async function publish(
  args: BenchArguments,
  cores: readonly number[],
  { entrants, leftOut }: Entrants,
  scenarios: readonly LoadScenario[],
  measurements: readonly Measurement[],
  results: Readonly<Record<string, ScenarioResult>>,
): Promise<void> {
  const machine = describeMachine(cores)
  const names = scenarios.map(({ name }) => name)
  const tables: Table[] = [
    ...(names.length > 1 ? [overviewTable(measurements, names, references)] : []),
    ...scenarios.map((scenario) => loadTable(measurements, scenario, references)),
    ...Object.values(results).flatMap((result) => result.tables),
  ]
  const notes = [
    `Measured ${machineLine(machine)}.`,
    ...(measurements.length === 0 ? [] : loadNotes(args, entrants, measurements)),
    ...(leftOut.length === 0 ? [] : [`Not installed, so left out: ${leftOut.join('; ')}.`]),
  ]
  const text = [...tables.map(markdown), ...notes, ''].join('\n')
  process.stdout.write(text)
  await mkdir(args.out, { recursive: true })
  await writeFile(join(args.out, 'tables.md'), text)
  const programData = Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data]))
  const data = { machine, arguments: args, leftOut, measurements, ...programData }
  await writeFile(join(args.out, 'results.json'), `${JSON.stringify(data, null, 2)}\n`)
  if (measurements.length > 0)
    await writeFile(join(args.out, 'cpu-per-query.svg'), chart(measurements, scenarios))
  report(
    `written to ${args.out}: ${measurements.length > 0 ? 'cpu-per-query.svg, ' : ''}results.json, tables.md`,
  )
}

function loadNotes(
  { seconds }: BenchArguments,
  entrants: readonly Entrant[],
  measurements: readonly Measurement[],
): string[] {
  const rounds = Math.max(...measurements.map(({ round }) => round))
  const shared = entrants.filter(({ cores }) => cores.shared).map(({ name }) => name)
  return [
    `CPU time of all threads: medians of ${rounds} rounds of ${seconds} s, with the least and the most.`,
    ...(shared.length === 0
      ? []
      : [`Shared a core with dnsperf, so its queries a second say nothing: ${shared.join('; ')}.`]),
  ]
}

try {
  const args = parseBenchArguments(process.argv.slice(2))
  const missing = missingPrograms('dnsperf', 'taskset')
  if (args === null) process.stdout.write(`${usage}\n`)
  else if (missing !== false) throw new Error(`${missing} (Debian: dnsperf, util-linux)`)
  else await bench(args)
} catch (error) {
  report(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
