/**
 * The scenario `signed`: what signed answers cost, of a zone signed with NSEC and with NSEC3 beside the same zone unsigned, by the method of
 * `measure.ts`; and how long a member that fails stays in the answers among a thousand signed services.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Pooldns, startPooldns } from './contestants.ts'
import { failures, type Trial } from './failover.ts'
import { type Cores, divideCores, measure, ask as warmUp } from './measure.ts'
import { type QueryFile, queryFileOctets } from './query-files.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { percentile, spread } from './statistics.ts'
import { significant, type Table } from './table.ts'
import { zone } from './zone-data.ts'

const rounds = 5
const files = ['hit', 'miss', 'lb', 'weighted'] as const satisfies readonly QueryFile[]
type File = (typeof files)[number]
/** How a zone is signed; the first is not. */
const forms = ['unsigned', 'nsec', 'nsec3'] as const
type Form = (typeof forms)[number]
const services = 1000
const pools = 100
const membersInPool = 4

/** What was asked of which zone, in which round. */
interface Cost {
  readonly form: Form
  readonly file: File
  /** Whether signatures were asked for. */
  readonly dnssec: boolean
  readonly round: number
  /** Microseconds of CPU time a query. */
  readonly cpu: number
}

export async function run(options: ScenarioOptions): Promise<ScenarioResult> {
  const cores = divideCores(options.cores, 1)
  const costs = await measureCosts(options, cores)
  const verdicts: [Form, Trial[]][] = []
  for (const form of ['unsigned', 'nsec'] as const)
    verdicts.push([form, await measureVerdicts(options, cores, form)])
  return {
    tables: [costTable(costs), verdictTable(verdicts)],
    data: { costs, verdicts: Object.fromEntries(verdicts) },
  }
}

async function measureCosts(
  { folder, seconds, signal, report }: ScenarioOptions,
  cores: Cores,
): Promise<Cost[]> {
  const pathOf = (file: File, dnssec: boolean) => join(folder, `${file}${dnssec ? '.do' : ''}.queries`)
  for (const file of files) {
    for (const dnssec of [false, true])
      await writeFile(pathOf(file, dnssec), queryFileOctets(file, 'measured', dnssec))
  }
  await using stack = new AsyncDisposableStack()
  const servers: (readonly [Form, Pooldns])[] = []
  for (const form of forms) {
    const pooldns = stack.use(await startPooldns('batch', 1, cores.server))
    if (form !== 'unsigned') await sign(pooldns, form, signal)
    servers.push([form, pooldns])
  }
  const costs: Cost[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const file of files) {
      for (const [form, pooldns] of round % 2 === 0 ? servers.toReversed() : servers) {
        for (const dnssec of form === 'unsigned' ? [false] : [false, true]) {
          signal.throwIfAborted()
          const load = {
            port: pooldns.port,
            queryFile: pathOf(file, dnssec),
            transport: 'udp',
            seconds,
            clients: 8,
            outstanding: 200,
            timeoutSeconds: 1,
            cores: cores.generator,
          } as const
          await warmUp({ ...load, seconds: 0.5 }, signal)
          const { cpuMicrosecondsPerQuery: cpu, rcodes, completed } = await measure(pooldns.pid, load, signal)
          const wanted = file === 'miss' ? 'NXDOMAIN' : 'NOERROR'
          if ((rcodes[wanted] ?? 0) < 0.999 * completed)
            throw new Error(`${form} answered ${file} with ${JSON.stringify(rcodes)}`)
          costs.push({ form, file, dnssec, round, cpu })
          report(`signed: round ${round}, ${file}, ${form}${dnssec ? ' with DO' : ''}: ${cpu.toFixed(2)} us`)
        }
      }
    }
  }
  return costs
}

function costTable(costs: readonly Cost[]): Table {
  const of = (form: Form, file: File, dnssec: boolean) =>
    costs.filter((cost) => cost.form === form && cost.file === file && cost.dnssec === dnssec)
  /** In each round by itself, where both met the same machine. */
  const ratio = (over: readonly Cost[], under: readonly Cost[]) =>
    significant(spread(over.map(({ cpu }, index) => cpu / under[index]!.cpu)).median)
  const rows = files.flatMap((file) =>
    forms.flatMap((form) => {
      const plain = of(form, file, false)
      const signed = of(form, file, true)
      const cell = (some: readonly Cost[]) =>
        some.length === 0 ? '–' : spread(some.map(({ cpu }) => cpu)).median.toFixed(2)
      return [
        [
          file,
          form,
          cell(plain),
          cell(signed),
          signed.length === 0 ? '–' : ratio(signed, plain),
          ratio(plain, of('unsigned', file, false)),
        ],
      ]
    }),
  )
  return {
    title: 'signed: microseconds of CPU time a query, with and without DO',
    columns: ['queries', 'zone', 'plain', 'with DO', 'DO to plain', 'plain to that of the unsigned zone'],
    rows,
    notes: [`Medians of ${rounds} rounds.`],
  }
}

/** Resolves when everything is signed, as far as it is signed ahead. */
async function sign(pooldns: Pooldns, denial: Exclude<Form, 'unsigned'>, signal: AbortSignal): Promise<void> {
  await pooldns.request(`/v1/zones/${zone}/dnssec`, { method: 'PUT', json: { denial } })
  for (let before = -1; ; ) {
    const made = await pooldns.metric('pooldns_dnssec_signatures_made_total')
    if (made > 0 && made === before) return
    before = made
    await delay(2000, undefined, { signal })
  }
}

async function measureVerdicts(
  { signal, report }: ScenarioOptions,
  cores: Cores,
  form: Extract<Form, 'unsigned' | 'nsec'>,
): Promise<Trial[]> {
  await using pooldns = await startPooldns('batch', 1, cores.server)
  for (let pool = 0; pool < pools; pool++) {
    const members = Object.fromEntries(
      Array.from({ length: membersInPool }, (_, index) => [
        `m${index}`,
        { address: `10.5.${pool}.${index}` },
      ]),
    )
    await pooldns.request(`/v1/pools/crowd-${pool}`, {
      method: 'PUT',
      json: { answers: 2, members },
    })
  }
  for (let service = 0; service < services; service++) {
    const json = { pools: [`crowd-${service % pools}`] }
    await pooldns.request(`/v1/services/crowd-${service}.${zone}`, { method: 'PUT', json })
  }
  const trials = await failures(pooldns, signal, async () => {
    if (form !== 'unsigned') await sign(pooldns, form, signal)
  })
  report(`signed: ${trials.length} members failed beside ${services} services, ${form}`)
  return trials
}

function verdictTable(verdicts: readonly (readonly [Form, readonly Trial[]])[]): Table {
  return {
    title: `signed: milliseconds from a verdict to the first answer without the member, beside ${services} services in the same zone`,
    columns: ['zone', 'p50', 'p90', 'max'],
    rows: verdicts.map(([form, trials]) => {
      const ascending = Float64Array.from(trials, ({ fromVerdict }) => fromVerdict).sort()
      return [form, ...[50, 90, 100].map((percent) => significant(percentile(ascending, percent)))]
    }),
    notes: ['Signatures are asked for where the zone has them.'],
  }
}
