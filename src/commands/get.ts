import { stringify } from 'yaml'
import { printableLines } from '../terminal-text.ts'
import { defineCommand } from './frame/command.ts'
import { jsonOption } from './frame/shared-options.ts'
import { printJson } from './frame/terminal.ts'
import { kindNames, saidPathOf } from './kinds.ts'
import { serverOptions, theServer } from './server-choice.ts'

export const thingArguments = {
  kind: { summary: 'what it is', choices: kindNames },
  name: { summary: 'its name; of a member POOL/MEMBER' },
} as const

/** `pooldns get KIND NAME`: one thing as the document writes it, with what the server knows of it under `status`. */
export const get = defineCommand({
  arguments: thingArguments,
  options: {
    bare: { type: 'boolean', summary: 'what was said of it alone, as a document takes it' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    { line: 'pooldns get pool web-eu', does: 'its settings, members and their state' },
    { line: 'pooldns get member web-eu/fra-1 --json', does: 'as the API has it' },
  ],
  async run({ kind, name }, { bare, json, ...given }) {
    const of = kindNames.find((known) => known === kind)!
    const response = await theServer(given, process.env).ask(saidPathOf(of, name))
    const found = (await response.json()) as Record<string, unknown>
    const shown = bare === true ? withoutStatus(found) : found
    if (json === true) printJson(shown)
    else process.stdout.write(printableLines(stringify(shown)))
  },
})

/** Without what a write ignores: of the thing, and of a pool's members. */
export function withoutStatus(found: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { status: _, ...said } = found
  const { members } = said
  if (typeof members !== 'object' || members === null) return said
  const bare = Object.entries(members as Record<string, Record<string, unknown>>).map(([name, member]) => [
    name,
    withoutStatus(member),
  ])
  return { ...said, members: Object.fromEntries(bare) }
}
