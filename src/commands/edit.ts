import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineCounter, parseDocument, stringify } from 'yaml'
import { UsageError } from '../config.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { printable, printableLines } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { askWhether } from './document/apply.ts'
import { planText } from './document/plan-text.ts'
import { documentTarget } from './document/target-of.ts'
import { defineCommand } from './frame/command.ts'
import { paintFor } from './frame/terminal.ts'
import { thingArguments, withoutStatus } from './get.ts'
import { kindNames, pathOf, saidPathOf } from './kinds.ts'
import { serverOptions, theServer } from './server-choice.ts'

/** `pooldns edit KIND NAME`: what is saved in the editor is written, unless somebody else wrote meanwhile. */
export const edit = defineCommand({
  arguments: thingArguments,
  options: { yes: { type: 'boolean', short: 'y', summary: 'write without a question' }, ...serverOptions },
  examples: [{ line: 'EDITOR=nano pooldns edit pool web-eu', does: 'changes its settings or members' }],
  notes:
    'The editor is VISUAL, EDITOR, or vi. What it would change is shown, and asked about at a terminal. What the server refuses, or you ' +
    'do not want after all, stays in a file that is named, and nothing is changed.',
  async run({ kind, name }, { yes = false, ...given }) {
    const of = kindNames.find((known) => known === kind)!
    const server = theServer(given, process.env)
    const response = await server.ask(saidPathOf(of, name))
    const etag = response.headers.get('etag')
    if (etag === null) throw new Error('the database is away, and nothing can be changed')
    const found = (await response.json()) as Record<string, unknown>
    // A zone with many is shown without them, and written that way it would lose them.
    if (kind === 'zone' && !('rrsets' in found))
      throw new Error(`zone ${name} is too large to be edited at once: use export-zone and import-zone`)
    const before = stringify(withoutStatus(found))
    const folder = await mkdtemp(join(tmpdir(), 'pooldns-edit-'))
    const file = join(folder, `${kind}.yaml`)
    try {
      await writeFile(file, before)
      runEditor(file)
      const after = await readFile(file, 'utf8')
      if (after === before) process.stdout.write('nothing was changed\n')
      else {
        const body = parseYaml(after, file)
        await showPlan({ kind, name, before: found, after: body }, given)
        if (!yes && process.stdin.isTTY === true) await confirm(`write ${kind} ${name}?`)
        await write(server, pathOf(of, name), body, etag)
        process.stdout.write(`${printable(`${kind} ${name} is changed`)}\n`)
      }
    } catch (error) {
      if (!(error instanceof ControlError)) await rm(folder, { recursive: true, force: true })
      throw keptIn(error, file)
    }
    await rm(folder, { recursive: true, force: true })
  },
})

/** What was written stays when the answer is no. */
async function confirm(question: string): Promise<void> {
  await askWhether(question).catch((error: Error) => {
    throw new ControlError('conflict', error.message)
  })
}

interface Edited {
  readonly kind: string
  readonly name: string
  readonly before: Readonly<Record<string, unknown>>
  readonly after: unknown
}

/** What lies in things of a kind, and goes when it is left out. */
const inside: Readonly<Record<string, string>> = { pool: 'members', zone: 'rrsets' }
/** Those that a document has. */
const planned: ReadonlySet<string> = new Set(['feed', 'monitor', 'pool', 'service', 'zone'])

/** What the server refuses it says when it is written. */
async function showPlan(edited: Edited, given: Parameters<typeof documentTarget>[0]): Promise<void> {
  const { kind, name, after } = edited
  if (!planned.has(kind)) return
  const document = { [`${kind}s`]: { [name]: after } }
  try {
    const plan = await documentTarget(given).plan({ document, prune: false, revision: null })
    const gone = left(edited)
    const lines = plan.changed || gone.length === 0 ? planText(plan, paintFor(process.stderr), 'would') : []
    process.stderr.write(printableLines(`${[...lines, ...gone].join('\n')}\n`))
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
  }
}

/** Lines for what would go: a document by itself leaves such things alone, and so its plan says nothing of them. */
function left({ kind, name, before, after }: Edited): string[] {
  const what = inside[kind]
  if (what === undefined || typeof after !== 'object' || after === null) return []
  const kept = new Set(namesOf(Reflect.get(after, what)))
  return namesOf(before[what])
    .filter((each) => !kept.has(each))
    .map((each) => `- ${kind} ${name}: ${what}: ${each} would go`)
}

/** Of members, which have names, or of RRsets, which are a list. */
function namesOf(things: unknown): string[] {
  if (!Array.isArray(things)) return typeof things === 'object' && things !== null ? Object.keys(things) : []
  return things.map((each: unknown) => {
    const { name, type } = (each ?? {}) as { readonly name?: unknown; readonly type?: unknown }
    return `${String(name)} ${String(type)}`
  })
}

function runEditor(file: string): void {
  const named = process.env.VISUAL || process.env.EDITOR || null
  // Without a terminal vi waits for somebody who never comes.
  if (named === null && process.stdin.isTTY !== true)
    throw new UsageError('there is no terminal to edit at: EDITOR names a program that needs none')
  const editor = named ?? 'vi'
  // An editor may be given with words of its own, as git takes it.
  const words = ['-c', `${editor} "$1"`, 'sh', file]
  const { status, error, signal } = spawnSync('sh', words, { stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${editor} ended with ${signal ?? status}: nothing is changed`)
}

/** @throws ControlError that names line and column */
function parseYaml(text: string, file: string): unknown {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const [first] = document.errors
  if (first === undefined) return document.toJS()
  const { line, col } = lineCounter.linePos(first.pos[0])
  throw new ControlError('invalid', `${file}:${line}:${col}: ${first.message}`)
}

async function write(server: ApiClient, path: string, body: unknown, etag: string): Promise<void> {
  const headers = { 'content-type': 'application/json', 'if-match': etag }
  await server.ask(path, { method: 'PUT', headers, body: JSON.stringify(body) })
}

/** Nobody's work is thrown away. */
function keptIn(error: unknown, file: string): unknown {
  if (!(error instanceof ControlError)) return error
  const problems = error.problems.map(({ path, message }) => `  ${path}: ${message}`)
  const why = error.code === 'stale' ? 'somebody else has changed it meanwhile' : error.message
  return new Error(printableLines([why, ...problems, `what you wrote is in ${file}`].join('\n')), {
    cause: error,
  })
}
