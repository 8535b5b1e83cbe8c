import { printable } from '../terminal-text.ts'
import { defineCommand } from './frame/command.ts'
import { serverOptions, theServer } from './server-choice.ts'
import { parseMember } from './targets.ts'

/** `pooldns fail-back POOL/MEMBER`. */
export const failBack = defineCommand({
  arguments: { member: { summary: 'POOL/MEMBER' } },
  options: serverOptions,
  examples: [
    {
      line: 'pooldns fail-back db/primary',
      does: 'a member answers again, and its monitor says failBack: manual',
    },
  ],
  async run({ member }, given) {
    const { path } = parseMember(member)
    await theServer(given, process.env).ask(`${path}/fail-back`, { method: 'POST' })
    process.stdout.write(`${printable(`member ${member} may come back`)}\n`)
  },
})
