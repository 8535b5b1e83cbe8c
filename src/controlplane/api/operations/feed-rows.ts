/** Rows of feeds: taken as JSON or CSV, and answered as either. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { parseDuration } from '../../document/duration.ts'
import { type FeedQuestion, readRowCursor } from '../../feeds/feed-answer.ts'
import {
  type Imported,
  type ImportOptions,
  importRows,
  importShort,
  type RowFormat,
} from '../../feeds/import-rows.ts'
import { feedByHeart, isServedFeed, type ReadableFeed, requireFeed } from '../../feeds/known-feed.ts'
import type { Octets } from '../../feeds/row-reader.ts'
import { feedNamePattern } from '../../model/feed.ts'
import { instantWords, parseInstant } from '../../model/instant.ts'
import { Spool, SpoolOverflow, SpoolUnavailable } from '../../zonefile/spool.ts'
import { requireToken } from '../access.ts'
import { bodyTooLarge } from '../admission/bodies.ts'
import { Lane } from '../admission/lane.ts'
import { limitsOf } from '../admission/limits.ts'
import { goneSignal, tokenHolder } from '../admission/places.ts'
import { cachedHeaders, notModified } from '../cached.ts'
import { invalid } from '../configuration/resource.ts'
import type { Ground, Observations } from '../context.ts'
import { HttpError, nothingAt, pathOf } from '../errors.ts'
import { guarded, json, paramsOf, TextOrNull, titled } from '../schemas.ts'
import { replyRows } from './rows-reply.ts'

/** Octets of a body; a file that is larger is for `pooldns import-feed`. */
const bodyLimit = 512 * 1024 * 1024
/** Octets of a body that is held in memory, as each connection may have one; a longer one goes to the disk. */
const shortBody = 64 * 1024

const mostRows = 1_000_000
const defaultRows = 1_000
const shortestStepMs = 1_000

const formats: Readonly<Record<string, RowFormat>> = {
  'text/csv': 'csv',
  'application/json': 'json',
  'application/x-ndjson': 'json',
}

const rowsUrl = '/v1/feeds/:name/rows'
const answerUrl = '/v1/feeds/:name'
/** No route that there is has such a name for itself. */
const shortUrl = '/:name'
const access = { kind: 'feed', param: 'name' } as const

const Taken = titled(
  'RowsTaken',
  Type.Object({
    feed: Type.String(),
    rows: Type.Integer({ description: 'rows that could be read' }),
    changed: Type.Integer({ description: 'those of them that were new, or took the place of other values' }),
    expired: Type.Integer({
      description: 'those of them that are older than the feed keeps, and were left out',
    }),
    skipped: Type.Integer({ description: 'rows that could not be read, and were left out' }),
    problems: Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
      description: 'what was wrong with these; the first hundred',
    }),
  }),
)

const Row = titled(
  'FeedRow',
  Type.Object(
    { time_instant: Type.String({ format: 'date-time' }), id_entity: Type.String() },
    // Those of the columns are no texts; but what is made of this for TypeScript has to hold for the two above as well.
    { additionalProperties: Type.Unsafe<unknown>({ type: ['number', 'string', 'null'] }) },
  ),
)

const GivenRows = titled(
  'GivenRows',
  Type.Unsafe<unknown>({
    description: 'a row, an array of them, or text in one of the other types',
    oneOf: [Row, Type.Array(Row), Type.String()],
  }),
)

const Answer = titled(
  'FeedRows',
  Type.Object({
    feed: Type.String(),
    columns: Type.Array(Type.String()),
    items: Type.Array(Row),
    nextCursor: TextOrNull('the cursor of the next page, null at the end'),
  }),
)

const AnswerQuery = Type.Object(
  {
    entity: Type.Optional(Type.String({ maxLength: 255, description: 'of this entity alone' })),
    from: Type.Optional(Type.String({ maxLength: 40, description: `at or after: ${instantWords}` })),
    to: Type.Optional(Type.String({ maxLength: 40, description: 'before' })),
    latest: Type.Optional(
      Type.Boolean({ description: 'true or false: the newest row of each entity alone' }),
    ),
    step: Type.Optional(
      Type.String({
        maxLength: 20,
        description:
          'a duration such as 5m: the average, minimum and maximum of each column by stretches of so long',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: mostRows,
        default: defaultRows,
        description: `a whole number from 1 to ${mostRows}`,
      }),
    ),
    cursor: Type.Optional(Type.String({ maxLength: 8192, description: 'the nextCursor of the page before' })),
    format: Type.Optional(
      Type.Enum(['json', 'csv'], { description: 'json or csv; what `Accept` says when left out' }),
    ),
  },
  { additionalProperties: false },
)

/** @param lane of answers */
export async function feedRowRoutes(
  app: FastifyInstance,
  context: Ground & Observations,
  lane: Lane,
): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(Object.keys(formats), async (_request: unknown, body: Readable) => body)
  app.addContentTypeParser('*', async () => {
    throw new HttpError(
      415,
      'unsupported-media-type',
      `the body must be rows: Content-Type: ${Object.keys(formats).join(', ')}`,
    )
  })
  registerPost(app, context)
  registerGet(app, context, lane, { url: answerUrl, id: 'getRows', summary: 'The rows of a feed' })
}

function registerPost(app: FastifyInstance, context: Ground & Observations): void {
  const { rowsIn, rowFilesIn } = limitsOf(context)
  const lanes = {
    short: new Lane('bodies with rows in work', rowsIn),
    long: new Lane('long bodies with rows in work', rowFilesIn),
  }
  const summary = 'Takes rows of a feed, one or many'
  const schema = guarded(
    { tag: 'feed', id: 'putRows', summary },
    { 200: json('They are kept.', Taken) },
    [404, 409],
    {
      description:
        'JSON: an object, an array of objects, or objects one behind the other. CSV: a header, and a row a line. A row of an entity and ' +
        'instant that is there already changes nothing, or takes its place. A problem has the path `line 12, column 3 (so2)`; with any, nothing is kept.',
      params: paramsOf(rowsUrl),
      querystring: Type.Object(
        {
          skipBad: Type.Optional(
            Type.Boolean({
              description: 'true or false: keeps the rows without problems, and tells the others',
            }),
          ),
        },
        { additionalProperties: false },
      ),
      consumes: ['application/json', 'text/csv', 'application/x-ndjson'],
      body: GivenRows,
    },
  )
  const config = { ownLane: true, spooled: true, access, changing: ['report', 'write'] as const }
  app.post(rowsUrl, { schema, config, bodyLimit }, async (request, reply) => {
    const { skipBad = false } = request.query as { skipBad?: boolean }
    const { body } = request
    if (!(body instanceof Readable)) {
      throw new HttpError(400, 'invalid', 'the body is missing: rows, as JSON or CSV')
    }
    const octets = Number(request.headers['content-length'] ?? Number.NaN)
    // Who sends slowly holds up nobody: what is short has no place while it comes.
    const short = octets <= shortBody ? await whole(body) : null
    const lane = short === null ? lanes.long : lanes.short
    using _place = await lane.enter(tokenHolder(request), goneSignal(reply))
    const feed = await requireFeed(context.database, nameOf(request))
    const options = {
      feed,
      format: formatOf(request),
      now: context.now(),
      skipBad,
      write: (rows) => context.feedWriter.write(feed, rows),
    } satisfies ImportOptions
    const { problems, ...done } =
      short === null
        ? await takeLong(context, request, reply, body, options)
        : await importShort(short, options)
    return { feed: feed.value.name, ...done, problems: problems.told }
  })
}

const nameOf = (request: FastifyRequest) => (request.params as { name: string }).name

function formatOf({ headers }: FastifyRequest): RowFormat {
  const [type = ''] = (headers['content-type'] ?? '').split(';', 1)
  return formats[type.trim().toLowerCase()]!
}

async function takeLong(
  context: Observations,
  request: FastifyRequest,
  reply: FastifyReply,
  body: Readable,
  options: ImportOptions,
): Promise<Imported> {
  using _watched = request.server.tokenWatch.watch(request.token, 'write', () => reply.raw.destroy())
  try {
    await using spool = await Spool.create(context.spoolDirectory)
    await receive(spool, body)
    return await importRows(() => spool.reread(), options)
  } catch (error) {
    if (!(error instanceof SpoolUnavailable)) throw error
    throw new HttpError(503, 'unavailable', error.message, { headers: { 'retry-after': '5' } })
  }
}

async function whole(body: Readable): Promise<Octets> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer)
  } catch {
    throw new HttpError(400, 'bad-request', 'the body did not arrive whole')
  }
  return Readable.from([Buffer.concat(chunks)])
}

async function receive(spool: Spool, body: Readable): Promise<void> {
  try {
    await spool.fill(body, bodyLimit)
  } catch (error) {
    if (error instanceof SpoolOverflow) throw bodyTooLarge(bodyLimit)
    if (body.destroyed && !(error instanceof SpoolUnavailable)) {
      throw new HttpError(400, 'bad-request', 'the body did not arrive whole')
    }
    throw error
  }
}

/** @param url of the route; what the short one is for stands in the other's summary */
function registerGet(
  app: FastifyInstance,
  context: Ground,
  lane: Lane,
  { url, id, summary, unlisted = false }: { url: string; id: string; summary: string; unlisted?: boolean },
): void {
  const page = json('One page, in the order of entities, and of time for each of them.', Answer, {
    ...cachedHeaders,
    'pooldns-next-cursor':
      'The cursor of the next page, where there is one and the page has 10,000 rows and 300,000 values at most.',
  })
  const content = { 'application/json': { schema: Answer }, 'text/csv': { schema: Type.String() } }
  const schema = guarded({ tag: 'feed', id, summary }, { 200: { ...page, content }, ...notModified }, [404], {
    description: answerWords,
    querystring: AnswerQuery,
    params: paramsOf(url),
  })
  const config = { ownLane: true, access, unlisted }
  app.get(url, { schema, config, exposeHeadRoute: false }, (request, reply) =>
    answer(context, lane, request, reply),
  )
}

/**
 * Feeds at their names alone. What is no feed is nothing, whoever asks: this route stands where all that was mistyped ends.
 */
export async function shortFeedRoute(app: FastifyInstance, context: Ground, lane: Lane): Promise<void> {
  app.addHook('onRequest', async (request) => {
    if (!isServedFeed(nameOf(request), context.memory()?.catalog)) throw nothingAt(pathOf(request.url))
  })
  app.addHook('onRequest', requireToken(context))
  const summary = 'The rows of a feed, as at /v1/feeds/{name}'
  registerGet(app, context, lane, { url: shortUrl, id: 'getRowsShort', summary, unlisted: true })
}

const answerWords =
  'With `step` the columns are `so2_avg`, `so2_min` and `so2_max` for each column `so2`. As CSV (RFC 4180) a value that is not known is ' +
  'an empty field. Numbers read back equal.'

async function answer(
  context: Ground,
  lane: Lane,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const name = nameOf(request)
  const question = questionOf(request)
  if (!feedNamePattern.test(name)) throw new HttpError(404, 'not-found', `feed ${name} does not exist`)
  const feed = feedByHeart(name, context.memory()?.catalog) ?? (await storedFeed(context, name))
  return replyRows(context, { lane, request, reply, feed, question })
}

async function storedFeed({ database }: Ground, name: string): Promise<ReadableFeed> {
  const stored = await requireFeed(database, name)
  return { ...stored, cacheMs: stored.value.cacheMs }
}

/** What the query asks for. Throws `invalid`, with all that is wrong. */
export function questionOf({ query, headers }: Pick<FastifyRequest, 'query' | 'headers'>): FeedQuestion {
  const given = query as {
    entity?: string
    from?: string
    to?: string
    latest?: boolean
    step?: string
    limit?: number
    cursor?: string
    format?: 'json' | 'csv'
  }
  const problems: { path: string; message: string }[] = []
  const instant = (path: 'from' | 'to') => {
    const text = given[path]
    if (text === undefined) return undefined
    const micros = parseInstant(text)
    if (micros === null)
      problems.push({ path, message: `must be ${instantWords}, not ${JSON.stringify(text)}` })
    return micros ?? undefined
  }
  const [fromMicros, toMicros] = [instant('from'), instant('to')]
  const stepMs = given.step === undefined ? null : parseDuration(given.step)
  if (given.step !== undefined && (stepMs === null || stepMs < shortestStepMs)) {
    problems.push({
      path: 'step',
      message: `must be a duration of 1s or more such as 5m, not ${JSON.stringify(given.step)}`,
    })
  }
  const { latest = false, limit = defaultRows } = given
  if (latest && stepMs !== null)
    problems.push({ path: 'step', message: 'goes with rows, not with the latest ones' })
  const after = given.cursor === undefined ? null : readRowCursor(given.cursor)
  if (given.cursor !== undefined && after === null) {
    problems.push({ path: 'cursor', message: 'is not a cursor that a list gave' })
  }
  if (problems.length > 0) throw invalid('the query', problems)
  const stepMicros = stepMs === null ? null : stepMs * 1000
  const format = given.format ?? accepted(headers.accept)
  return { entity: given.entity, fromMicros, toMicros, latest, stepMicros, limit, after, format }
}

/** CSV where the client would rather have it than JSON; see RFC 9110 section 12.5.1. */
function accepted(accept = '*/*'): 'json' | 'csv' {
  const quality = { json: 0, csv: 0 }
  for (const part of accept.toLowerCase().split(',')) {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim())
    const given = parameters.find((text) => text.startsWith('q='))
    // What is named goes before what is only not left out.
    const weight =
      (given === undefined ? 1 : Number(given.slice(2)) || 0) + (range.includes('*') ? -0.0001 : 0)
    if (/^(\*\/\*|application\/(\*|json))$/.test(range)) quality.json = Math.max(quality.json, weight)
    if (/^(text\/(\*|csv))$/.test(range)) quality.csv = Math.max(quality.csv, weight)
  }
  return quality.csv > quality.json ? 'csv' : 'json'
}
