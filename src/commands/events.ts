import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '../config.ts'
import { eventKinds } from '../controlplane/model/event.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { type EventReply, eventLine } from './events-text.ts'
import { defineCommand } from './frame/command.ts'
import { onInterrupt } from './frame/interrupt.ts'
import { jsonOption } from './frame/shared-options.ts'
import { paintFor, printJson } from './frame/terminal.ts'
import { serverOptions, theServer } from './server-choice.ts'

const mostEvents = 1000

/** `pooldns events`: what happened, and with `--follow` what is happening. */
export const events = defineCommand({
  arguments: {},
  options: {
    follow: { type: 'boolean', short: 'f', summary: 'and what happens from now on, until Ctrl-C' },
    limit: {
      type: 'string',
      value: 'N',
      summary: `how many of the latest, 20 unless said otherwise, ${mostEvents} at most`,
    },
    kind: { type: 'string', value: 'KIND', choices: eventKinds, summary: 'of this kind alone' },
    pool: { type: 'string', value: 'POOL', summary: 'of this pool alone' },
    member: { type: 'string', value: 'MEMBER', summary: 'of members of this name alone' },
    service: { type: 'string', value: 'SERVICE', summary: 'of this service alone' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns events --follow', does: 'the last twenty, and every one to come' },
    { line: 'pooldns events --kind member --pool web --limit 100 --json', does: 'an object a line' },
  ],
  async run(_words, { follow, limit = '20', json, server, token, ...filter }) {
    const most = /^\d{1,4}$/.test(limit) ? Number(limit) : -1
    if (most < 0 || most > mostEvents)
      throw new UsageError(`--limit: "${limit}" is not accepted; it takes a number from 0 to ${mostEvents}`)
    const client = theServer({ server, token }, process.env)
    const paint = paintFor(process.stdout)
    const show = (event: EventReply) => {
      if (json === true) printJson(event)
      else process.stdout.write(`${eventLine(event, paint)}\n`)
    }
    const given = Object.entries(filter).filter(([, value]) => value !== undefined) as [string, string][]
    const query = new URLSearchParams(given)
    // One more than is shown says where the stream begins.
    const last = await latest(client, query, Math.max(1, most))
    for (const event of most === 0 ? [] : last.toReversed()) show(event)
    if (follow === true) await followFrom(client, query, last[0]?.id ?? null, show)
  },
})

async function latest(client: ApiClient, filter: URLSearchParams, limit: number): Promise<EventReply[]> {
  const query = new URLSearchParams(filter)
  query.set('limit', String(limit))
  const found: EventReply[] = []
  // A page may hold fewer than are asked for.
  for (let cursor: string | null = ''; cursor !== null && found.length < limit; ) {
    if (cursor !== '') query.set('cursor', cursor)
    const response = await client.ask(`/v1/events?${query}`)
    const page = (await response.json()) as { items: EventReply[]; nextCursor: string | null }
    found.push(...page.items)
    cursor = page.nextCursor
  }
  return found.slice(0, limit)
}

const againMs = 2000

/** A stream that breaks is opened again where it broke. */
async function followFrom(
  client: ApiClient,
  filter: URLSearchParams,
  after: number | null,
  show: (event: EventReply) => void,
): Promise<void> {
  using interrupt = onInterrupt()
  const { signal } = interrupt
  let last = after
  // What can't become better ends it.
  let opened = false
  while (!signal.aborted) {
    const query = new URLSearchParams(filter)
    if (last !== null) query.set('after', String(last))
    try {
      const { body } = await client.ask(`/v1/events/stream?${query}`, { signal })
      opened = true
      const lines = createInterface({ input: Readable.fromWeb(body as ReadableStream) })
      for await (const line of lines) {
        if (!line.startsWith('data: ')) continue
        const event = JSON.parse(line.slice('data: '.length)) as EventReply
        last = event.id
        show(event)
      }
    } catch (error) {
      if (signal.aborted) return
      if (!opened) throw error
      process.stderr.write(`${printable((error as Error).message)}; asked again\n`)
    }
    await pause(againMs, undefined, { signal }).catch(() => undefined)
  }
}
