import { parseArgs } from 'node:util'
import { tokenScopes } from '../../schema/journal.ts'
import { UsageError } from '../config.ts'
import { createToken, listTokens, revokeToken, type TokenScope } from '../controlplane/store/tokens.ts'
import { withDatabase } from './migrate.ts'

/** Who the audit log says it was: whoever may open the database. */
const actor = 'command line'

/** `pooldns token create|list|revoke`. */
export async function tokenCommand(args: readonly string[]): Promise<void> {
  const [verb, ...rest] = args
  const { values, positionals } = parse(rest)
  const [name, ...more] = positionals
  if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many`)
  switch (verb) {
    case 'create': {
      const token = required(name)
      const scopes = (values.scope ?? ['read']).map(toScope)
      return withDatabase([], async (database) => {
        const { result: secret } = await database.write(actor, async (write) => {
          write.audit('token.create', token, null, { scopes })
          return createToken(write.tx, token, scopes)
        })
        process.stdout.write(
          values.json === true ? `${JSON.stringify({ name: token, scopes, secret })}\n` : `${secret}\n`,
        )
      })
    }
    case 'list':
      return withDatabase([], async (database) => {
        const tokens = await database.read(listTokens)
        const lines = tokens.map(
          ({ name, scopes, createdAt }) => `${name}\t${scopes.join(',')}\t${createdAt.toISOString()}`,
        )
        process.stdout.write(
          values.json === true ? `${JSON.stringify(tokens)}\n` : lines.map((line) => `${line}\n`).join(''),
        )
      })
    case 'revoke': {
      const token = required(name)
      return withDatabase([], async (database) => {
        await database.write(actor, async (write) => {
          write.audit('token.revoke', token, {}, null)
          await revokeToken(write.tx, token)
        })
      })
    }
    default:
      throw new UsageError('token takes create NAME, list or revoke NAME')
  }
}

function parse(args: readonly string[]) {
  try {
    const options = { scope: { type: 'string', multiple: true }, json: { type: 'boolean' } } as const
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
