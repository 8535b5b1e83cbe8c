/** All commands, by what each declares of itself: the same of which `--help` and the manual page are made. */
import { allCommands } from '../../src/commands/all.ts'
import { flagOf, type OptionSpec, termOf, usageOf } from '../../src/commands/frame/command.ts'
import { type LoadedCommand, loadAll } from '../../src/commands/frame/loaded.ts'
import { cell, markdownTable, type Part } from './part.ts'

const page = 'docs/command-line.md'

/** A line for each. */
export const commandsPart: Part = {
  page,
  name: 'Commands',
  make() {
    const rows = allCommands.map(({ name, summary }) => [`[\`${name}\`](#${name})`, summary])
    return markdownTable([['command', ''], ...rows])
  },
}

/** What `--help` says of each. */
export const commandPagesPart: Part = {
  page,
  name: 'Each command',
  async make() {
    const sections: string[] = []
    for (const listed of allCommands) {
      const loaded = await loadAll([listed])
      sections.push(`### ${listed.name}\n`, ...loaded.map((command) => sectionOf(command, loaded.length > 1)))
    }
    return sections.join('\n')
  },
}

function sectionOf({ path, summary, command }: LoadedCommand, inGroup: boolean): string {
  const usage = `pooldns ${path} ${usageOf(command)}`.trimEnd()
  const rows = [
    ...Object.entries(command.arguments).map(([name, spec]) => [`\`${termOf(name, spec)}\``, spec.summary]),
    ...Object.entries(command.options).map(([name, spec]) => [`\`${terms(name, spec)}\``, spec.summary]),
  ]
  return [
    ...(inGroup ? [`#### ${path}\n`] : []),
    `\`${usage}\`: ${summary}.\n`,
    ...(rows.length === 0 ? [] : [markdownTable([['', ''], ...rows.map((row) => [row[0]!, cell(row[1]!)])])]),
    ...(command.notes === undefined ? [] : [`${command.notes}\n`]),
    `\`\`\`console\n${command.examples.map(({ line, does }) => `${line}    # ${does}\n`).join('')}\`\`\`\n`,
  ].join('\n')
}

function terms(name: string, spec: OptionSpec): string {
  const flag = spec.short === undefined ? flagOf(name) : `-${spec.short}, ${flagOf(name)}`
  return spec.type === 'boolean' ? flag : `${flag} ${spec.value}`
}
