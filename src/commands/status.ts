import { setTimeout as pause } from 'node:timers/promises'
import type { OverviewReply } from '../controlplane/api/operations/overview.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { onInterrupt } from './frame/interrupt.ts'
import { jsonOption } from './frame/shared-options.ts'
import { paintFor, printJson } from './frame/terminal.ts'
import { serverOptions, theServer } from './server-choice.ts'
import { statusText } from './status-text.ts'

const everyMs = 2000
/** From the top, and nothing below. */
const clear = '\u001b[H\u001b[J'

/** `pooldns status`: nodes, services, pools, members and overrides at a glance. */
export const status = defineCommand({
  arguments: {},
  options: {
    watch: { type: 'boolean', short: 'w', summary: 'again every two seconds, until Ctrl-C' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns status', does: 'what is down, since when, why, and what is answered instead' },
    { line: 'pooldns status --watch', does: 'the same, as it changes' },
    { line: 'pooldns status --json', does: 'the reply of /v1/overview' },
  ],
  notes: 'It shows what the server that is asked serves, also while its database is away.',
  async run(_words, { watch, json, ...given }) {
    const server = theServer(given, process.env)
    const show = (overview: OverviewReply) => {
      if (json === true) return printJson(overview)
      const text = statusText(overview, server.origin, paintFor(process.stdout))
      process.stdout.write(watch === true && process.stdout.isTTY ? clear + text : text)
    }
    if (watch === true) await watchIt(server, show)
    else show(await ask(server))
  },
})

async function ask(server: ApiClient, signal?: AbortSignal): Promise<OverviewReply> {
  const response = await server.ask('/v1/overview', signal === undefined ? {} : { signal })
  return (await response.json()) as OverviewReply
}

/** A server that does not answer is said to, and asked again: it may be the very thing that is watched. */
async function watchIt(server: ApiClient, show: (overview: OverviewReply) => void): Promise<void> {
  using interrupt = onInterrupt()
  const { signal } = interrupt
  // What can't become better ends it.
  show(await ask(server, signal))
  while (!signal.aborted) {
    await pause(everyMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    try {
      show(await ask(server, AbortSignal.any([signal, AbortSignal.timeout(5 * everyMs)])))
    } catch (error) {
      if (!signal.aborted) process.stderr.write(`${printable((error as Error).message)}; asked again\n`)
    }
  }
}
