import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '../config.ts'
import { parseDuration } from '../controlplane/document/duration.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { onInterrupt } from './frame/interrupt.ts'
import { jsonOption } from './frame/shared-options.ts'
import { type Paint, paintFor, printJson } from './frame/terminal.ts'
import { serverOptions, theServer } from './server-choice.ts'

interface QueryReply {
  readonly id: number
  readonly at: string
  readonly node: string
  readonly client: string
  readonly transport: string
  readonly name: string | null
  readonly type: string | null
  readonly rcode: string
  readonly octets: number
  readonly answered: readonly { readonly pool: string; readonly member: string }[]
}

const mostQueries = 1000
const lookAgainMs = 1000
/** Nodes write what they have had some time later, and the clocks of hosts differ. */
const lateMs = 10_000

/** `pooldns queries`: the query log, and with `--follow` what comes to it. */
export const queries = defineCommand({
  arguments: {},
  options: {
    follow: { type: 'boolean', short: 'f', summary: 'and what comes from now on, until Ctrl-C' },
    limit: {
      type: 'string',
      value: 'N',
      summary: `how many of the latest, 20 unless said otherwise, ${mostQueries} at most`,
    },
    name: { type: 'string', value: 'NAME', summary: 'for this name alone' },
    client: {
      type: 'string',
      value: 'ADDR',
      summary: 'from this address or network alone, as far as it is kept',
    },
    service: { type: 'string', value: 'SERVICE', summary: 'answered with this service alone' },
    rcode: { type: 'string', value: 'RCODE', summary: 'answered with this alone, such as NXDOMAIN' },
    node: { type: 'string', value: 'NODE', summary: 'answered by this node alone' },
    since: { type: 'string', value: 'DURATION', summary: 'of so long before now alone, such as 1h' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns queries --name www.example.test', does: 'who asked for it lately, and what they got' },
    { line: 'pooldns queries --rcode SERVFAIL --since 1h --follow', does: 'and every one to come' },
  ],
  async run(_words, { follow, limit = '20', since, json, server, token, ...filter }) {
    const most = /^\d{1,4}$/.test(limit) ? Number(limit) : -1
    if (most < 0 || most > mostQueries)
      throw new UsageError(`--limit: "${limit}" is not accepted; it takes a number from 0 to ${mostQueries}`)
    const client = theServer({ server, token }, process.env)
    const paint = paintFor(process.stdout)
    const show = (query: QueryReply) => {
      if (json === true) printJson(query)
      else process.stdout.write(`${queryLine(query, paint)}\n`)
    }
    const given = Object.entries(filter).filter(([, value]) => value !== undefined) as [string, string][]
    const wanted = new URLSearchParams([['source', 'dns'], ...given])
    if (since !== undefined) wanted.set('since', instantBefore(since))
    const last = await latest(client, wanted, Math.max(1, most))
    for (const query of most === 0 ? [] : last.toReversed()) show(query)
    if (follow === true) await followFrom(client, wanted, last, show)
  },
})

function instantBefore(duration: string): string {
  const ms = parseDuration(duration)
  if (ms === null)
    throw new UsageError(`--since: "${duration}" is not accepted; it takes a duration such as 1h`)
  return new Date(Date.now() - ms).toISOString()
}

async function latest(client: ApiClient, wanted: URLSearchParams, limit: number): Promise<QueryReply[]> {
  const query = new URLSearchParams(wanted)
  const found: QueryReply[] = []
  // A page may hold fewer than are asked for.
  for (let cursor: string | null = ''; cursor !== null && found.length < limit; ) {
    query.set('limit', String(limit - found.length))
    if (cursor !== '') query.set('cursor', cursor)
    const response = await client.ask(`/v1/history?${query}`)
    const page = (await response.json()) as { items: QueryReply[]; nextCursor: string | null }
    found.push(...page.items)
    cursor = page.nextCursor
  }
  return found
}

/** Asks again and again for the last seconds, as what a node tells late may have an earlier id than what another has told. */
async function followFrom(
  client: ApiClient,
  wanted: URLSearchParams,
  last: readonly QueryReply[],
  show: (query: QueryReply) => void,
): Promise<void> {
  using interrupt = onInterrupt()
  const { signal } = interrupt
  /** Ids that were shown, and when theirs were asked. Bound: those of `lateMs`, `mostQueries` each time. */
  let shown = new Map(last.map(({ id, at }) => [id, Date.parse(at)]))
  let newestMs = last[0] === undefined ? Date.now() : Date.parse(last[0].at)
  while (!signal.aborted) {
    await pause(lookAgainMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    const query = new URLSearchParams(wanted)
    query.set('since', new Date(newestMs - lateMs).toISOString())
    try {
      const come = (await latest(client, query, mostQueries)).filter(({ id }) => !shown.has(id)).toReversed()
      for (const each of come) {
        show(each)
        shown.set(each.id, Date.parse(each.at))
        newestMs = Math.max(newestMs, Date.parse(each.at))
      }
      shown = new Map([...shown].filter(([, atMs]) => atMs >= newestMs - lateMs))
    } catch (error) {
      if (signal.aborted) return
      process.stderr.write(`${printable((error as Error).message)}; asked again\n`)
    }
  }
}

/** When, who asked by what, what for, and what came of it. */
export function queryLine(query: QueryReply, paint: Paint): string {
  const { at, client, transport, name, type, rcode, octets, answered } = query
  const asked = name === null ? 'no question that can be read' : `${name} ${type}`
  const members = answered.map(({ pool, member }) => `${pool}/${member}`).join(', ')
  const style = rcode === 'NOERROR' ? 'reset' : rcode === 'NXDOMAIN' ? 'yellow' : 'red'
  const by = members === '' ? '' : ` from ${printable(members)}`
  return `${paint('dim', at)}  ${client.padEnd(18)}  ${transport}  ${printable(asked)}  ${paint(style, rcode)}, ${octets} octets${by}`
}
