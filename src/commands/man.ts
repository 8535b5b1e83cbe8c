import { secretVariables, settingFlags } from '../config.ts'
import { defineCommand, type ListedCommand } from './frame/command.ts'
import { loadAll } from './frame/loaded.ts'
import { manPage } from './frame/man-page.ts'

const ofCommands = [
  { name: 'POOLDNS_SERVER', does: 'The server that commands speak to.' },
  {
    name: 'POOLDNS_TOKEN',
    does: 'Its token; POOLDNS_TOKEN_FILE names a file that holds it. POOLDNS_ADMIN_TOKEN does, too.',
  },
  { name: 'NO_COLOR', does: 'No colours, also on a terminal.' },
  { name: 'EDITOR', does: 'What "pooldns edit" opens; VISUAL goes first.' },
]

/** `pooldns man`: the manual page, for `man -l -` or a folder of such pages. */
export const manOf = (all: readonly ListedCommand[]) =>
  defineCommand({
    arguments: {},
    options: {},
    examples: [
      { line: 'pooldns man | man -l -', does: 'read it' },
      {
        line: 'pooldns man > /usr/local/share/man/man1/pooldns.1',
        does: 'keep it, so that "man pooldns" finds it',
      },
    ],
    async run() {
      const ofServer = [...settingFlags(), ...secretVariables()].map(({ variable, accepted }) => ({
        name: variable,
        does: `Takes ${accepted}.`,
      }))
      process.stdout.write(manPage(await loadAll(all), [...ofCommands, ...ofServer]))
    },
  })
