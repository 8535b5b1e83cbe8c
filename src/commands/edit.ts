import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineCounter, parseDocument, stringify } from 'yaml'
import { ControlError } from '../controlplane/model/errors.ts'
import { printable, printableLines } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { thingArguments, withoutStatus } from './get.ts'
import { kindNames, pathOf } from './kinds.ts'
import { serverOptions, theServer } from './server-choice.ts'

/** `pooldns edit KIND NAME`: what is saved in the editor is written, unless somebody else wrote meanwhile. */
export const edit = defineCommand({
  arguments: thingArguments,
  options: serverOptions,
  examples: [{ line: 'EDITOR=nano pooldns edit pool web-eu', does: 'changes its settings or members' }],
  notes:
    'The editor is VISUAL, EDITOR, or vi. What the server refuses stays in a file that is named, and nothing is changed.',
  async run({ kind, name }, given) {
    const path = pathOf(kindNames.find((known) => known === kind)!, name)
    const server = theServer(given, process.env)
    const response = await server.ask(path)
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
        await write(server, path, parseYaml(after, file), etag)
        process.stdout.write(`${printable(`${kind} ${name} is changed`)}\n`)
      }
    } catch (error) {
      if (!(error instanceof ControlError)) await rm(folder, { recursive: true, force: true })
      throw keptIn(error, file)
    }
    await rm(folder, { recursive: true, force: true })
  },
})

function runEditor(file: string): void {
  const editor = process.env.VISUAL || process.env.EDITOR || 'vi'
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
