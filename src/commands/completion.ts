import { defineCommand, type ListedCommand } from './frame/command.ts'
import { completionScript, completionShells } from './frame/completion-script.ts'
import { loadAll } from './frame/loaded.ts'

/** `pooldns completion SHELL`: a script for a shell, on standard output. */
export const completionOf = (all: readonly ListedCommand[]) =>
  defineCommand({
    arguments: { shell: { summary: 'bash, zsh or fish', choices: completionShells } },
    options: {},
    examples: [
      { line: 'source <(pooldns completion bash)', does: 'in ~/.bashrc' },
      { line: 'pooldns completion zsh > ~/.zfunc/_pooldns', does: 'a folder of fpath, before compinit' },
      {
        line: 'pooldns completion fish > ~/.config/fish/completions/pooldns.fish',
        does: 'for every fish from now on',
      },
    ],
    async run({ shell }) {
      const of = completionShells.find((known) => known === shell)!
      process.stdout.write(completionScript(of, await loadAll(all), all))
    },
  })
