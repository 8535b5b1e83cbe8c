/** The command lines of the benchmark and of the soak run. */
import { parseArgs } from 'node:util'
import { peers } from './peers.ts'
import { type ScenarioName, scenarioNames } from './scenarios.ts'
import { type KindName, kindNames } from './signed-kinds.ts'

const peerNames = peers.map(({ name }) => name)

export const usage = `npm run bench -- [options]
  --scenario A,B   only these of ${scenarioNames.join(', ')}
  --rounds N       how often each server is started and measured (3)
  --seconds N      of load in each measurement (3)
  --kinds A,B      of the scenario signed only verdicts of these, of ${kindNames.join(', ')}
  --peers A,B      only these peers, of ${peerNames.join(', ')}
  --short          hit, miss, lb and mixed with gdnsd alone, within two minutes
  --out FOLDER     where the tables, the figures as JSON and the chart go (bench-results)
  --help`

export interface BenchArguments {
  readonly scenarios: readonly ScenarioName[]
  readonly rounds: number
  readonly seconds: number
  /** Seconds of load before each measurement, which nobody counts. */
  readonly warmUpSeconds: number
  /** Of the scenario `signed` only verdicts of these. */
  readonly kinds?: readonly KindName[]
  /** Only these peers; all without. */
  readonly peers?: readonly string[]
  /** After which no further round begins. */
  readonly budgetSeconds: number
  /** After which the run is ended, done or not. */
  readonly limitSeconds: number
  readonly out: string
}

const shortScenarios: readonly ScenarioName[] = ['hit', 'miss', 'lb', 'mixed']

/**
 * What the arguments ask for; null when that is help.
 * @throws Error that names the argument
 */
export function parseBenchArguments(args: readonly string[]): BenchArguments | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      kinds: { type: 'string' },
      peers: { type: 'string' },
      short: { type: 'boolean', default: false },
      out: { type: 'string', default: 'bench-results' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const wanted = parseWords('--peers', values.peers, peerNames) ?? (values.short ? ['gdnsd'] : undefined)
  const kinds = parseWords('--kinds', values.kinds, kindNames)
  return {
    ...(kinds === undefined ? {} : { kinds }),
    scenarios:
      parseWords('--scenario', values.scenario, scenarioNames) ??
      (values.short ? shortScenarios : scenarioNames),
    rounds: parseNumber('--rounds', values.rounds ?? (values.short ? '2' : '3'), 1, 100),
    seconds: parseNumber('--seconds', values.seconds ?? (values.short ? '1.5' : '3'), 0.5, 600),
    warmUpSeconds: values.short ? 0.5 : 1,
    ...(wanted === undefined ? {} : { peers: wanted }),
    budgetSeconds: values.short ? 100 : 3600,
    limitSeconds: values.short ? 120 : 2 * 3600,
    out: values.out,
  }
}

export const soakUsage = `npm run soak -- [options]
  --minutes N      of load (10)
  --rate N         queries a second (20000)
  --backend WORD   batch or dgram (batch)
  --help`

export interface SoakArguments {
  readonly minutes: number
  readonly rate: number
  readonly backend: 'batch' | 'dgram'
}

/**
 * What the arguments ask for; null when that is help.
 * @throws Error that names the argument
 */
export function parseSoakArguments(args: readonly string[]): SoakArguments | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '10' },
      rate: { type: 'string', default: '20000' },
      backend: { type: 'string', default: 'batch' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  return {
    minutes: parseNumber('--minutes', values.minutes, 0.1, 24 * 60),
    rate: parseNumber('--rate', values.rate, 1, 1_000_000),
    backend: parseWords('--backend', values.backend, ['batch', 'dgram'])![0]!,
  }
}

function parseWords<Word extends string>(
  argument: string,
  text: string | undefined,
  accepted: readonly Word[],
): Word[] | undefined {
  return text?.split(',').map((word) => {
    const found = accepted.find((each) => each === word)
    if (found === undefined) throw new Error(`${argument} ${word}: not one of ${accepted.join(', ')}`)
    return found
  })
}

/** @throws Error that names the argument */
function parseNumber(argument: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text === '' || !(value >= least && value <= most)) {
    throw new Error(`${argument} ${text}: not a number from ${least} to ${most}`)
  }
  return value
}
