import { tokenScopes } from '../../schema/journal.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  type Token,
  type TokenScope,
} from '../controlplane/store/tokens.ts'
import { printable } from '../terminal-text.ts'
import type { ApiClient } from './api-client.ts'
import { type CommandGroup, defineCommand } from './frame/command.ts'
import { jsonOption } from './frame/shared-options.ts'
import { printJson } from './frame/terminal.ts'
import { actor, requireOwnDatabase, withOwnDatabase } from './own-database.ts'
import { namedServer, serverOptions } from './server-choice.ts'

const nameArgument = { name: { summary: 'the name of the token' } } as const

const create = defineCommand({
  arguments: nameArgument,
  options: {
    scope: {
      type: 'string',
      value: 'SCOPE',
      multiple: true,
      choices: tokenScopes,
      summary: 'what it may do, once or several times; read unless said otherwise',
    },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns token create ci --scope read --scope write',
      does: 'for a pipeline; its secret is shown once',
    },
    { line: 'pooldns token create fra-1 --scope report', does: 'for "pooldns agent"' },
  ],
  async run({ name }, { scope: scopes = ['read' as const], json, ...given }) {
    const secret = await tokensOf(given).create(name, scopes)
    if (json === true) printJson({ name, scopes, secret })
    else process.stdout.write(`${secret}\n`)
  },
})

const list = defineCommand({
  arguments: {},
  options: { ...jsonOption, ...serverOptions },
  examples: [{ line: 'pooldns token list', does: 'name, scopes and birth of each' }],
  async run(_words, { json, ...given }) {
    const found = await tokensOf(given).list()
    if (json === true) printJson(found)
    else process.stdout.write(found.map(line).join(''))
  },
})

const revoke = defineCommand({
  arguments: nameArgument,
  options: serverOptions,
  examples: [{ line: 'pooldns token revoke ci', does: 'what it has begun ends at once, on every server' }],
  async run({ name }, given) {
    await tokensOf(given).revoke(name)
  },
})

/** `pooldns token`: what others than the admin may do. */
export const token: CommandGroup = {
  commands: [
    { name: 'create', summary: 'make a token, and show its secret', load: async () => create },
    { name: 'list', summary: 'all tokens, without their secrets', load: async () => list },
    { name: 'revoke', summary: 'end a token', load: async () => revoke },
  ],
}

function tokensOf(given: {
  readonly server?: string | undefined
  readonly token?: string | undefined
}): Tokens {
  const server = namedServer(given, process.env)
  if (server !== null) return serverTokens(server)
  requireOwnDatabase(process.env)
  return ownTokens
}

function line({ name, scopes, createdAt }: ListedToken): string {
  return `${printable(name)}\t${scopes.join(',')}\t${new Date(createdAt).toISOString()}\n`
}

/** A token, with its times as text when it came by HTTP. */
type ListedToken = Pick<Token, 'name' | 'scopes'> & { readonly createdAt: Date | string }

interface Tokens {
  /** @returns the secret */
  create(name: string, scopes: readonly TokenScope[]): Promise<string>
  list(): Promise<readonly ListedToken[]>
  revoke(name: string): Promise<void>
}

const ownTokens: Tokens = {
  create: (name, scopes) =>
    withOwnDatabase(async (database) => {
      const { result } = await database.write(actor, async (write) => {
        write.audit('token.create', name, null, { scopes })
        await write.held()
        return createToken(write.tx, name, scopes)
      })
      return result
    }),
  list: () => withOwnDatabase((database) => database.read(listTokens)),
  revoke: (name) =>
    withOwnDatabase(async (database) => {
      await database.write(actor, async (write) => {
        write.audit('token.revoke', name, {}, null)
        await write.held()
        await revokeToken(write.tx, name)
      })
    }),
}

const path = '/v1/tokens'

function serverTokens(server: ApiClient): Tokens {
  return {
    create: async (name, scopes) => {
      const response = await server.ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, scopes }),
      })
      return ((await response.json()) as { secret: string }).secret
    },
    list: async () => {
      const tokens: ListedToken[] = []
      let cursor: string | null = ''
      while (cursor !== null) {
        const response = await server.ask(
          cursor === '' ? path : `${path}?cursor=${encodeURIComponent(cursor)}`,
        )
        const page = (await response.json()) as { items: ListedToken[]; nextCursor: string | null }
        tokens.push(...page.items)
        cursor = page.nextCursor
      }
      return tokens
    },
    revoke: async (name) => {
      await server.ask(`${path}/${encodeURIComponent(name)}`, { method: 'DELETE' })
    },
  }
}
