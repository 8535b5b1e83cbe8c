import { tokenScopes } from '../../schema/journal.ts'
import { parseWords, UsageError } from '../config.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  type Token,
  type TokenScope,
} from '../controlplane/store/tokens.ts'
import { printable, printableJson } from '../terminal-text.ts'
import { type ApiClient, namedServer, serverFlags } from './api-client.ts'
import { actor, withOwnDatabase } from './own-database.ts'

const flags = {
  ...serverFlags,
  scope: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const

/** `pooldns token create|list|revoke`. */
export async function tokenCommand(args: readonly string[]): Promise<void> {
  const [verb, ...rest] = args
  const { values, words } = parseWords(rest, flags, 1)
  const tokens = () => {
    const server = namedServer(values, process.env)
    return server === null ? ownTokens : tokensOf(server)
  }
  const print = (json: unknown, text: string) =>
    void process.stdout.write(values.json === true ? `${printableJson(JSON.stringify(json))}\n` : text)
  switch (verb) {
    case 'create': {
      const name = nameIn(words)
      const scopes = (values.scope ?? ['read']).map(toScope)
      const secret = await tokens().create(name, scopes)
      return print({ name, scopes, secret }, `${secret}\n`)
    }
    case 'list': {
      const found = await tokens().list()
      return print(found, found.map(line).join(''))
    }
    case 'revoke': {
      const name = nameIn(words)
      return tokens().revoke(name)
    }
    default:
      throw new UsageError('token takes create NAME, list or revoke NAME')
  }
}

function line({ name, scopes, createdAt }: ListedToken): string {
  return `${printable(name)}\t${scopes.join(',')}\t${new Date(createdAt).toISOString()}\n`
}

function nameIn([name]: readonly string[]): string {
  if (name === undefined) throw new UsageError('the name of the token is missing')
  return name
}

function toScope(text: string): TokenScope {
  const scope = tokenScopes.find((known) => known === text)
  if (scope === undefined) throw new UsageError(`--scope: "${text}" is not one of ${tokenScopes.join(', ')}`)
  return scope
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

function tokensOf(server: ApiClient): Tokens {
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
