/** `pooldns drain`, `up`, `down` and `undrain`: an operator's word beside what the probes measure. */
import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '../config.ts'
import { formatDuration, parseDuration } from '../controlplane/document/duration.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { type Command, defineCommand } from './frame/command.ts'
import { onInterrupt } from './frame/interrupt.ts'
import { jsonOption } from './frame/shared-options.ts'
import { printJson } from './frame/terminal.ts'
import { spanText } from './frame/times.ts'
import { serverOptions, theServer } from './server-choice.ts'
import { parseTarget, type Target, targetArgument } from './targets.ts'

/** As the API shows it. */
interface OverrideReply {
  readonly state: string
  readonly until: string | null
  readonly reason: string
  readonly status: {
    readonly matches?: number
    readonly answered?: boolean
    readonly answeredBy?: readonly string[]
    readonly safeAt?: string | null
    readonly pending?: boolean
  }
}

const serviceOption = {
  service: { type: 'boolean', summary: "the target is a service, where it stands in a pool's place" },
} as const

const wordOptions = {
  for: {
    type: 'string',
    value: 'DURATION',
    summary: 'when it ends by itself, such as 90s or 1h; else when it is taken back',
  },
  reason: { type: 'string', value: 'TEXT', summary: 'why, for those who find it' },
  ...serviceOption,
  ...jsonOption,
  ...serverOptions,
} as const

interface Given {
  readonly for?: string | undefined
  readonly reason?: string | undefined
  readonly service?: boolean | undefined
  readonly json?: boolean | undefined
  readonly server?: string | undefined
  readonly token?: string | undefined
}

export const drain = defineCommand({
  arguments: targetArgument,
  options: {
    wait: { type: 'boolean', summary: 'until no cache has it any more, which the answer knows as safeAt' },
    ...wordOptions,
  },
  examples: [
    {
      line: 'pooldns drain web/fra-1 --for 1h --reason "new disk" --wait',
      does: 'ends when the machine may be switched off',
    },
    {
      line: 'pooldns drain "web-*/fra-*"',
      does: 'every member that the pattern stands for, also those to come',
    },
  ],
  async run({ target }, { wait, ...given }) {
    await say('drain', target, given, wait === true)
  },
})

export const up = wordCommand('up', [
  { line: 'pooldns up web/fra-1 --for 30m', does: 'answer with it whatever its probes say' },
])
export const down = wordCommand('down', [
  { line: 'pooldns down web/fra-1 --reason "wrong data"', does: 'take it for down whatever its probes say' },
])

function wordCommand(
  state: 'up' | 'down',
  examples: Parameters<typeof defineCommand>[0]['examples'],
): Command {
  return defineCommand({
    arguments: targetArgument,
    options: wordOptions,
    examples,
    run: ({ target }, given) => say(state, target, given, false),
  })
}

export const undrain = defineCommand({
  arguments: targetArgument,
  options: { ...serviceOption, ...serverOptions },
  examples: [{ line: 'pooldns undrain web/fra-1', does: 'what the probes say counts again' }],
  notes: 'It takes back what "pooldns up" and "pooldns down" said, too.',
  async run({ target }, { service, ...given }) {
    const { path, what } = targetOf(target, service)
    await theServer(given, process.env).ask(path, { method: 'DELETE' })
    process.stdout.write(`${printable(`${what}: the override is taken back`)}\n`)
  },
})

function targetOf(text: string, service: boolean | undefined): Target {
  if (service !== true) return parseTarget(text)
  return { path: `/v1/services/${encodeURIComponent(text)}/override`, what: `service ${text}` }
}

async function say(state: string, text: string, given: Given, wait: boolean): Promise<void> {
  const { path, what } = targetOf(text, given.service)
  if (wait && given.service === true) throw new UsageError('--wait is for members, and not for services')
  const untilMs = given.for === undefined ? null : durationOf(given.for)
  const server = theServer(given, process.env)
  const until = untilMs === null ? null : new Date(Date.now() + untilMs).toISOString()
  const response = await server.ask(`${path}${wait ? '?wait=fleet' : ''}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ state, until, reason: given.reason ?? '' }),
  })
  const behind = response.headers.get('pooldns-fleet')
  const reply = (await response.json()) as OverrideReply
  if (given.json !== true) process.stdout.write(`${printable(sentence(reply, what))}\n`)
  if (behind?.startsWith('pending') === true)
    process.stderr.write(`${printable(`not every server answers by it yet: ${behind}`)}\n`)
  if (reply.status.matches === 0) tellNobody(what, wait)
  const last = wait ? await waitUntilSafe(server, path, what, reply) : reply
  if (given.json === true) printJson(last)
}

/** A pattern is for members to come, too; at 3 am it is a slip as a rule. */
function tellNobody(what: string, wait: boolean): void {
  const said = `${what}: there is none now; it counts for those to come, until "pooldns undrain" takes it back`
  // What was to be off the air is not what was named.
  if (wait) throw new Error(said)
  process.stderr.write(`${printable(said)}\n`)
}

function durationOf(text: string): number {
  const ms = parseDuration(text)
  if (ms !== null && ms > 0) return ms
  throw new UsageError(
    `--for: ${JSON.stringify(text)} is not accepted; it takes a duration such as ${formatDuration(3_600_000)}`,
  )
}

function sentence({ state, until, status }: OverrideReply, what: string): string {
  const ends = until === null ? 'until it is taken back' : `until ${until}`
  const members = status.matches === undefined || status.matches === 1 ? '' : ` (${status.matches} members)`
  const pending = status.pending === true ? '; the database is away, and learns of it when it is back' : ''
  const verb = state === 'drain' ? 'drained' : `said to be ${state}`
  return `${what}: ${verb} ${ends}${members}${pending}`
}

/** Between two looks. */
const lookEveryMs = 1000

/** Follows a drain until no cache can have its members. Whoever interrupts it leaves the drain as it is. */
async function waitUntilSafe(
  server: ApiClient,
  path: string,
  what: string,
  reply: OverrideReply,
): Promise<OverrideReply> {
  using progress = new ProgressLine()
  using interrupt = onInterrupt()
  const { signal } = interrupt
  let last = reply
  let nowMs = Date.now()
  for (;;) {
    const { answered, answeredBy, safeAt } = last.status
    const leftMs = safeAt === null || safeAt === undefined ? 0 : Date.parse(safeAt) - nowMs
    if (answered !== true && leftMs <= 0) break
    progress.show(
      answeredBy !== undefined
        ? `${what}: node ${answeredBy.join(', ')} has not heard of it`
        : answered === true
          ? `${what}: still answered, for want of others or by another override`
          : `${what}: caches may have it for ${spanText(leftMs)} more`,
    )
    await pause(lookEveryMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) throw new Error('not waited for any longer; the drain stays')
    const response = await server.ask(path, { signal })
    // By the server's clock, which safeAt is by.
    nowMs = Date.parse(response.headers.get('date') ?? '') || Date.now()
    last = (await response.json()) as OverrideReply
    if (last.state !== 'drain') throw new Error(`the drain was replaced: ${last.state}`)
  }
  progress.end(`${what}: no cache has it any more`)
  return last
}

/** One line on standard error that is written over; where that is no terminal, the first and the last alone. */
class ProgressLine implements Disposable {
  readonly #isTerminal = process.stderr.isTTY === true
  #shown = false

  show(text: string): void {
    if (this.#isTerminal) process.stderr.write(`\r\u001b[K${printable(text)}`)
    else if (!this.#shown) process.stderr.write(`${printable(text)}\n`)
    this.#shown = true
  }

  end(text: string): void {
    this.show('')
    process.stderr.write(`${this.#isTerminal ? '\r\u001b[K' : ''}${printable(text)}\n`)
    this.#shown = false
  }

  [Symbol.dispose](): void {
    if (this.#isTerminal && this.#shown) process.stderr.write('\n')
  }
}
