/**
 * Scripts by which shells complete commands, their options and what options take. Everything that they know stands in them: pressing TAB
 * starts no program and asks no server.
 */
import { type Command, flagOf, type ListedCommand, type OptionSpec } from './command.ts'
import type { LoadedCommand } from './loaded.ts'

export const completionShells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof completionShells)[number]

const help = ['--help', '-h']

export function completionScript(
  shell: Shell,
  commands: readonly LoadedCommand[],
  listed: readonly ListedCommand[],
): string {
  switch (shell) {
    case 'bash':
      return bash(commands)
    case 'zsh':
      return zsh(commands, listed)
    case 'fish':
      return fish(commands, listed)
  }
}

const flagsOf = (name: string, { short }: OptionSpec) => [
  flagOf(name),
  ...(short === undefined ? [] : [`-${short}`]),
]

/** The words that may follow those of a path: `token` is followed by create, list, revoke. */
function children(commands: readonly LoadedCommand[]): Map<string, Set<string>> {
  const next = new Map<string, Set<string>>([['', new Set()]])
  for (const { path } of commands) {
    const words = path.split(' ')
    for (const [index, word] of words.entries()) {
      const before = words.slice(0, index).join(' ')
      next.set(before, (next.get(before) ?? new Set()).add(word))
    }
  }
  return next
}

/** The first argument, of which there may be more. */
const firstArgument = (command: Command) => Object.values(command.arguments)[0]

function bash(commands: readonly LoadedCommand[]): string {
  const groups = [...children(commands)].map(
    ([path, words]) =>
      `    '${path}') words='${[...words, ...(path === '' ? ['help', '--version'] : []), ...help].join(' ')}' ;;`,
  )
  const own = commands.map(({ path, command }) => {
    const flags = Object.entries(command.options).flatMap(([name, spec]) => flagsOf(name, spec))
    const words = firstArgument(command)
    const kind = words?.completes === undefined ? '' : ` kind=${words.completes}`
    return `    '${path}') words='${[...(words?.choices ?? []), ...flags, ...help].join(' ')}'${kind} ;;`
  })
  const values = commands.flatMap(({ path, command }) =>
    Object.entries(command.options).flatMap(([name, spec]) => {
      if (spec.type === 'boolean') return []
      const patterns = flagsOf(name, spec).map((flag) => `'${path} ${flag}'`)
      const kind = spec.completes === undefined ? 'none' : spec.completes
      return [`    ${patterns.join('|')}) words='${(spec.choices ?? []).join(' ')}' kind=${kind} ;;`]
    }),
  )
  return `# bash completion of pooldns: source <(pooldns completion bash)
_pooldns() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path='' words='' kind='' index
  for (( index = 1; index < COMP_CWORD; index++ )); do
    case "\${path:+$path }\${COMP_WORDS[index]}" in
      ${pathPattern(commands)}) path="\${path:+$path }\${COMP_WORDS[index]}" ;;
      *) break ;;
    esac
  done
  case "$path" in
${[...groups, ...own].join('\n')}
  esac
  case "$path $before" in
${values.join('\n')}
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
  case "$kind" in
    file) compopt -o default; [[ "$current" == -* ]] || COMPREPLY+=( $(compgen -f -- "$current") ) ;;
    folder) compopt -o dirnames; [[ "$current" == -* ]] || COMPREPLY+=( $(compgen -d -- "$current") ) ;;
  esac
}
complete -F _pooldns pooldns
`
}

function pathPattern(commands: readonly LoadedCommand[]): string {
  const paths = new Set(
    commands.flatMap(({ path }) => {
      const words = path.split(' ')
      return words.map((_, index) => words.slice(0, index + 1).join(' '))
    }),
  )
  return [...paths].map((path) => `'${path}'`).join('|')
}

/** In zsh's single quotes, and in the brackets of \`_arguments\`. */
const zshText = (text: string) => text.replaceAll(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''")

function zsh(commands: readonly LoadedCommand[], listed: readonly ListedCommand[]): string {
  const summaries = new Map(
    [...listed, ...commands.map(({ path, summary }) => ({ name: path, summary }))].map((each) => [
      each.name,
      each.summary,
    ]),
  )
  const groups = [...children(commands)].map(([path, words]) => {
    const lines = [...words].map((word) => {
      const summary = summaries.get(path === '' ? word : `${path} ${word}`) ?? ''
      return `        '${word}:${zshText(summary)}'`
    })
    return `    '${path}')\n      local -a found=(\n${lines.join('\n')}\n      )\n      _describe command found ;;`
  })
  const own = commands.map(({ path, command }) => {
    const options = Object.entries(command.options).flatMap(([name, spec]) =>
      flagsOf(name, spec).map((flag) => `'*${flag}[${zshText(spec.summary)}]${zshValue(spec)}'`),
    )
    const words = Object.entries(command.arguments).map(([name, spec]) => {
      const dots = spec.need === 'several' || spec.need === 'any' ? '*' : ''
      return `'${dots}:${name}:${zshAction(spec)}'`
    })
    return `    '${path}') _arguments ${[...options, ...words, "'(- *)'{-h,--help}'[show this help]'"].join(' \\\n        ')} ;;`
  })
  return `#compdef pooldns
# zsh completion of pooldns: into a folder of fpath, as _pooldns
_pooldns() {
  local at='' index=2
  while (( index < CURRENT )); do
    case "\${at:+$at }\${words[index]}" in
      ${pathPattern(commands)}) at="\${at:+$at }\${words[index]}" ;;
      *) break ;;
    esac
    (( index++ ))
  done
  if (( index > 2 )); then
    shift $(( index - 2 )) words
    (( CURRENT -= index - 2 ))
  fi
  case "$at" in
${[...groups, ...own].join('\n')}
  esac
}
if [[ "\${funcstack[1]}" == _pooldns ]]; then _pooldns "$@"; else compdef _pooldns pooldns; fi
`
}

function zshValue(spec: OptionSpec): string {
  return spec.type === 'boolean' ? '' : `:${spec.value}:${zshAction(spec)}`
}

function zshAction(spec: { readonly choices?: readonly string[]; readonly completes?: string }): string {
  if (spec.choices !== undefined) return `(${spec.choices.join(' ')})`
  if (spec.completes === undefined) return ' '
  return spec.completes === 'file' ? '_files' : '_files -/'
}

const fishText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function fish(commands: readonly LoadedCommand[], listed: readonly ListedCommand[]): string {
  const summaries = new Map(
    [...listed, ...commands.map(({ path, summary }) => ({ name: path, summary }))].map((each) => [
      each.name,
      each.summary,
    ]),
  )
  const lines = [...children(commands)].flatMap(([path, words]) =>
    [...words].map((word) => {
      const summary = summaries.get(path === '' ? word : `${path} ${word}`) ?? ''
      return `complete -c pooldns -n '__pooldns_at "${path}"' -a ${word} -d ${fishText(summary)}`
    }),
  )
  for (const { path, command } of commands) {
    const at = `complete -c pooldns -n '__pooldns_at "${path}"'`
    const words = firstArgument(command)
    if (words?.choices !== undefined) lines.push(`${at} -a '${words.choices.join(' ')}'`)
    if (words?.completes === 'file') lines.push(`${at} -F`)
    if (words?.completes === 'folder') lines.push(`${at} -a '(__fish_complete_directories)'`)
    for (const [name, spec] of Object.entries(command.options)) {
      const short = spec.short === undefined ? '' : ` -s ${spec.short}`
      lines.push(`${at} -l ${flagOf(name).slice(2)}${short}${fishValue(spec)} -d ${fishText(spec.summary)}`)
    }
  }
  return `# fish completion of pooldns: into ~/.config/fish/completions/pooldns.fish
function __pooldns_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l at
    for word in $words
        switch "$at $word"
            case ${pathPattern(commands)
              .replaceAll('|', ' ')
              .replaceAll(/'([^']*)'/g, "' $1'")}
                set at "$at $word"
            case '*'
                break
        end
    end
    test "$at" = (test -n "$argv[1]"; and echo " $argv[1]"; or echo '')
end
complete -c pooldns -f
complete -c pooldns -l help -s h -d 'show help'
${lines.join('\n')}
`
}

function fishValue(spec: OptionSpec): string {
  if (spec.type === 'boolean') return ''
  if (spec.choices !== undefined) return ` -x -a '${spec.choices.join(' ')}'`
  if (spec.completes === undefined) return ' -x'
  return spec.completes === 'file' ? ' -r -F' : " -x -a '(__fish_complete_directories)'"
}
