/** Who changes the configuration by a request, and by what: commands say what they are. Believed, for it is for people who read the history. */
import type { FastifyRequest } from 'fastify'
import type { Author } from '../store/transaction.ts'

/** What the command line calls itself to a server, with its version behind: the history tells its changes from those of other clients. */
export const commandAgent = 'pooldns-command'

export function authorOf({ actor, headers }: FastifyRequest): Author {
  const isCommand = headers['user-agent']?.startsWith(`${commandAgent}/`) === true
  return { actor, source: isCommand ? 'command' : 'api', message: null }
}
