/**
 * From words to a command that runs. commander parses and writes the help; commands are data (`command.ts`) and know nothing of it. Of all
 * commands only the one that is called is loaded.
 */

import { styleText } from 'node:util'
import {
  Argument,
  Command as CommanderCommand,
  CommanderError,
  type HelpConfiguration,
  Option,
} from 'commander'
import { UsageError } from '../../config.ts'
import { nearestWord } from '../../controlplane/model/nearest-word.ts'
import { version } from '../../version.ts'
import {
  type Command,
  type CommandGroup,
  flagOf,
  isGroup,
  type ListedCommand,
  type OptionSpec,
  termOf,
  usageOf,
} from './command.ts'

const title = 'An authoritative DNS server that load-balances.'

/** Below the list of all commands. */
const afterAll = `
"pooldns COMMAND --help" has arguments, options and examples of each. Exit codes: 0, 1 failed, 2 usage.`

/** commander takes colours away again where the stream has none. */
const style = (name: Parameters<typeof styleText>[0]) => (text: string) =>
  styleText(name, text, { validateStream: false })

const helpStyle: HelpConfiguration = {
  optionTerm: ({ flags }) => flags.replaceAll(/[<>]/g, ''),
  styleTitle: style('bold'),
  styleCommandText: style('bold'),
  styleSubcommandTerm: style('cyan'),
  styleOptionTerm: style('cyan'),
  styleArgumentTerm: style('cyan'),
}

/**
 * Runs what the words say.
 *
 * @throws UsageError for words that are none, and what the command throws
 */
export async function runWords(argv: readonly string[], all: readonly ListedCommand[]): Promise<void> {
  // `help token create` asks what `token create --help` does.
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv]
  const [word] = words
  if (word === undefined) throw new UsageError('a command is missing')
  const called = all.find(({ name }) => name === word)
  if (called === undefined && !word.startsWith('-')) throw new UsageError(unknownCommand(word, all))
  const program = quiet(new CommanderCommand('pooldns'))
    .description(title)
    .usage('COMMAND [OPTION...]')
    .version(version, '-V, --version', 'show the version')
    .addHelpText('after', afterAll)
  for (const listed of called === undefined ? all : [called]) {
    const sub = program.command(listed.name).summary(listed.summary)
    if (listed.heading !== undefined) sub.helpGroup(`${listed.heading}:`)
    if (called !== undefined) await declare(sub, listed)
  }
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    // Help and version end the parsing this way, too.
    if (error instanceof CommanderError && error.exitCode === 0) return
    throw readable(error, calledBy(words, program))
  }
}

function unknownCommand(word: string, all: readonly ListedCommand[]): string {
  const nearest = nearestWord(
    word,
    all.map(({ name }) => name),
  )
  return `"${word}" is no command${nearest === null ? '' : `; did you mean "${nearest}"?`}`
}

/** What is wrong is thrown, and told in one place. */
function quiet(command: CommanderCommand): CommanderCommand {
  return command
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .configureHelp(helpStyle)
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
}

async function declare(into: CommanderCommand, listed: ListedCommand): Promise<void> {
  into.description(`${listed.summary[0]!.toUpperCase()}${listed.summary.slice(1)}.`)
  const command = await listed.load()
  if (isGroup(command)) await declareGroup(into, command)
  else declareCommand(into, command)
}

async function declareGroup(into: CommanderCommand, { commands }: CommandGroup): Promise<void> {
  into.usage(`${commands.map(({ name }) => name).join('|')} [OPTION...]`)
  for (const listed of commands) await declare(into.command(listed.name).summary(listed.summary), listed)
}

function declareCommand(into: CommanderCommand, command: Command): void {
  into.usage(usageOf(command))
  into.configureHelp({
    ...helpStyle,
    argumentTerm: (argument) => termOf(argument.name(), command.arguments[argument.name()]!),
  })
  for (const [name, { summary, need, choices }] of Object.entries(command.arguments)) {
    const dots = need === 'several' || need === 'any' ? '...' : ''
    const optional = need === 'optional' || need === 'any'
    const argument = new Argument(optional ? `[${name}${dots}]` : `<${name}${dots}>`, summary)
    // The choices are for the help; what is said of another word is ours.
    if (choices !== undefined) {
      argument.choices(choices).argParser((text) => oneOf(choices, text, name.toUpperCase()))
    }
    into.addArgument(argument)
  }
  for (const [name, spec] of Object.entries(command.options)) into.addOption(optionOf(name, spec))
  into.addHelpText('after', () => afterHelp(command))
  into.action(async () => {
    const words = Object.keys(command.arguments).map((name, index) => [name, into.processedArgs[index]])
    await command.run(Object.fromEntries(words), into.opts())
  })
}

function optionOf(name: string, spec: OptionSpec): Option {
  const flag = spec.short === undefined ? flagOf(name) : `-${spec.short}, ${flagOf(name)}`
  if (spec.type === 'boolean') return new Option(flag, spec.summary)
  const option = new Option(`${flag} <${spec.value}>`, spec.summary)
  const { choices, multiple } = spec
  if (choices !== undefined) option.choices(choices)
  option.argParser<unknown>((text, before) => {
    if (choices !== undefined) oneOf(choices, text, flagOf(name))
    return multiple === true ? [...((before as readonly string[] | undefined) ?? []), text] : text
  })
  return option
}

/** @throws UsageError for a word that is none of them */
function oneOf(choices: readonly string[], text: string, what: string): string {
  if (choices.includes(text)) return text
  const nearest = nearestWord(text, choices)
  const hint = nearest === null ? '' : `; did you mean "${nearest}"?`
  throw new UsageError(`${what}: "${text}" is not one of ${choices.join(', ')}${hint}`)
}

function afterHelp({ examples, notes }: Command): string {
  const lines = examples.map(({ line, does }) => `  ${line}\n      ${does}`)
  return `\n${style('bold')('Examples:')}\n${lines.join('\n')}${notes === undefined ? '' : `\n\n${notes}`}`
}

/** The command that words are for, as far as they name one. */
function calledBy([word, ...rest]: readonly string[], command: CommanderCommand): CommanderCommand {
  const next = command.commands.find((each) => each.name() === word)
  return next === undefined ? command : calledBy(rest, next)
}

function pathOf(command: CommanderCommand): string {
  return command.parent?.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

/** commander's errors as ours, each with the command that it is of. */
function readable(error: unknown, called: CommanderCommand): unknown {
  const path = called.parent === null ? '' : pathOf(called)
  if (error instanceof UsageError) return new UsageError(error.message, path)
  if (!(error instanceof CommanderError)) return error
  // The help of a command that has commands of its own, and was given none.
  if (error.code === 'commander.help') {
    const names = called.commands.map((command) => command.name())
    return new UsageError(`${path} takes one of ${names.join(', ')}`, path)
  }
  return new UsageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '), path)
}
