import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { spellingOfPart } from '../../catalog/spellings.ts'
import { FeedSchema, formatFeed, parseFeed } from '../../document/feed.ts'
import { hideOfFeed } from '../../document/hidden.ts'
import { sourceStates } from '../../model/event.ts'
import type { Feed } from '../../model/feed.ts'
import type { Tx } from '../../store/database.ts'
import { readSourceStates, type SourceState } from '../../store/feed-sources.ts'
import { deleteFeed, getFeed, listFeeds, putFeed, type StoredFeed } from '../../store/feeds.ts'
import { bodyOf, type Stored } from '../../store/stored.ts'
import type { Ground } from '../context.ts'
import { Instant, withStatus } from '../schemas.ts'
import { type Resource, registerResource } from './resource.ts'

const asWritten = (stored: Pick<Stored<Feed>, 'value' | 'written'>) =>
  bodyOf(stored, (feed) => formatFeed(feed))

const { status: _, ...fields } = FeedSchema.properties
const viewed = Type.Object(fields)

/** Secrets stand in what holds by a feed, too. */
function hideShown(body: object): object {
  const { status, ...shown } = body as { readonly status?: { readonly effective?: object } }
  const hidden = hideOfFeed(shown)
  // Lists say nothing of it.
  if (status?.effective === undefined) return status === undefined ? hidden : { ...hidden, status }
  return { ...hidden, status: { ...status, effective: hideOfFeed(status.effective) } }
}

const SourceView = Type.Object(
  {
    state: Type.Enum(['waiting', ...sourceStates]),
    node: Type.Optional(Type.String({ description: 'the server that asked last' })),
    at: Type.Optional(Instant),
    rows: Type.Optional(Type.Integer({ description: 'that came of it' })),
    leftOut: Type.Optional(Type.Integer({ description: 'series of which no row could be made' })),
    reason: Type.Optional(
      Type.String({ description: 'why it failed, or why the first series was left out' }),
    ),
    failingSince: Type.Optional(Instant),
  },
  { title: 'FeedSourceState', description: 'what came of the last query; of a feed with a source' },
)
const Status = Type.Object({ source: Type.Optional(SourceView) })

function sourceView(state: SourceState | undefined): object {
  if (state === undefined || state.askedAt === null) return { state: 'waiting' }
  const { node, askedAt: at, rows, leftOut, reason, failingSince } = state
  return {
    state: failingSince === null ? 'ok' : 'failing',
    node,
    at,
    ...(rows === null ? {} : { rows, leftOut }),
    ...(reason === null ? {} : { reason }),
    ...(failingSince === null ? {} : { failingSince }),
  }
}

/** As written, with what came of their sources. */
async function present(tx: Tx, feeds: readonly StoredFeed[]): Promise<object[]> {
  const sourced = feeds.flatMap(({ id, value }) => (value.source === null ? [] : [id]))
  const states = await readSourceStates(tx, sourced)
  return feeds.map((feed) => ({
    ...asWritten(feed),
    status: feed.value.source === null ? {} : { source: sourceView(states.get(feed.id)) },
  }))
}

/** What feeds there are. What is in one is read where its name alone stands, so what was declared is read behind it. */
const resource: Resource<string, Feed, Feed> = {
  kind: 'feed',
  access: { kind: 'feed', param: 'name' },
  url: '/v1/feeds/:name',
  readUrl: '/v1/feeds/:name/declaration',
  body: FeedSchema,
  view: withStatus(viewed, Status),
  key: (params) => params.name!,
  get: getFeed,
  put: (write, feed, condition, _name, body) => putFeed(write, feed, condition, body),
  delete: deleteFeed,
  parse: parseFeed,
  bodyOf: asWritten,
  effective: (feed) => formatFeed(feed, true),
  hide: hideShown,
  present: async (tx, stored) => (await present(tx, [(await stored) as StoredFeed]))[0]!,
  remembered: {
    get: ({ catalog }, name) => catalog.feeds.get(name) ?? null,
    present: (_memory, feed) => spellingOfPart(feed) ?? formatFeed(feed),
    list: ({ catalog }) => catalog.feeds.values(),
  },
  listing: {
    present: (tx, stored) => present(tx, stored as readonly StoredFeed[]),
    item: withStatus(viewed, Status, { name: Type.String() }),
    list: listFeeds,
    nameOf: ({ name }) => name,
  },
}

export function feedRoutes(app: FastifyInstance, context: Ground): void {
  registerResource(app, context, resource)
}
