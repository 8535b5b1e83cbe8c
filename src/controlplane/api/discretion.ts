/**
 * What a token with limits is told of errors. A refusal may name what it does not reach: who uses the pool that is to be deleted, the
 * service that is in an RRset's way, who else has written meanwhile. Where a text holds the name of such a thing, the client hears
 * that there is a reason, and not which.
 *
 * Texts are held against the names that there are, wherever in the code they are made: a list of messages that are harmless would be
 * wrong the day after. The database is asked, and when it is away what this node serves; where neither knows, nothing is told.
 */
import { Readable } from 'node:stream'
import { sql } from '../../../schema/drizzle.ts'
import { ControlError, type ErrorCode } from '../model/errors.ts'
import type { Named, Reach } from '../model/reach.ts'
import type { Tx } from '../store/transaction.ts'
import type { Ground } from './context.ts'

/** What has a name that is nobody's business who does not reach it. Tokens and webhooks are reached by none that has limits. */
type Secret = Named | { readonly kind: 'token' | 'webhook'; readonly name: string }

const reasons: Readonly<Record<ErrorCode, string>> = {
  invalid: 'this does not fit to something that the token does not reach',
  forbidden: 'the token does not reach this',
  'not-found': 'there is no such thing',
  conflict: 'something that the token does not reach is in the way, or needs this',
  stale: 'the configuration has changed since; read it, or plan, again',
  unavailable: 'not now',
}

/** The request that an error is of, as far as that matters. */
interface Asked {
  readonly reach: Reach | null
  readonly actor: string
  readonly params: unknown
  readonly body: unknown
}

/** The error as the client may hear of it. */
export async function discreet(context: Ground, error: unknown, asked: Asked): Promise<unknown> {
  const { reach, actor } = asked
  // Who is refused hears of what they have named themselves, and of nothing else.
  if (reach === null || !(error instanceof ControlError) || error.code === 'forbidden') return error
  const text = [error.message, ...error.problems.flatMap(({ path, message }) => [path, message])].join('\n')
  const names = await namesIn(context, text)
  const secrets = names?.filter((one) => !isReached(one, actor, reach) && holds(text, one))
  if (secrets?.every((one) => says(asked.params, one) || says(asked.body, one)) === true) return error
  const { code, mayHaveChanged } = error
  return new ControlError(code, reasons[code], { cause: error, mayHaveChanged })
}

function isReached(one: Secret, actor: string, reach: Reach): boolean {
  if (one.kind === 'token') return actor === `token:${one.name}`
  return one.kind !== 'webhook' && reach.includes({ kind: one.kind, name: one.name })
}

/**
 * Whether the client has named it: then its own words come back. Were they kept from it, it would know by that that there is such a
 * thing. Who names something below a zone has named the zone.
 */
function says(value: unknown, secret: Secret): boolean {
  if (typeof value === 'string') {
    return value === secret.name || (secret.kind === 'zone' && value.endsWith(`.${secret.name}`))
  }
  if (value instanceof Readable || value === null || typeof value !== 'object') return false
  return Object.entries(value).some(([key, each]) => says(key, secret) || says(each, secret))
}

/** Whether a text has a name in it, and not only as a part of a longer word. */
function holds(text: string, { kind, name }: Secret): boolean {
  // Names of services and zones have dots in them; behind one of any other kind a path goes on.
  const part = kind === 'service' || kind === 'zone' ? /[a-z0-9_.-]/i : /[a-z0-9_-]/i
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const [before, behind] = [text[at - 1] ?? ' ', text[at + name.length] ?? ' ']
    const isEnd = behind === '.' && !/[a-z0-9]/i.test(text[at + name.length + 1] ?? ' ')
    if (!part.test(before) && (isEnd || !part.test(behind))) return true
  }
  return false
}

/** Everything that has a name which is somewhere in the text; null when nobody can say. */
async function namesIn({ database, memory }: Ground, text: string): Promise<readonly Secret[] | null> {
  try {
    return await database.read((tx) => storedNamesIn(tx, text))
  } catch {
    const catalog = memory()?.catalog
    if (catalog === undefined) return null
    const of = (kind: Named['kind'], parts: ReadonlyMap<string, unknown>) =>
      Array.from(parts.keys(), (name) => ({ kind, name }))
    return [
      ...of('feed', catalog.feeds),
      ...of('monitor', catalog.monitors),
      ...of('pool', catalog.pools),
      ...of('service', catalog.services),
      ...of('zone', catalog.zones),
    ]
  }
}

async function storedNamesIn(tx: Tx, text: string): Promise<Secret[]> {
  const { rows } = await tx.execute<{ kind: Secret['kind']; name: string }>(sql`
    with said as (select ${text}::text as text)
    select kind, name from (
      select 'feed' as kind, name from feeds
      union all select 'monitor', name from monitors
      union all select 'pool', name from pools
      union all select 'service', name from services
      union all select 'zone', apex from zones
      union all select 'webhook', name from webhooks
      union all select 'token', name from tokens
    ) as named, said where strpos(said.text, named.name) > 0`)
  return rows
}
