/** Tokens by the HTTP API of a running daemon. */
import type { Token, TokenScope } from '../controlplane/store/tokens.ts'
import { type ApiServer, askApi } from './api-server.ts'

/** Where tokens are kept, as the command uses it: the database, or a running server. */
export interface Tokens {
  /** @returns the secret */
  create(name: string, scopes: readonly TokenScope[]): Promise<string>
  list(): Promise<readonly Token[]>
  revoke(name: string): Promise<void>
}

type TokenReply = Omit<Token, 'createdAt' | 'lastUsedAt'> & {
  readonly createdAt: string
  readonly lastUsedAt: string | null
}

interface Page {
  readonly items: readonly TokenReply[]
  readonly nextCursor: string | null
}

const url = '/v1/tokens'

export function tokensOf(server: ApiServer): Tokens {
  return {
    create: async (name, scopes) => {
      const response = await askApi(server, url, {
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
        page = (await (await askApi(server, url + cursor, {})).json()) as Page
        tokens.push(...page.items.map(toToken))
      } while (page.nextCursor !== null)
      return tokens
    },
    revoke: async (name) => {
      await askApi(server, `${url}/${encodeURIComponent(name)}`, { method: 'DELETE' })
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
