import { parseWords, UsageError } from '../config.ts'
import type { ExplainReply } from '../controlplane/api/operations/explain.ts'
import { parseAddress } from '../dataplane/wire/address.ts'
import { parseHostname } from '../dataplane/wire/name.ts'
import { parseType } from '../dataplane/wire/rdata.ts'
import { TextError } from '../dataplane/wire/text-error.ts'
import { printableJson } from '../terminal-text.ts'
import { namedServer, serverFlags } from './api-client.ts'
import { explainText } from './explain-text.ts'

const flags = { ...serverFlags, client: { type: 'string' }, json: { type: 'boolean' } } as const

/** `pooldns explain NAME [TYPE]`: what a running server answers, and why, on standard output. */
export async function explainCommand(args: readonly string[]): Promise<void> {
  const { values, words } = parseWords(args, flags, 2)
  const query = toQuery(words, values.client)
  const server = namedServer(values, process.env)
  if (server === null) {
    throw new UsageError(
      'explain asks a running server, for it is about what that knows: --server URL or POOLDNS_SERVER',
    )
  }
  const response = await server.ask(`/v1/explain?${query}`)
  if (values.json === true) process.stdout.write(`${printableJson(await response.text())}\n`)
  else process.stdout.write(explainText((await response.json()) as ExplainReply))
}

function toQuery([name, type = 'A']: readonly string[], client: string | undefined): URLSearchParams {
  if (name === undefined) throw new UsageError('explain takes a NAME, and a TYPE if it is not A')
  try {
    parseHostname(name)
    if (type.toUpperCase() !== 'ANY') parseType(type)
  } catch (error) {
    if (error instanceof TextError) throw new UsageError(error.message)
    throw error
  }
  if (client !== undefined && parseAddress(client) === null) {
    throw new UsageError(`--client: "${client}" is not an IPv4 or IPv6 address`)
  }
  return new URLSearchParams({ name, type, ...(client === undefined ? {} : { client }) })
}
