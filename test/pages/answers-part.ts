/**
 * The table of policies and situations as Markdown, for docs/what-is-answered.md. Policies that differ in `select` or `steer` alone are
 * columns; of every other there is a row with what it changes.
 */

import { poolSituations, poolTable, serviceSituations, serviceTable } from '../controlplane/steering/table.ts'
import { markdownTable, type Part } from './part.ts'

interface Row {
  readonly policy: string
  readonly answers: Readonly<Record<string, string>>
}

export const answersPart: Part = {
  page: 'docs/what-is-answered.md',
  name: 'What is answered',
  make: tables,
}

function tables(): string {
  const bySelect = poolTable.filter(({ settings }) => isOnly(settings, ['select']))
  const pools = poolTable.filter((row) => !bySelect.includes(row))
  const steers = new Set<string>()
  const bySteer = serviceTable.filter(({ settings, pools: changed }) => {
    const { steer = 'failover' } = settings
    const first = changed === undefined && isOnly(settings, ['steer', 'choices', 'geo']) && !steers.has(steer)
    if (first) steers.add(steer)
    return first
  })
  const services = serviceTable.filter((row) => !bySteer.includes(row))
  const ofPools = poolSituations as Readonly<Record<string, string>>
  const ofServices = Object.keys(serviceSituations)
  const poolBase = ({ settings }: (typeof poolTable)[number]) =>
    bySelect.find((row) => (row.settings.select ?? 'all') === (settings.select ?? 'all'))!
  const serviceBase = ({ settings }: (typeof serviceTable)[number]) =>
    bySteer.find((row) => (row.settings.steer ?? 'failover') === (settings.steer ?? 'failover'))!
  return [
    table('Members', bySelect, Object.keys(ofPools), poolCell),
    changes('Pool with', 'but', pools, poolBase, Object.keys(ofPools), poolCell),
    table('Pools', bySteer, ofServices, serviceCell),
    changes('Service with', 'but', services, serviceBase, ofServices, serviceCell),
  ].join('\n')
}

function isOnly(settings: object, fields: readonly string[]): boolean {
  return Object.keys(settings).every((field) => fields.includes(field))
}

/** Situations as rows, policies as columns; columns that say the same are one. */
function table(
  corner: string,
  columns: readonly Row[],
  situations: readonly string[],
  cell: (text: string) => string,
): string {
  const merged = new Map<string, { readonly policies: string[]; readonly cells: string[] }>()
  for (const { policy, answers } of columns) {
    const cells = situations.map((situation) => cell(answers[situation]!))
    const key = cells.join()
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { policies: [policy], cells })
    else known.policies.push(policy)
  }
  const all = [...merged.values()]
  return markdownTable([
    [corner, ...all.map(({ policies }) => policies.join('; '))],
    ...situations.map((situation, index) => [situation, ...all.map(({ cells }) => cells[index]!)]),
  ])
}

/** What policies change; situations with the same answer are named together. */
function changes<R extends Row>(
  corner: string,
  what: string,
  rows: readonly R[],
  baseOf: (row: R) => Row,
  situations: readonly string[],
  cell: (text: string) => string,
): string {
  const body = rows.map((row) => {
    const base = baseOf(row)
    const byAnswer = new Map<string, string[]>()
    for (const situation of situations) {
      const answer = cell(row.answers[situation]!)
      if (answer === cell(base.answers[situation]!)) continue
      byAnswer.set(answer, [...(byAnswer.get(answer) ?? []), situation])
    }
    const told = Array.from(byAnswer, ([answer, where]) => `${where.join('; ')}: **${answer}**`)
    return [row.policy, told.length === 0 ? 'as above' : told.join('<br>')]
  })
  return markdownTable([[corner, what], ...body])
}

/** Names the members of pool `web` alone, those of others with their pool. */
function poolCell(text: string): string {
  if (text === 'other: z') return 'next pool'
  if (text === 'sorry: s') return 'pool sorry'
  return text.replace(/^web: (hash )?/, '').replaceAll('=', ':')
}

/** `70 x [eu: e1 e2], 30 x [us: u1 u2]` becomes `70: e1 e2, 30: u1 u2`; members say by their names of which pool they are. */
function serviceCell(text: string): string {
  return text
    .replaceAll(/(?:hash )?\b(\d+) x \[([^\]]*)\]/g, '$1: $2')
    .replace(/area 0 \[(.*)\], area 1 \[\1\]/, '$1')
    .replace(/area 0 \[(.*)\], area 1 \[(.*)\]/, 'in eu: $1, in us: $2')
    .replaceAll(/\b(?:eu|us): (?=[eu]\d)/g, '')
    .replace('sorry: s', 'pool sorry')
}
