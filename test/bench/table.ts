/** Tables in Markdown: one a scenario, and one over all of them for docs/performance.md. */
import { figuresOf, type Measurement, ratioOf, serverNamed } from './results.ts'
import type { Spread } from './statistics.ts'

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Lines below it. */
  readonly notes?: readonly string[]
}

const none = '–'

export function markdown({ title, columns, rows, notes = [] }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const table = [line(columns), line(columns.map(() => '---')), ...rows.map(line)]
  return [`**${title}**`, '', ...table, ...(notes.length === 0 ? [] : ['', ...notes]), ''].join('\n')
}

/** Servers that others are compared with, by the beginning of their names. */
export interface References {
  readonly peer: string
  readonly echo: string
}

/** One scenario: a row a server. Cells are medians, with the least and the most behind. */
export function loadTable(
  measurements: readonly Measurement[],
  { name, title }: { readonly name: string; readonly title: string },
  references: References,
): Table {
  const columns = [
    'server',
    'CPU µs a query',
    'in user space',
    'queries/s',
    'lost',
    `to ${references.peer}`,
    `to the ${references.echo}`,
    ...(name === 'hit' ? [] : ['to its own hit']),
  ]
  const peer = serverNamed(measurements, references.peer)
  const echo = serverNamed(measurements, references.echo)
  const rows = figuresOf(measurements, name).map(({ server, cpu, user, queriesPerSecond, lost }) => {
    const side = { scenario: name, server }
    const to = (other: string | undefined, scenario = name) =>
      other === undefined ? none : ratioText(ratioOf(measurements, side, { scenario, server: other }))
    return [
      server,
      spreadText(cpu),
      user.median.toFixed(2),
      thousands(queriesPerSecond.median),
      String(lost),
      to(peer),
      to(echo),
      ...(name === 'hit' ? [] : [to(server, 'hit')]),
    ]
  })
  return { title: `${name}: ${title}`, columns, rows }
}

/** All scenarios: a row a server, a column a scenario, in it CPU time and the ratio to the reference peer. */
export function overviewTable(
  measurements: readonly Measurement[],
  scenarios: readonly string[],
  references: References,
): Table {
  const servers = [...new Set(measurements.map(({ server }) => server))]
  const peer = serverNamed(measurements, references.peer)
  const figures = new Map(
    scenarios.map((name) => [
      name,
      new Map(figuresOf(measurements, name).map((each) => [each.server, each.cpu.median])),
    ]),
  )
  const rows = servers.map((server) => [
    server,
    ...scenarios.map((scenario) => {
      const cpu = figures.get(scenario)!.get(server)
      if (cpu === undefined) return none
      const ratio =
        peer === undefined ? null : ratioOf(measurements, { scenario, server }, { scenario, server: peer })
      return significant(cpu) + (ratio === null ? '' : ` (${ratio.median.toFixed(2)})`)
    }),
  ])
  return {
    title: `CPU µs a query${peer === undefined ? '' : `, in brackets its ratio to ${peer}`}`,
    columns: ['server', ...scenarios],
    rows,
  }
}

/** `2.10 (2.05..2.31)` */
export function spreadText({ median, min, max }: Spread): string {
  return `${significant(median)} (${significant(min)}..${significant(max)})`
}

function ratioText(ratio: Spread | null): string {
  if (ratio === null) return none
  return `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)})`
}

/** At least three digits. */
export function significant(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
}

/** `350,000` */
export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
