/** The manual page, in the macros of man(7), made from what the commands declare. */
import { version } from '../../version.ts'
import { flagOf, type OptionSpec, termOf, usageOf } from './command.ts'
import type { LoadedCommand } from './loaded.ts'

export interface Variable {
  readonly name: string
  readonly does: string
}

/** @param variables of the commands; those of the server are its flags */
export function manPage(commands: readonly LoadedCommand[], variables: readonly Variable[]): string {
  const lines = [
    `.TH POOLDNS 1 "" "pooldns ${version}" "User Commands"`,
    '.SH NAME',
    'pooldns \\- authoritative DNS server that load\\-balances',
    '.SH SYNOPSIS',
    '.B pooldns',
    '.I COMMAND',
    '.RI [ OPTION ...]',
    '.SH DESCRIPTION',
    plain(
      'pooldns answers for its zones like any authoritative server, and for names that are services with the members of a pool that are ' +
        'healthy now. "pooldns serve" is the server; the other commands speak to one, or to its database.',
    ),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH ENVIRONMENT',
    ...variables.flatMap(({ name, does }) => ['.TP', `.B ${plain(name)}`, plain(does)]),
    '.SH EXIT STATUS',
    ...['0 done', '1 failed', '2 words or variables that can not be used'].flatMap((text) => [
      '.TP',
      `.B ${text[0]}`,
      plain(text.slice(2)),
    ]),
    '.SH EXAMPLES',
    ...commands.flatMap(({ command }) => command.examples.flatMap(exampleLines)),
  ]
  return `${lines.join('\n')}\n`
}

function commandLines({ path, summary, command }: LoadedCommand): string[] {
  const words = Object.entries(command.arguments)
  const options = Object.entries(command.options)
  return [
    `.SS ${plain(`pooldns ${path} ${usageOf(command)}`.trimEnd())}`,
    sentence(summary),
    ...words.flatMap(([name, spec]) => ['.TP', `.I ${plain(termOf(name, spec))}`, sentence(spec.summary)]),
    ...options.flatMap(([name, spec]) => ['.TP', `.B ${plain(terms(name, spec))}`, sentence(spec.summary)]),
    ...(command.notes === undefined ? [] : ['.PP', plain(command.notes)]),
  ]
}

function terms(name: string, spec: OptionSpec): string {
  const flag = spec.short === undefined ? flagOf(name) : `-${spec.short}, ${flagOf(name)}`
  return spec.type === 'boolean' ? flag : `${flag} ${spec.value}`
}

function exampleLines({ line, does }: { readonly line: string; readonly does: string }): string[] {
  return ['.TP', `.B ${plain(line)}`, sentence(does)]
}

function sentence(text: string): string {
  return plain(`${text[0]!.toUpperCase()}${text.slice(1)}.`)
}

/** Text as it is: no character of it is one of roff's. */
function plain(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
  return /^[.]/.test(escaped) ? `\\&${escaped}` : escaped
}
