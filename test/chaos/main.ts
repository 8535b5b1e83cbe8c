/**
 * `npm run test:chaos`: breaks a server in many ways while it is asked and written to all the time, and prints what that cost: a row for
 * each fault. Lost and wrong answers and lost writes must be 0 in each, or it ends with 1.
 *
 * `--only TEXT` takes the faults whose name, with what it is played on, has the text (`overload` the table of that), `--times N`
 * strikes so often. `--at-random` waits a random time, up to 0.4 s, before each strike, the same ones for the same `--seed N`;
 * `--writers N` has so many write at once, as fast as they can. `--logs FOLDER` keeps what the server says. Recovery is the time
 * from the strike, or the end of what lasts, to the next write that is acknowledged.
 */
import { randomInt } from 'node:crypto'
import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { median } from '../bench/statistics.ts'
import { markdown } from '../bench/table.ts'
import { seededRandom } from '../controlplane/health/fixture.ts'
import { type Fault, faults } from './faults.ts'
import { overload, overloadColumns } from './overload.ts'
import { type Outcome, Stage, withoutStage } from './stage.ts'
import type { Store } from './stand.ts'
import type { WriteLoad } from './writer.ts'

interface Row {
  readonly fault: Fault
  readonly struck: number
  readonly outcome: Outcome
  readonly recoveryMs: readonly number[]
}

/** One that writes, so that its refusals can be counted. */
const fewWrites: WriteLoad = { atOnce: 1, everyMs: 50 }
const longestWaitMs = 400
const afterwardsMs = 2000

interface Run {
  readonly times: number
  readonly writes: WriteLoad
  /** Of the moments of its strikes; null for as soon as may be. */
  readonly seed: number | null
  /** A folder for what the server says; null to forget it. */
  readonly logs: string | null
}

async function play(fault: Fault, run: Run): Promise<Row> {
  await using stage = await Stage.set(fault)
  try {
    return await playOn(stage, fault, run)
  } finally {
    if (run.logs !== null) await appendFile(join(run.logs, fileOf(fault)), stage.log)
  }
}

async function playOn(stage: Stage, fault: Fault, { times, writes, seed }: Run): Promise<Row> {
  const writer = stage.begin(writes)
  const random = seed === null ? null : seededRandom(seed)
  await writer.next()
  const recoveryMs: number[] = []
  for (let strike = 0; strike < times; strike++) {
    if (random !== null) await delay(random() * longestWaitMs)
    await fault.strike(stage)
    const struckMs = stage.takeStruckMs()
    await writer.next()
    recoveryMs.push(performance.now() - struckMs)
  }
  // What comes of the last one may come late.
  await delay(afterwardsMs)
  return { fault, struck: times, outcome: await stage.end(), recoveryMs }
}

const isWhole = ({ outcome }: Row) => outcome.lost + outcome.wrong + outcome.writes.lost === 0

function cells({ fault, struck, outcome, recoveryMs }: Row): string[] {
  const { writes } = outcome
  const seconds = (ms: number) => (ms / 1000).toFixed(2)
  return [
    fault.name,
    onOf(fault),
    struck,
    outcome.sent,
    outcome.dropped,
    outcome.lost,
    outcome.late,
    outcome.wrong,
    seconds(outcome.slowestMs),
    writes.acknowledged,
    writes.lost,
    writes.refused,
    seconds(writes.slowestMs),
    `${seconds(median(recoveryMs))} (${seconds(Math.max(...recoveryMs))})`,
  ].map(String)
}

const stores: Readonly<Record<Store, string>> = {
  PostgreSQL: 'PostgreSQL',
  embedded: 'embedded',
  Patroni: 'Patroni',
  pgbouncer: 'pgbouncer',
  network: 'PostgreSQL by a network',
  pair: 'PostgreSQL and standby',
}
const onOf = ({ store, udp }: Fault) => `${stores[store]}, ${udp}`

const columns = [
  'fault',
  'on',
  'times',
  'queries',
  'dropped, as counted',
  'lost',
  'later than 5 s',
  'wrong',
  'slowest, s',
  'writes acknowledged',
  'lost',
  'refused',
  'slowest, s',
  'recovery, s (longest)',
]

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    times: { type: 'string' },
    'at-random': { type: 'boolean', default: false },
    seed: { type: 'string' },
    writers: { type: 'string' },
    logs: { type: 'string' },
  },
})
const { only } = values
const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |\n`
const seed = values['at-random'] ? Number(values.seed ?? randomInt(2 ** 31)) : null
if (seed !== null) process.stderr.write(`moments of seed ${seed}\n`)
const logs = values.logs ?? null
if (logs !== null) await mkdir(logs, { recursive: true })
const writes = values.writers === undefined ? fewWrites : { atOnce: Number(values.writers), everyMs: 0 }
const labelOf = (fault: Fault) => `${fault.name} (${onOf(fault)})`
const fileOf = (fault: Fault) => `${labelOf(fault).replaceAll(/\W+/g, '-')}.log`
const chosen = faults.filter((fault) => only?.some((text) => labelOf(fault).includes(text)) ?? true)
const rows: Row[] = []
for (const fault of chosen) {
  process.stderr.write(`${labelOf(fault)}\n`)
  const missing = withoutStage(fault)
  if (missing !== null) {
    process.stderr.write(`  left out: ${missing}\n`)
    continue
  }
  const row = await play(fault, { times: Number(values.times ?? fault.times), writes, seed, logs }).catch(
    (error) => {
      process.stderr.write(`  not played to its end: ${error}\n`)
      process.exitCode = 1
      return null
    },
  )
  if (row === null) continue
  if (rows.length === 0)
    process.stdout.write(`**Faults**\n\n${line(columns)}${line(columns.map(() => '---'))}`)
  process.stdout.write(line(cells(row)))
  for (const example of [...row.outcome.examples, ...row.outcome.writes.examples])
    process.stderr.write(`  ${example}\n`)
  rows.push(row)
}
if (rows.length > 0) process.stdout.write('\n')
if (only === undefined || only.includes('overload')) {
  const overloaded: string[][] = []
  for (const udp of ['batch', 'dgram'] as const) {
    process.stderr.write(`overload (${udp})\n`)
    overloaded.push(...(await overload({ store: 'PostgreSQL', udp })))
  }
  process.stdout.write(`${markdown({ title: 'Overload', columns: overloadColumns, rows: overloaded })}\n`)
}
if (!rows.every(isWhole)) process.exitCode = 1
