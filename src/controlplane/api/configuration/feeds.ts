import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { spellingOfPart } from '../../catalog/spellings.ts'
import { FeedSchema, formatFeed, parseFeed } from '../../document/feed.ts'
import { hideOfFeed } from '../../document/hidden.ts'
import type { Feed } from '../../model/feed.ts'
import { deleteFeed, getFeed, listFeeds, putFeed } from '../../store/feeds.ts'
import { bodyOf, type Stored } from '../../store/stored.ts'
import type { Ground } from '../context.ts'
import { withStatus } from '../schemas.ts'
import { type Resource, registerResource } from './resource.ts'

const asWritten = (stored: Pick<Stored<Feed>, 'value' | 'written'>) =>
  bodyOf(stored, (feed) => formatFeed(feed))

const { status: _, ...fields } = FeedSchema.properties
const viewed = Type.Object(fields)

/** Secrets stand in what holds by a feed, too. */
function hideShown(body: object): object {
  const { status, ...shown } = body as { readonly status?: { readonly effective: object } }
  const hidden = hideOfFeed(shown)
  return status === undefined
    ? hidden
    : { ...hidden, status: { ...status, effective: hideOfFeed(status.effective) } }
}

/** What feeds there are. What is in one is read where its name alone stands, so what was declared is read behind it. */
const resource: Resource<string, Feed, Feed> = {
  kind: 'feed',
  access: { kind: 'feed', param: 'name' },
  url: '/v1/feeds/:name',
  readUrl: '/v1/feeds/:name/declaration',
  body: FeedSchema,
  view: withStatus(viewed, null),
  key: (params) => params.name!,
  get: getFeed,
  put: (write, feed, condition, _name, body) => putFeed(write, feed, condition, body),
  delete: deleteFeed,
  parse: parseFeed,
  bodyOf: asWritten,
  effective: (feed) => formatFeed(feed, true),
  hide: hideShown,
  present: async (_tx, stored) => asWritten(await stored),
  remembered: {
    get: ({ catalog }, name) => catalog.feeds.get(name) ?? null,
    present: (_memory, feed) => spellingOfPart(feed) ?? formatFeed(feed),
    list: ({ catalog }) => catalog.feeds.values(),
  },
  listing: {
    present: async (_tx, stored) => stored.map(asWritten),
    item: withStatus(viewed, null, { name: Type.String() }),
    list: listFeeds,
    nameOf: ({ name }) => name,
  },
}

export function feedRoutes(app: FastifyInstance, context: Ground): void {
  registerResource(app, context, resource)
}
