import { UsageError } from '../config.ts'
import { parseDuration } from '../controlplane/document/duration.ts'
import { InstantText } from '../controlplane/document/fields.ts'
import { parseTokenWish } from '../controlplane/document/token.ts'
import type { Problem } from '../controlplane/model/errors.ts'
import { type Token, type TokenWish, tokenScopes } from '../controlplane/model/token.ts'
import { listTokens, makeToken, revokeToken } from '../controlplane/store/tokens.ts'
import type { ApiClient } from './api-client.ts'
import { type CommandGroup, defineCommand } from './frame/command.ts'
import { jsonOption } from './frame/shared-options.ts'
import { type Cell, paintFor, printJson, type Row, table } from './frame/terminal.ts'
import { author, requireOwnDatabase, withOwnDatabase } from './own-database.ts'
import { serverOptions, serverOrDatabase } from './server-choice.ts'

const nameArgument = { name: { summary: 'the name of the token' } } as const

const limit = (plural: string, more = '') =>
  ({
    type: 'string',
    value: 'PATTERN',
    multiple: true,
    summary: `limits it to these ${plural}, by name or pattern, once or several times${more}`,
  }) as const

const scope = {
  type: 'string',
  value: 'SCOPE',
  multiple: true,
  choices: tokenScopes,
} as const

const create = defineCommand({
  arguments: nameArgument,
  options: {
    scope: { ...scope, summary: 'what it may do, once or several times; read unless said otherwise' },
    right: { ...scope, summary: 'the same, as it was called before' },
    zone: limit('zones'),
    pool: limit('pools'),
    service: limit('services', '; a service is not in its zone here'),
    monitor: limit('monitors'),
    feed: limit('feeds'),
    expires: {
      type: 'string',
      value: 'TIME',
      summary:
        'from when on it is worth nothing: in so long, such as 30d, or at an instant; never when left out',
    },
    description: { type: 'string', value: 'TEXT', summary: 'what it is for' },
    ...jsonOption,
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns token create ci --scope read',
      does: 'for a pipeline that plans what a pull request would change; its secret is shown once',
    },
    {
      line: 'pooldns token create deploy --scope read --scope write',
      does: 'for the one that applies it',
    },
    {
      line: "pooldns token create shop --scope read --scope write --zone shop.example --service '*.shop.example' --pool 'shop-*'",
      does: 'for a team: it sees and changes nothing else',
    },
    {
      line: 'pooldns token create night --scope read --scope override --pool web-eu --expires 30d',
      does: 'drains, for a month',
    },
    { line: 'pooldns token create fra-1 --scope report', does: 'for "pooldns agent"' },
  ],
  notes:
    'With --zone, --pool, --service, --monitor or --feed the token is limited: it sees and changes what these name, and of what they do not name nothing.',
  async run({ name }, { scope = [], right = [], json, expires, description = '', ...given }) {
    const { zone, pool, service, monitor, feed } = given
    const chosen = [...new Set([...scope, ...right])]
    const named = { zones: zone, pools: pool, services: service, monitors: monitor, feeds: feed }
    const limits = Object.entries(named).filter(([, patterns]) => patterns !== undefined)
    const wish: NewToken = {
      name,
      scopes: chosen.length === 0 ? ['read'] : chosen,
      limits: limits.length === 0 ? null : Object.fromEntries(limits),
      expiresAt: expires === undefined ? null : readTime(expires),
      description,
    }
    const secret = await tokensOf(given).create(wish)
    if (json === true) printJson({ ...wish, secret })
    else process.stdout.write(`${secret}\n`)
  },
})

const list = defineCommand({
  arguments: {},
  options: { ...jsonOption, ...serverOptions },
  examples: [{ line: 'pooldns token list', does: 'what each may do, until when, and when it was used last' }],
  async run(_words, { json, ...given }) {
    const found = await tokensOf(given).list()
    if (json === true) return printJson(found)
    const lines = table(found.map(row), 0, paintFor(process.stdout))
    process.stdout.write(lines.map((text) => `${text}\n`).join(''))
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
  const server = serverOrDatabase(given, process.env)
  if (server !== null) return serverTokens(server)
  requireOwnDatabase(process.env)
  return ownTokens
}

function row({ name, scopes, limits, createdAt, lastUsedAt, expiresAt, description }: ListedToken): Row {
  const reached = Object.entries(limits ?? {}).map(
    ([kinds, patterns]: [string, readonly string[]]) => `${kinds} ${patterns.join(' ')}`,
  )
  return {
    token: name,
    scopes: scopes.join(' '),
    'limited to': limits === null ? '' : reached.join(', '),
    created: timeText(createdAt),
    'last used': lastUsedAt === null ? 'never' : timeText(lastUsedAt),
    expires: expiresAt === null ? '' : expiryCell(new Date(expiresAt)),
    description,
  }
}

function expiryCell(at: Date): Cell {
  const text = timeText(at)
  return at <= new Date() ? { text: `${text} (expired)`, style: 'yellow' } : text
}

const timeText = (at: Date | string) => new Date(at).toISOString().slice(0, 16).replace('T', ' ')

/** @throws UsageError */
function readTime(text: string): string {
  const ms = parseDuration(text)
  const at = ms === null ? InstantText.parse(text, '', []) : new Date(Date.now() + ms)
  if (at === undefined || Number.isNaN(at.getTime()) || at <= new Date()) {
    throw new UsageError(
      `--expires: "${text}" is not accepted; it takes a length of time such as 12h or 30d, or an instant to come such as 2027-01-31T03:00:00Z`,
    )
  }
  return at.toISOString()
}

/** A token as a client of the API asks for one. */
type NewToken = Omit<TokenWish, 'expiresAt'> & { readonly expiresAt: string | null }

/** A token, with its times as text when it came by HTTP. */
type ListedToken = Omit<Token, 'createdAt' | 'lastUsedAt' | 'expiresAt'> & {
  readonly createdAt: Date | string
  readonly lastUsedAt: Date | string | null
  readonly expiresAt: Date | string | null
}

interface Tokens {
  /** @returns the secret */
  create(wish: NewToken): Promise<string>
  list(): Promise<readonly ListedToken[]>
  revoke(name: string): Promise<void>
}

const ownTokens: Tokens = {
  create: (wish) =>
    withOwnDatabase(async (database) => {
      const problems: Problem[] = []
      const read = parseTokenWish(wish, new Date(), problems)
      if (read === undefined)
        throw new UsageError(problems.map(({ path, message }) => `${path} ${message}`).join('; '))
      const { result } = await database.write(author, (write) => makeToken(write, read))
      return result
    }),
  list: () => withOwnDatabase((database) => database.read(listTokens)),
  revoke: (name) =>
    withOwnDatabase(async (database) => {
      await database.write(author, async (write) => {
        write.audit('token.revoke', name, {}, null)
        // A server on the same database ends what the token has begun.
        write.announce()
        await write.held()
        await revokeToken(write.tx, name)
      })
    }),
}

const path = '/v1/tokens'

function serverTokens(server: ApiClient): Tokens {
  return {
    create: async (wish) => {
      const response = await server.ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(wish),
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
