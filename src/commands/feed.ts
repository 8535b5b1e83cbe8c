import { UsageError } from '../config.ts'
import { parseDuration } from '../controlplane/document/duration.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { lineChart } from './feed-chart.ts'
import { defineCommand } from './frame/command.ts'
import { jsonOption } from './frame/shared-options.ts'
import { paintFor, printJson, table } from './frame/terminal.ts'
import { serverOptions, theServer } from './server-choice.ts'

type Shown = Readonly<Record<string, string | number | null>>

interface Reply {
  readonly columns: readonly string[]
  readonly items: readonly Shown[]
  readonly nextCursor: string | null
}

const chartRows = 8
const mostWidth = 100

/** `pooldns feed NAME`: what is in a feed, as a table, and of one entity on a terminal as a line for each column. */
export const feed = defineCommand({
  arguments: { name: { summary: 'a feed' } },
  options: {
    entity: {
      type: 'string',
      value: 'ENTITY',
      summary: 'of this entity alone; of all, the newest row of each, when left out',
    },
    since: {
      type: 'string',
      value: 'DURATION',
      summary: 'what was measured in so long, such as 1h; the last day when only an entity is given',
    },
    step: { type: 'string', value: 'DURATION', summary: 'averages, minima and maxima by so long' },
    limit: { type: 'string', value: 'N', summary: 'rows at the most, 100 unless said otherwise' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns feed air_quality', does: 'the newest row of each entity' },
    {
      line: 'pooldns feed air_quality --entity aq_salvia --since 6h',
      does: 'its rows of the last six hours, and on a terminal a chart of each column',
    },
  ],
  async run({ name }, { entity, since, step, limit = '100', json, ...given }) {
    const most = /^\d{1,6}$/.test(limit) ? Number(limit) : 0
    if (most < 1)
      throw new UsageError(`--limit: "${limit}" is not accepted; it takes a number from 1 to 999999`)
    const query = new URLSearchParams({ limit: String(most) })
    if (entity !== undefined) query.set('entity', entity)
    if (step !== undefined) query.set('step', step)
    const isLatest = entity === undefined && since === undefined && step === undefined
    if (isLatest) query.set('latest', 'true')
    else query.set('from', new Date(beginOf(Date.now(), ageOf(since ?? '1d'))).toISOString())
    const server = theServer(given, process.env)
    const reply = await rowsOf(server, name, query)
    if (json === true) for (const row of reply.items) printJson(row)
    else if (reply.items.length === 0) say(await whyNone(server, name, query, new Date()))
    else show(reply, entity !== undefined)
  },
})

/** Says which rows there are, where none is as young as was asked for. */
async function whyNone(server: ApiClient, name: string, query: URLSearchParams, now: Date): Promise<string> {
  const [entity, from] = [query.get('entity'), query.get('from')]
  const none = entity === null ? 'no rows' : `no rows of ${entity}`
  if (from === null) return none
  const newest = new URLSearchParams({ latest: 'true', ...(entity === null ? {} : { entity }) })
  const { items } = await rowsOf(server, name, newest)
  const times = items.map(({ time_instant: time }) => Date.parse(String(time)))
  return times.length === 0 ? none : `${none} since ${from}, ${olderText(Math.max(...times), now)}`
}

/** @param newestMs when the newest row is of */
export function olderText(newestMs: number, now: Date): string {
  const days = Math.max(1, Math.ceil((now.getTime() - newestMs) / 86_400_000))
  return `but up to ${new Date(newestMs).toISOString()}: --since ${days}d has some`
}

const shortestGrainMs = 1_000
const longestGrainMs = 60_000

/**
 * Where so long before now begins, in milliseconds: a little earlier, so that who asks again soon asks for the same, which the server may
 * have kept. By a sixtieth of it, a second at least and a minute at most.
 */
export function beginOf(nowMs: number, ageMs: number): number {
  const grainMs = Math.min(longestGrainMs, Math.max(shortestGrainMs, Math.floor(ageMs / 60)))
  return Math.floor((nowMs - ageMs) / grainMs) * grainMs
}

function ageOf(text: string): number {
  const ms = parseDuration(text)
  if (ms === null) throw new UsageError(`--since: "${text}" is not accepted; it takes a duration such as 1h`)
  return ms
}

async function rowsOf(server: ApiClient, name: string, query: URLSearchParams): Promise<Reply> {
  const response = await server.ask(`/v1/feeds/${encodeURIComponent(name)}?${query}`)
  return (await response.json()) as Reply
}

function show({ columns, items, nextCursor }: Reply, isOne: boolean): void {
  const rows = items.map((item) =>
    Object.fromEntries(
      ['time_instant', 'id_entity', ...columns].map((name) => [
        name,
        item[name] === null ? '' : String(item[name]),
      ]),
    ),
  )
  const lines = table(rows, 0, paintFor(process.stdout))
  if (nextCursor !== null) lines.push(`and more: ${items.length} rows are shown`)
  if (isOne && process.stdout.isTTY === true) lines.push(...charts(columns, items, process.stdout.columns))
  say(...lines)
}

function say(...lines: readonly string[]): void {
  process.stdout.write(`${lines.map((line) => printable(line)).join('\n')}\n`)
}

function charts(columns: readonly string[], items: readonly Shown[], width: number): string[] {
  return columns.flatMap((name) => {
    const values = items.map((item) => (typeof item[name] === 'number' ? item[name] : null))
    const chart = lineChart(values, Math.min(width, mostWidth), chartRows)
    return chart.length === 0 ? [] : ['', name, ...chart]
  })
}
