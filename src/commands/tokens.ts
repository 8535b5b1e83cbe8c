/** Tokens where they are kept: in the database, or by the HTTP API of a running daemon. */
import type { Database } from '../controlplane/store/database.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  type Token,
  type TokenScope,
} from '../controlplane/store/tokens.ts'
import type { ApiClient } from './api-client.ts'
import { actor } from './own-database.ts'

export interface Tokens {
  /** @returns the secret */
  create(name: string, scopes: readonly TokenScope[]): Promise<string>
  list(): Promise<readonly Token[]>
  revoke(name: string): Promise<void>
}

export function tokensIn(database: Database): Tokens {
  return {
    create: async (name, scopes) => {
      const { result } = await database.write(actor, async (write) => {
        write.audit('token.create', name, null, { scopes })
        return createToken(write.tx, name, scopes)
      })
      return result
    },
    list: () => database.read(listTokens),
    revoke: async (name) => {
      await database.write(actor, async (write) => {
        write.audit('token.revoke', name, {}, null)
        await revokeToken(write.tx, name)
      })
    },
  }
}

type TokenReply = Omit<Token, 'createdAt' | 'lastUsedAt'> & {
  readonly createdAt: string
  readonly lastUsedAt: string | null
}

interface Page {
  readonly items: readonly TokenReply[]
  readonly nextCursor: string | null
}

const path = '/v1/tokens'

export function tokensOf(server: ApiClient): Tokens {
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
      const tokens: Token[] = []
      let page: Page = { items: [], nextCursor: null }
      do {
        const cursor = page.nextCursor === null ? '' : `?cursor=${encodeURIComponent(page.nextCursor)}`
        page = (await (await server.ask(path + cursor)).json()) as Page
        tokens.push(...page.items.map(toToken))
      } while (page.nextCursor !== null)
      return tokens
    },
    revoke: async (name) => {
      await server.ask(`${path}/${encodeURIComponent(name)}`, { method: 'DELETE' })
    },
  }
}

function toToken({ createdAt, lastUsedAt, ...rest }: TokenReply): Token {
  return {
    ...rest,
    createdAt: new Date(createdAt),
    lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt),
  }
}
