/**
 * The rounds of the load scenarios. In each, every server is started anew, so that what is luck of one start (where memory
 * lies, what was compiled when) shows in the spread. They stay up side by side for the round, idle but for one, so that
 * within a scenario the servers follow each other at once and what else the machine does meets them alike; every other
 * round goes backwards.
 */
import { join } from 'node:path'
import type { BenchArguments } from './arguments.ts'
import { type Contestant, type Entrant, echoName } from './contestants.ts'
import { ask, type Load, measure, type Sample } from './measure.ts'
import type { Measurement } from './results.ts'
import type { LoadScenario } from './scenarios.ts'

const outstanding = 200
/** What may come from others than the queries of the scenario, or be answered in some other way. */
const strayShare = 0.001

export interface RoundsOptions
  extends Pick<BenchArguments, 'rounds' | 'seconds' | 'warmUpSeconds' | 'budgetSeconds'> {
  readonly entrants: readonly Entrant[]
  readonly scenarios: readonly LoadScenario[]
  /** Paths of query files. */
  readonly queryFiles: (scenario: LoadScenario) => { readonly measured: string; readonly warmUp: string }
  readonly folder: string
  readonly signal: AbortSignal
  report(line: string): void
}

export async function runRounds(options: RoundsOptions): Promise<Measurement[]> {
  const measurements: Measurement[] = []
  const began = performance.now()
  const secondsSince = (start: number) => (performance.now() - start) / 1000
  for (let round = 1; round <= options.rounds; round++) {
    const roundBegan = performance.now()
    measurements.push(...(await runRound(options, round)))
    if (round < options.rounds && secondsSince(began) + secondsSince(roundBegan) > options.budgetSeconds) {
      options.report(`stopping after ${round} rounds: another one would take too long`)
      break
    }
  }
  return measurements
}

async function runRound(options: RoundsOptions, round: number): Promise<Measurement[]> {
  const measurements: Measurement[] = []
  await using stack = new AsyncDisposableStack()
  // All at once, and none of them may be left behind when another fails to start.
  const started = await Promise.allSettled(
    options.entrants.map(async (entrant, index) => {
      const contestant = await entrant.start(join(options.folder, `round-${round}-${index}`))
      return { entrant, contestant: stack.use(contestant) }
    }),
  )
  const running = started.map((start) => {
    if (start.status === 'rejected') throw start.reason
    return start.value
  })
  options.signal.throwIfAborted()
  if (round % 2 === 0) running.reverse()
  for (const scenario of options.scenarios) {
    for (const { entrant, contestant } of running) {
      if (!hasWhatItNeeds(contestant, scenario)) continue
      if (scenario.transport === 'tcp' && !contestant.hasTcp) continue
      const sample = await measureOne(options, scenario, entrant, contestant)
      measurements.push({ scenario: scenario.name, server: contestant.name, round, ...sample })
      const { cpuMicrosecondsPerQuery: cpu, queriesPerSecond: rate } = sample
      options.report(
        `round ${round}, ${scenario.name}: ${contestant.name}: ${cpu.toFixed(2)} us, ${Math.round(rate)}/s`,
      )
    }
  }
  return measurements
}

function hasWhatItNeeds({ hasService, steers }: Contestant, { needs }: LoadScenario): boolean {
  switch (needs) {
    case 'nothing':
      return true
    case 'service':
      return hasService
    case 'steering':
      return steers
  }
}

async function measureOne(
  options: RoundsOptions,
  scenario: LoadScenario,
  { workers, cores }: Entrant,
  contestant: Contestant,
): Promise<Sample> {
  const files = options.queryFiles(scenario)
  const load: Load = {
    port: contestant.port,
    queryFile: files.measured,
    transport: scenario.transport,
    seconds: options.seconds,
    // The kernel spreads sockets over workers by chance: enough of them to make the shares even.
    clients: workers === 1 ? 8 : 32 * workers,
    outstanding: outstanding * workers,
    timeoutSeconds: 1,
    cores: cores.generator,
  }
  await ask({ ...load, queryFile: files.warmUp, seconds: options.warmUpSeconds }, options.signal)
  const sample = await measure(contestant.pid, load, options.signal)
  checkAnswers(sample, scenario, contestant)
  return sample
}

/** @throws Error when a server was measured doing something else than was asked */
function checkAnswers(
  { rcodes, completed }: Sample,
  { name, expected }: LoadScenario,
  contestant: Contestant,
): void {
  if (completed === 0)
    throw new Error(`${contestant.name} answered nothing in ${name}:\n${contestant.said()}`)
  if (contestant.name === echoName) return
  const share = (rcodes[expected.rcode] ?? 0) / completed
  if (Math.abs(share - expected.share) > strayShare) {
    throw new Error(
      `${contestant.name} answered ${name} with ${JSON.stringify(rcodes)}, not ${expected.share} ${expected.rcode}`,
    )
  }
}
