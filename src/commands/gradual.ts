/** `pooldns gradual`: changes that are made in steps, seen and acted on. They are started by `pooldns apply --gradual`. */
import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '../config.ts'
import type { GradualReply } from '../controlplane/api/operations/gradual-view.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { type Command, type CommandGroup, defineCommand } from './frame/command.ts'
import { onInterrupt } from './frame/interrupt.ts'
import { jsonOption } from './frame/shared-options.ts'
import { paintFor, printJson, table } from './frame/terminal.ts'
import { gradualLine, gradualLines, gradualRow } from './gradual-text.ts'
import { serverOptions, theServer } from './server-choice.ts'

const url = '/v1/gradual-changes'

const idArgument = {
  change: { summary: 'its number; the only one that runs or is paused, when left out', need: 'optional' },
} as const

const list = defineCommand({
  arguments: {},
  options: { ...jsonOption, ...serverOptions },
  examples: [{ line: 'pooldns gradual list', does: 'those of late, the newest first' }],
  async run(_words, { json = false, ...given }) {
    const { items, at } = await listed(theServer(given, process.env))
    if (json) return printJson(items)
    const rows = items.map((change) => gradualRow(change, at))
    const lines =
      rows.length === 0 ? ['nothing was changed gradually yet'] : table(rows, 0, paintFor(process.stdout))
    process.stdout.write(`${lines.join('\n')}\n`)
  },
})

const show = defineCommand({
  arguments: idArgument,
  options: { ...jsonOption, ...serverOptions },
  examples: [{ line: 'pooldns gradual show', does: 'how far it is, and who gets which share' }],
  async run({ change }, { json = false, ...given }) {
    const server = theServer(given, process.env)
    const { found, at } = await asked(server, await idOf(server, change))
    if (json) printJson(found)
    else process.stdout.write(`${gradualLines(found, at).join('\n')}\n`)
  },
})

const everyMs = 1_000

const watch = defineCommand({
  arguments: idArgument,
  options: { ...jsonOption, ...serverOptions },
  examples: [{ line: 'pooldns gradual watch', does: 'a line for each step, until it has ended' }],
  notes: 'Exits with 0 when it is done, and with 1 when it has gone back or was halted.',
  async run({ change }, { json = false, ...given }) {
    const server = theServer(given, process.env)
    const id = await idOf(server, change)
    using interrupt = onInterrupt()
    const { signal } = interrupt
    for (let told = ''; ; ) {
      const { found, at } = await asked(server, id)
      const where = `${found.phase} ${found.step}`
      if (where !== told) {
        if (json) printJson(found)
        else process.stdout.write(`${gradualLine(found, at)}\n`)
      }
      told = where
      if (found.endedAt !== null) {
        if (found.phase !== 'done') process.exitCode = 1
        return
      }
      await pause(everyMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
    }
  },
})

function action(name: string, does: string): Command {
  return defineCommand({
    arguments: idArgument,
    options: {
      message: { type: 'string', value: 'TEXT', short: 'm', summary: 'why, for the history' },
      ...jsonOption,
      ...serverOptions,
    },
    examples: [{ line: `pooldns gradual ${name} 7 -m "as agreed"`, does }],
    async run({ change }, { message, json = false, ...given }) {
      const server = theServer(given, process.env)
      const id = await idOf(server, change)
      const query = message === undefined ? '' : `?${new URLSearchParams({ message })}`
      const { found, at } = await asked(server, `${id}/${name}${query}`, { method: 'POST' })
      if (json) printJson(found)
      else process.stdout.write(`${printable(`gradual change ${id}: `)}${gradualLine(found, at)}\n`)
    },
  })
}

export const gradual: CommandGroup = {
  commands: [
    { name: 'list', summary: 'gradual changes, newest first', load: async () => list },
    { name: 'show', summary: 'one of them, with the shares that it moves', load: async () => show },
    { name: 'watch', summary: 'follow one to its end', load: async () => watch },
    ...[
      ['pause', 'hold one where it is'],
      ['resume', 'let one go on that was paused'],
      ['finish', 'take all steps that are left at once'],
      ['go-back', 'give back the weights of before at once'],
    ].map(([name, summary]) => ({
      name: name!,
      summary: summary!,
      load: async () => action(name!, summary!),
    })),
  ],
}

async function listed(server: ApiClient) {
  const response = await server.ask(url)
  const { items } = (await response.json()) as { readonly items: readonly GradualReply[] }
  return { items, at: timeOf(response) }
}

async function asked(server: ApiClient, path: string, init: { readonly method?: string } = {}) {
  const response = await server.ask(`${url}/${path}`, init)
  return { found: (await response.json()) as GradualReply, at: timeOf(response) }
}

/** As the server tells it. */
function timeOf({ headers }: { readonly headers: { get(name: string): string | null } }): string {
  return new Date(headers.get('date') ?? Date.now()).toISOString()
}

/** @throws UsageError when none is named, and not exactly one is under way */
async function idOf(server: ApiClient, given: string | undefined): Promise<string> {
  if (given !== undefined) {
    if (!/^[1-9]\d{0,14}$/.test(given)) {
      throw new UsageError(`${JSON.stringify(given)} is not the number of a gradual change`)
    }
    return given
  }
  const { items } = await listed(server)
  const active = items.filter(({ endedAt }) => endedAt === null)
  const [only] = active
  if (only === undefined) throw new UsageError('no gradual change is under way: say which one')
  if (active.length > 1) {
    throw new UsageError(
      `${active.length} gradual changes are under way: say which one of ${active.map(({ id }) => id).join(', ')}`,
    )
  }
  return String(only.id)
}
