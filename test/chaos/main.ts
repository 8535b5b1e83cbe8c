/**
 * `npm run test:chaos`: breaks a server in many ways while it is asked and written to all the time, and prints what that cost: a row for
 * each fault. Lost and wrong answers and lost writes must be 0 in each, or it ends with 1.
 *
 * `--only TEXT` takes the faults whose name has the text (`overload` the table of that), `--times N` strikes so often, `--at-random` waits a random time, up to
 * 0.4 s, between a recovery and the next. Recovery is the time from the strike, or the end of what lasts, to the next write that is acknowledged.
 */
import { parseArgs } from 'node:util'
import { median } from '../bench/statistics.ts'
import { markdown } from '../bench/table.ts'
import { type Fault, faults, soon } from './faults.ts'
import { overload, overloadColumns } from './overload.ts'
import { type Outcome, Stage, withoutStore } from './stage.ts'

interface Row {
  readonly fault: Fault
  readonly struck: number
  readonly outcome: Outcome
  readonly recoveryMs: readonly number[]
}

async function play(fault: Fault, times: number, atRandom: boolean): Promise<Row> {
  await using stage = await Stage.set(fault)
  const writer = stage.begin(fault.silent !== true)
  await writer.next()
  const recoveryMs: number[] = []
  for (let strike = 0; strike < times; strike++) {
    if (atRandom) await soon()
    await fault.strike(stage)
    const struckMs = performance.now()
    await writer.next()
    recoveryMs.push(performance.now() - struckMs)
  }
  return { fault, struck: times, outcome: await stage.end(), recoveryMs }
}

const isWhole = ({ outcome }: Row) => outcome.lost + outcome.wrong + outcome.writes.lost === 0

function cells({ fault, struck, outcome, recoveryMs }: Row): string[] {
  const { writes } = outcome
  const seconds = (ms: number) => (ms / 1000).toFixed(2)
  const asked =
    fault.silent === true
      ? ['–', '–', '–', '–']
      : [outcome.sent, outcome.lost, outcome.wrong, seconds(outcome.slowestMs)]
  return [
    fault.name,
    `${fault.store}, ${fault.udp}`,
    struck,
    ...asked,
    writes.acknowledged,
    writes.lost,
    writes.refused,
    seconds(writes.slowestMs),
    `${seconds(median(recoveryMs))} (${seconds(Math.max(...recoveryMs))})`,
  ].map(String)
}

const columns = [
  'fault',
  'on',
  'times',
  'queries',
  'lost',
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
  },
})
const { only } = values
const chosen = faults.filter(({ name }) => only === undefined || only.some((text) => name.includes(text)))
const rows: Row[] = []
for (const fault of chosen) {
  process.stderr.write(`${fault.name} (${fault.store}, ${fault.udp})\n`)
  const missing = withoutStore(fault.store)
  if (missing !== null) {
    process.stderr.write(`  left out: ${missing}\n`)
    continue
  }
  const row = await play(fault, Number(values.times ?? fault.times), values['at-random']).catch((error) => {
    process.stderr.write(`  not played to its end: ${error}\n`)
    process.exitCode = 1
    return null
  })
  if (row === null) continue
  for (const example of [...row.outcome.examples, ...row.outcome.writes.examples])
    process.stderr.write(`  ${example}\n`)
  rows.push(row)
}
if (rows.length > 0)
  process.stdout.write(`${markdown({ title: 'Faults', columns, rows: rows.map(cells) })}\n`)
if (only === undefined || only.includes('overload')) {
  const overloaded: string[][] = []
  for (const udp of ['batch', 'dgram'] as const) {
    process.stderr.write(`overload (${udp})\n`)
    overloaded.push(...(await overload({ store: 'PostgreSQL', udp })))
  }
  process.stdout.write(`${markdown({ title: 'Overload', columns: overloadColumns, rows: overloaded })}\n`)
}
if (!rows.every(isWhole)) process.exitCode = 1
