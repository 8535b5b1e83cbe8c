/**
 * The scenario `signed`: what signed answers cost, of a zone signed with NSEC and with NSEC3 beside the same zone unsigned, by the method of
 * `measure.ts`; and how long a member that fails stays in the answers among a thousand signed services.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Pooldns, startPooldns } from './contestants.ts'
import { type Cores, divideCores, measure, ask as warmUp } from './measure.ts'
import { type QueryFile, queryFileOctets } from './query-files.ts'
import type { ScenarioOptions, ScenarioResult } from './results.ts'
import { type Form, forms, run as measureVerdicts } from './signed-verdicts.ts'
import { spread } from './statistics.ts'
import { significant, type Table } from './table.ts'
import { zone } from './zone-data.ts'

const rounds = 5
const files = ['hit', 'miss', 'lb', 'weighted'] as const satisfies readonly QueryFile[]
type File = (typeof files)[number]

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
  const { kinds } = options
  if (kinds !== undefined) return await measureVerdicts(options, kinds)
  const costs = await measureCosts(options, divideCores(options.cores, 1))
  const verdicts = await measureVerdicts(options, ['one'])
  return { tables: [costTable(costs), ...verdicts.tables], data: { costs, verdicts: verdicts.data } }
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
