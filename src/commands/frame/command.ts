/**
 * What a command declares of itself, as data: arguments, options, examples. Parsing, `--help`, completion and the man page are all made
 * from it, so that none of them can lag behind. One command is one file in `commands/`, and one line in `commands/all.ts`.
 *
 * Options are named in camelCase, and written with hyphens: `dryRun` is `--dry-run`.
 */

export interface ArgumentSpec {
  readonly summary: string
  /** One when it is absent. */
  readonly need?: 'optional' | 'several' | 'any'
  readonly choices?: readonly string[]
  /** What a shell completes it with. */
  readonly completes?: 'file' | 'folder'
}

interface BooleanSpec {
  readonly type: 'boolean'
  readonly summary: string
  /** One letter. */
  readonly short?: string
}

interface StringSpec {
  readonly type: 'string'
  readonly summary: string
  /** What stands for the value in texts, such as `URL`. */
  readonly value: string
  readonly short?: string
  readonly multiple?: true
  readonly choices?: readonly string[]
  readonly completes?: 'file' | 'folder'
}

export type OptionSpec = BooleanSpec | StringSpec

export interface Example {
  /** As it is typed. */
  readonly line: string
  /** What it does, in a few words. */
  readonly does: string
}

type Arguments = Readonly<Record<string, ArgumentSpec>>
type Options = Readonly<Record<string, OptionSpec>>

type WordOf<A extends ArgumentSpec> = A extends { need: 'several' | 'any' }
  ? readonly string[]
  : A extends { need: 'optional' }
    ? string | undefined
    : string

type TextOf<O> = O extends { choices: readonly (infer Choice)[] } ? Choice : string
type ValueOf<O extends OptionSpec> = O extends { type: 'boolean' }
  ? boolean
  : O extends { multiple: true }
    ? readonly TextOf<O>[]
    : TextOf<O>

export type Words<A extends Arguments> = { readonly [K in keyof A]: WordOf<A[K]> }
/** What is not given is undefined. */
export type Values<O extends Options> = { readonly [K in keyof O]?: ValueOf<O[K]> | undefined }

interface CommandSpec<A extends Arguments, O extends Options> {
  /** In the order in which they stand on the command line. */
  readonly arguments: A
  readonly options: O
  /** At least one. */
  readonly examples: readonly [Example, ...Example[]]
  /** What is to be known besides, a sentence or three. */
  readonly notes?: string
  /**
   * Does it. What goes wrong is thrown: UsageError ends with 2, every other error with 1; `process.exitCode` is for outcomes that are no
   * error.
   */
  run(words: Words<A>, values: Values<O>): Promise<void>
}

/** A command, whatever its arguments and options are. */
export interface Command {
  readonly arguments: Arguments
  readonly options: Options
  readonly examples: readonly Example[]
  readonly notes?: string | undefined
  run(words: Readonly<Record<string, unknown>>, values: Readonly<Record<string, unknown>>): Promise<void>
}

/** Gives `run` the types of what is declared. */
export function defineCommand<const A extends Arguments, const O extends Options>(
  spec: CommandSpec<A, O>,
): Command {
  // The program gives it what its declaration says, and nothing else.
  return spec as unknown as Command
}

/** A command that has commands of its own, such as `token`. */
export interface CommandGroup {
  readonly commands: readonly ListedCommand[]
}

/** A command by its name, before it is loaded: the word, and what a list says of it. */
export interface ListedCommand {
  readonly name: string
  readonly summary: string
  /** Heading in the list of all; what has none stands under its group. */
  readonly heading?: string
  readonly load: () => Promise<Command | CommandGroup>
}

export function isGroup(command: Command | CommandGroup): command is CommandGroup {
  return 'commands' in command
}

/** The flag of an option: `dryRun` is `--dry-run`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** How an argument stands in usage lines. */
export function termOf(name: string, { need }: ArgumentSpec): string {
  const term = name.replace(/[A-Z]/g, '-$&').toUpperCase()
  if (need === 'optional') return `[${term}]`
  if (need === 'any') return `[${term}...]`
  return need === 'several' ? `${term}...` : term
}

/** What stands behind a command's name. */
export function usageOf({ arguments: words, options }: Command): string {
  const terms = Object.entries(words).map(([name, spec]) => termOf(name, spec))
  return [...terms, ...(Object.keys(options).length === 0 ? [] : ['[OPTION...]'])].join(' ')
}
