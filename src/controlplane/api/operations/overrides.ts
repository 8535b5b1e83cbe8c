/**
 * Overrides: an operator's word on one member, on a pool, or on all members that a pattern stands for. They have no ETag:
 * the last word counts, and the audit log keeps them all.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Pattern } from '../../document/fields.ts'
import { ignored, type RecordForm, record } from '../../document/forms.ts'
import { wishFields } from '../../document/override.ts'
import { ControlError, type Problem } from '../../model/errors.ts'
import { formatMemberKey } from '../../model/member-key.ts'
import { isStanding, type Override } from '../../model/override.ts'
import { isExact, type MemberPattern } from '../../model/override-index.ts'
import {
  deleteOverride,
  getOverride,
  maxPatterns,
  putOverride,
  tooManyPatterns,
} from '../../store/overrides.ts'
import { getPool } from '../../store/pools.ts'
import type { Tx } from '../../store/transaction.ts'
import { authorOf } from '../author.ts'
import { notFound, valid, withoutNames } from '../configuration/resource.ts'
import type { Ground, Memory, Observations, Operations } from '../context.ts'
import { readEither } from '../memory.ts'
import { done, guarded, json, paramsOf, publishedHeaders, WriteQuery } from '../schemas.ts'
import { awaitPublished } from '../writes.ts'
import { heldInMemory, heldMembers, OverrideView, presentOverride } from './override-view.ts'
import { asPending, takeWord, wordsOnMembers, writeEither } from './words.ts'

type Context = Ground & Observations & Operations

/** What an operator asks of members; `until` null keeps it until it is deleted. */
type Wish = Pick<Override, 'state' | 'until' | 'reason'>

export const wishForm: RecordForm<Wish> = record(
  { ...wishFields, status: ignored },
  { title: 'OverrideWish', description: 'an object with state, until and reason' },
)

export function parseWish(input: unknown, now: Date, problems: Problem[]): Wish | undefined {
  const wish = wishForm.parse(input, '', problems)
  if (wish === undefined || wish.until === null || wish.until > now) return wish
  problems.push({ path: 'until', message: 'must lie in the future' })
  return undefined
}

type Params = Readonly<Record<string, string>>

/** The routes of one way to say what is overridden. */
interface Family {
  readonly url: string
  readonly tag: string
  /** Behind the verb in the ids of its operations. */
  readonly name: string
  readonly config: typeof wordsOnMembers | typeof wordsOnPatterns
  /** Completes "Overrides the measured state of ...". */
  readonly whom: string
  /** Throws `invalid` or `not-found` for parameters that can name nothing. */
  target(params: Params): MemberPattern
  /** Throws `not-found` when there is nothing to override. */
  check?(tx: Tx, target: MemberPattern): Promise<void>
  /** The same out of memory. */
  checkRemembered?(memory: Memory, target: MemberPattern): void
}

const wordsOnPatterns = { ...wordsOnMembers, access: { kind: 'pool', param: 'pool' } } as const

const families: readonly Family[] = [
  {
    url: '/v1/pools/:name/members/:member/override',
    tag: 'member',
    name: 'MemberOverride',
    config: wordsOnMembers,
    whom: 'a member',
    target: ({ name: pool, member }) =>
      named({ pool: pool!, member: member! }, `member ${member} of pool ${pool}`),
  },
  {
    url: '/v1/pools/:name/override',
    tag: 'pool',
    name: 'PoolOverride',
    config: wordsOnMembers,
    whom: 'every member of a pool',
    target: ({ name: pool }) => ({ ...named({ pool: pool!, member: '' }, `pool ${pool}`), member: '*' }),
    check: async (tx, { pool }) => {
      if ((await getPool(tx, pool, () => {})) === null) throw notFound(`pool ${pool}`)
    },
    checkRemembered: ({ catalog }, { pool }) => {
      if (!catalog.pools.has(pool)) throw notFound(`pool ${pool}`)
    },
  },
  {
    url: '/v1/overrides/:pool/:member',
    tag: 'override',
    name: 'Override',
    config: wordsOnPatterns,
    whom: 'the members that a pattern stands for, such as `web-*` and `fra-*`, or of one',
    target: ({ pool, member }) =>
      valid('the pattern', (problems) => {
        for (const [path, text] of Object.entries({ pool, member })) Pattern.parse(text, path, problems)
        return { pool: pool!, member: member! }
      }),
  },
]

export function overrideRoutes(app: FastifyInstance, context: Context): void {
  for (const family of families) {
    registerGet(app, context, family)
    registerPut(app, context, family)
    registerDelete(app, context, family)
  }
}

function registerGet(app: FastifyInstance, context: Context, family: Family): void {
  const { tag, name, whom, url } = family
  const replies = { 200: json('The override.', OverrideView) }
  const schema = guarded(
    { tag, id: `get${name}`, summary: `Reads the override of ${whom}` },
    replies,
    [404],
    { params: paramsOf(url) },
  )
  app.get(url, { schema, config: family.config }, async (request, reply) => {
    const target = family.target(request.params as Params)
    const now = context.now()
    const standing = (override: Override | null): Override => {
      if (override !== null && isStanding(override, now)) return override
      throw noOverride(target)
    }
    const fromDatabase = () =>
      context.database.read(async (tx) => {
        const override = standing(await getOverride(tx, target.pool, target.member))
        return presentOverride(context, override, (await heldMembers(tx, [override], now))(override))
      })
    return readEither(context, reply, fromDatabase, (memory) => {
      const override = standing(memory.catalog.overrides.get(formatMemberKey(target)) ?? null)
      return presentOverride(context, override, heldInMemory(memory, [override], now)(override))
    })
  })
}

function registerPut(app: FastifyInstance, context: Context, family: Family): void {
  const { tag, name, whom, url } = family
  const replies = {
    200: json('Replaced.', OverrideView, publishedHeaders),
    201: json('Set.', OverrideView, publishedHeaders),
  }
  const taken = { params: paramsOf(url), querystring: WriteQuery, body: wishForm.schema }
  const schema = guarded(
    { tag, id: `put${name}`, summary: `Overrides the measured state of ${whom}` },
    replies,
    [404, 409],
    taken,
  )
  app.put(url, { schema, config: family.config }, (request, reply) => put(context, family, request, reply))
}

async function put(
  context: Context,
  family: Family,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const target = family.target(request.params as Params)
  const now = context.now()
  const wish = valid('the override', (problems) =>
    parseWish(withoutNames(request.body, { ...target }, problems), now, problems),
  )
  const override = { ...target, ...wish, actor: request.actor, since: now }
  const tell = (existed: boolean) => {
    const what = existed ? 'changed' : 'set'
    context.tell({ kind: 'override', ...eventFields(override), what, actor: request.actor, at: now })
  }
  const toDatabase = async () => {
    const { revision, result } = await context.database.write(authorOf(request), async (write) => {
      const [before] = await Promise.all([putOverride(write, override), family.check?.(write.tx, target)])
      return { existed: before !== null, held: await heldMembers(write.tx, [override], now) }
    })
    tell(result.existed)
    await awaitPublished(context, revision, reply)
    return { ...result, override }
  }
  const { existed, ...written } = await writeEither(context, target, toDatabase, async (memory) => {
    family.checkRemembered?.(memory, target)
    checkTarget(memory, target)
    const existed = memory.catalog.overrides.has(formatMemberKey(target))
    await takeWord(context, reply, memory, { ...target, override, at: now, actor: request.actor }, () =>
      tell(existed),
    )
    const pending = asPending(override)
    return { existed, override: pending, held: heldInMemory(context.memory()!, [pending], now) }
  })
  // What is answered is looked at after the change.
  return reply
    .code(existed ? 200 : 201)
    .send(presentOverride(context, written.override, written.held(written.override)))
}

/** What the database says of an override that can not be, out of memory. */
function checkTarget({ catalog }: Memory, target: MemberPattern): void {
  const { pool, member } = target
  if (isExact(target)) {
    if (catalog.pools.get(pool)?.members.some(({ name }) => name === member)) return
    throw notFound(`member ${member} of pool ${pool}`)
  }
  const patterns = [...catalog.overrides.values()].filter((override) => !isExact(override))
  if (patterns.length < maxPatterns || catalog.overrides.has(formatMemberKey(target))) return
  throw tooManyPatterns(patterns.length)
}

function registerDelete(app: FastifyInstance, context: Context, family: Family): void {
  const { tag, name, whom, url } = family
  const schema = guarded(
    { tag, id: `delete${name}`, summary: `Ends the override of ${whom}` },
    done('Ended.'),
    [404],
    {
      params: paramsOf(url),
      querystring: WriteQuery,
    },
  )
  app.delete(url, { schema, config: family.config }, async (request, reply) => {
    const target = family.target(request.params as Params)
    const { actor } = request
    const at = context.now()
    const tell = (ended: Override) =>
      context.tell({ kind: 'override', ...eventFields(ended), what: 'deleted', actor, at })
    const toDatabase = async () => {
      const { revision, result } = await context.database.write(authorOf(request), (write) =>
        deleteOverride(write, target.pool, target.member),
      )
      tell(result)
      await awaitPublished(context, revision, reply)
    }
    await writeEither(context, target, toDatabase, async (memory) => {
      const ended = memory.catalog.overrides.get(formatMemberKey(target))
      if (ended === undefined) throw noOverride(target)
      await takeWord(context, reply, memory, { ...target, override: null, at, actor }, () => tell(ended))
    })
    return reply.code(204).send()
  })
}

function noOverride(target: MemberPattern): ControlError {
  return new ControlError('not-found', `there is no override of ${formatMemberKey(target)}`)
}

/** What an event tells of an override beside what became of it. */
function eventFields({ pool, member, state, reason }: Override) {
  return { pool, member, state, reason }
}

/** Throws `not-found` for what is a pattern where a name is asked for: nothing has such a name. */
function named(target: MemberPattern, what: string): MemberPattern {
  if (!isExact(target)) throw notFound(what)
  return target
}
