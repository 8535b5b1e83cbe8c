import { parseArgs } from 'node:util'
import { UsageError } from '../config.ts'
import { parseAddress } from '../dataplane/wire/address.ts'
import { parseHostname } from '../dataplane/wire/name.ts'
import { parseType } from '../dataplane/wire/rdata.ts'
import { TextError } from '../dataplane/wire/text-error.ts'
import { askApi, readApiServer } from './api-server.ts'
import { type ExplainReply, explainText } from './explain-text.ts'

/** `pooldns explain NAME [TYPE]`: what a running server answers, and why, on standard output. */
export async function explainCommand(args: readonly string[]): Promise<void> {
  const { name, type, flags } = parse(args)
  const server = readApiServer(flags, process.env)
  if (server === null) {
    throw new UsageError(
      'explain asks a running server, for it is about what that knows: --server URL or POOLDNS_SERVER',
    )
  }
  const query = new URLSearchParams({ name, type })
  if (flags.client !== undefined) query.set('client', flags.client)
  const response = await askApi(server, `/v1/explain?${query}`, {})
  if (flags.json === true) process.stdout.write(`${await response.text()}\n`)
  else process.stdout.write(explainText((await response.json()) as ExplainReply))
}

function parse(args: readonly string[]) {
  const options = {
    client: { type: 'string' },
    json: { type: 'boolean' },
    server: { type: 'string' },
    token: { type: 'string' },
  } as const
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    })
    const [name, type = 'A', ...more] = positionals
    if (name === undefined) throw new UsageError('explain takes a NAME, and a TYPE if it is not A')
    if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many`)
    parseHostname(name)
    if (type.toUpperCase() !== 'ANY') parseType(type)
    if (values.client !== undefined && parseAddress(values.client) === null) {
      throw new UsageError(`--client: "${values.client}" is not an IPv4 or IPv6 address`)
    }
    return { name, type, flags: values }
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (error instanceof TextError || error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}
