/**
 * From measurements to figures worth comparing. Ratios are made within a round, where the two servers met the same
 * machine minutes apart at the most, and only then taken the median of; the ratio of two medians would compare different
 * rounds.
 */
import type { Sample } from './measure.ts'
import type { KindName } from './signed-kinds.ts'
import { type Spread, spread } from './statistics.ts'
import type { Table } from './table.ts'

export interface Measurement extends Sample {
  readonly scenario: string
  readonly server: string
  /** From 1. */
  readonly round: number
}

/** What a scenario that is a program of its own gives back; see `ScenarioOptions`. */
export interface ScenarioResult {
  readonly tables: readonly Table[]
  /** For the JSON file. */
  readonly data: unknown
}

/** What a scenario that is a program of its own is given. It ends by itself in a few minutes, and cleans up. */
export interface ScenarioOptions {
  /** An empty folder, removed afterwards. */
  readonly folder: string
  /** Cores that may be used. */
  readonly cores: readonly number[]
  /** Seconds of load in each measurement. */
  readonly seconds: number
  /** Of the scenario `signed` only verdicts of these; left out: all that it has, and of verdicts the plain kind. */
  readonly kinds?: readonly KindName[]
  readonly signal: AbortSignal
  /** Says how it goes on, a line at a time. */
  report(line: string): void
}

export interface Figures {
  readonly server: string
  readonly rounds: number
  /** Microseconds of CPU time for one query. */
  readonly cpu: Spread
  /** The part of it in user space. */
  readonly user: Spread
  readonly queriesPerSecond: Spread
  /** In all rounds. */
  readonly lost: number
  readonly completed: number
}

/** The figures of a scenario, in the order in which servers first appear. */
export function figuresOf(measurements: readonly Measurement[], scenario: string): Figures[] {
  const byServer = Map.groupBy(
    measurements.filter((measurement) => measurement.scenario === scenario),
    ({ server }) => server,
  )
  return [...byServer].map(([server, samples]) => ({
    server,
    rounds: samples.length,
    cpu: spread(samples.map((sample) => sample.cpuMicrosecondsPerQuery)),
    user: spread(samples.map((sample) => sample.userMicrosecondsPerQuery)),
    queriesPerSecond: spread(samples.map((sample) => sample.queriesPerSecond)),
    lost: sum(samples.map((sample) => sample.lost)),
    completed: sum(samples.map((sample) => sample.completed)),
  }))
}

export interface Side {
  readonly scenario: string
  readonly server: string
}

/** CPU time of one side over that of the other, round by round; null when they have no round in common. */
export function ratioOf(measurements: readonly Measurement[], side: Side, to: Side): Spread | null {
  const cpuIn = (round: number, { scenario, server }: Side) =>
    measurements.find((m) => m.round === round && m.scenario === scenario && m.server === server)
      ?.cpuMicrosecondsPerQuery
  const ratios = [...new Set(measurements.map(({ round }) => round))].flatMap((round) => {
    const [above, below] = [cpuIn(round, side), cpuIn(round, to)]
    return above === undefined || below === undefined || below === 0 ? [] : [above / below]
  })
  return ratios.length === 0 ? null : spread(ratios)
}

/** The name of the server in the measurements whose name begins so: versions stand behind names. */
export function serverNamed(measurements: readonly Measurement[], start: string): string | undefined {
  return measurements.find(({ server }) => server === start || server.startsWith(`${start} `))?.server
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
