import { printable } from '../terminal-text.ts'
import { defineCommand } from './frame/command.ts'
import { serverOptions, theServer } from './server-choice.ts'

/** `pooldns forget-node ID...`. */
export const forgetNode = defineCommand({
  arguments: { id: { summary: 'as "pooldns status" and refusals have it', need: 'several' } },
  options: serverOptions,
  examples: [
    {
      line: 'pooldns forget-node 0f8b6c1e',
      does: 'a server was killed and will not come back, and a rollover of keys waits for it',
    },
  ],
  notes:
    'A server that is silent may have lost the database and go on answering: make sure that it is gone, or validators may take signed zones for bogus. One that ' +
    'is stopped in good order says so itself, and after a week of silence a server is forgotten anyway.',
  async run({ id: ids }, given) {
    const server = theServer(given, process.env)
    for (const id of ids) {
      await server.ask(`/v1/nodes/${encodeURIComponent(id)}`, { method: 'DELETE' })
      process.stdout.write(`${printable(`server ${id} is forgotten`)}\n`)
    }
  },
})
