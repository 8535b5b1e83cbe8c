import { parseArgs } from 'node:util'
import { tokenScopes } from '../../schema/journal.ts'
import { UsageError } from '../config.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  type Token,
  type TokenScope,
} from '../controlplane/store/tokens.ts'
import { readApiServer } from './api-server.ts'
import { withOwnDatabase } from './migrate.ts'
import { type Tokens, tokensOf } from './token-server.ts'

/** Who the audit log says it was: whoever may open the database. */
const actor = 'command line'

/** `pooldns token create|list|revoke`. */
export async function tokenCommand(args: readonly string[]): Promise<void> {
  const [verb, ...rest] = args
  const { values, positionals } = parse(rest)
  const [name, ...more] = positionals
  if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many`)
  const asJson = values.json === true
  const print = (text: string) => void process.stdout.write(text)
  switch (verb) {
    case 'create': {
      const token = required(name)
      const scopes = (values.scope ?? ['read']).map(toScope)
      return withTokens(values, async (tokens) => {
        const secret = await tokens.create(token, scopes)
        print(asJson ? `${JSON.stringify({ name: token, scopes, secret })}\n` : `${secret}\n`)
      })
    }
    case 'list':
      return withTokens(values, async (tokens) => {
        const found = await tokens.list()
        print(asJson ? `${JSON.stringify(found)}\n` : found.map(line).join(''))
      })
    case 'revoke': {
      const token = required(name)
      return withTokens(values, (tokens) => tokens.revoke(token))
    }
    default:
      throw new UsageError('token takes create NAME, list or revoke NAME')
  }
}

function line({ name, scopes, createdAt }: Token): string {
  return `${name}\t${scopes.join(',')}\t${createdAt.toISOString()}\n`
}

async function withTokens(
  flags: { readonly server?: string | undefined; readonly token?: string | undefined },
  work: (tokens: Tokens) => Promise<void>,
): Promise<void> {
  const server = readApiServer(flags, process.env)
  if (server !== null) return work(tokensOf(server))
  await withOwnDatabase((database) =>
    work({
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
    }),
  )
}

function parse(args: readonly string[]) {
  const options = {
    scope: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    server: { type: 'string' },
    token: { type: 'string' },
  } as const
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function required(name: string | undefined): string {
  if (name === undefined) throw new UsageError('the name of the token is missing')
  return name
}

function toScope(text: string): TokenScope {
  const scope = tokenScopes.find((known) => known === text)
  if (scope === undefined) throw new UsageError(`--scope: "${text}" is not one of ${tokenScopes.join(', ')}`)
  return scope
}
