import { tokenScopes } from '../../schema/journal.ts'
import { parseWords, UsageError } from '../config.ts'
import type { Token, TokenScope } from '../controlplane/store/tokens.ts'
import { namedServer, serverFlags } from './api-client.ts'
import { withOwnDatabase } from './own-database.ts'
import { type Tokens, tokensIn, tokensOf } from './tokens.ts'

const flags = {
  ...serverFlags,
  scope: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const

/** `pooldns token create|list|revoke`. */
export async function tokenCommand(args: readonly string[]): Promise<void> {
  const [verb, ...rest] = args
  const { values, words } = parseWords(rest, flags, 1)
  const use = (work: (tokens: Tokens) => Promise<void>): Promise<void> => {
    const server = namedServer(values, process.env)
    return server === null ? withOwnDatabase((database) => work(tokensIn(database))) : work(tokensOf(server))
  }
  const print = (json: unknown, text: string) =>
    void process.stdout.write(values.json === true ? `${JSON.stringify(json)}\n` : text)
  switch (verb) {
    case 'create': {
      const name = nameIn(words)
      const scopes = (values.scope ?? ['read']).map(toScope)
      return use(async (tokens) => {
        const secret = await tokens.create(name, scopes)
        print({ name, scopes, secret }, `${secret}\n`)
      })
    }
    case 'list':
      return use(async (tokens) => {
        const found = await tokens.list()
        print(found, found.map(line).join(''))
      })
    case 'revoke': {
      const name = nameIn(words)
      return use((tokens) => tokens.revoke(name))
    }
    default:
      throw new UsageError('token takes create NAME, list or revoke NAME')
  }
}

function line({ name, scopes, createdAt }: Token): string {
  return `${name}\t${scopes.join(',')}\t${createdAt.toISOString()}\n`
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
