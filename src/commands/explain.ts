import { UsageError } from '../config.ts'
import type { ExplainReply } from '../controlplane/api/operations/explain.ts'
import { parseAddress } from '../dataplane/wire/address.ts'
import { parseHostname } from '../dataplane/wire/name.ts'
import { parseType } from '../dataplane/wire/rdata.ts'
import { TextError } from '../dataplane/wire/text-error.ts'
import { printableJson } from '../terminal-text.ts'
import { explainText } from './explain-text.ts'
import { defineCommand } from './frame/command.ts'
import { jsonOption } from './frame/shared-options.ts'
import { serverOptions, theServer } from './server-choice.ts'

/** `pooldns explain NAME [TYPE]`: what a running server answers, and why, on standard output. */
export const explain = defineCommand({
  arguments: {
    name: { summary: 'the name that a client asks for' },
    type: { summary: 'the type that it asks for, A unless said otherwise', need: 'optional' },
  },
  options: {
    client: { type: 'string', value: 'ADDRESS', summary: 'who asks, where that matters' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns explain www.example.test',
      does: 'every choice, pool and member, kept or dropped, and why',
    },
    {
      line: 'pooldns explain www.example.test AAAA --client 2001:db8::1',
      does: 'what the client at that address is told',
    },
  ],
  async run({ name, type = 'A' }, { client, json, ...given }) {
    const query = toQuery(name, type, client)
    const response = await theServer(given, process.env).ask(`/v1/explain?${query}`)
    if (json === true) process.stdout.write(`${printableJson(await response.text())}\n`)
    else process.stdout.write(explainText((await response.json()) as ExplainReply))
  },
})

function toQuery(name: string, type: string, client: string | undefined): URLSearchParams {
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
