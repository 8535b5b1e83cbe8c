/** Schemas that many routes share, and how a route's part of the OpenAPI document is put together. */
import Type, { type Static, type TObject, type TProperties, type TSchema } from 'typebox'
import { jsonOctets, type Page, type PageRequest } from '../store/stored.ts'
import { type HttpLimits, limitsOf } from './admission/limits.ts'
import { ProblemSchema, problemType } from './errors.ts'

export const Instant = Type.String({ format: 'date-time' })
export const InstantOrNull = Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' })

const maxPageItems = 1000
const defaultPageItems = 100

export const PageQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: maxPageItems,
        default: defaultPageItems,
        description: `a whole number from 1 to ${maxPageItems}`,
      }),
    ),
    cursor: Type.Optional(Type.String({ maxLength: 8192, description: 'the nextCursor of the page before' })),
  },
  { additionalProperties: false },
)

type Limited = { readonly httpLimits?: Partial<HttpLimits> }

/** The page that a query with the fields of `PageQuery` asks for. */
export function pageRequest(context: Limited, query: unknown): PageRequest {
  const { limit = defaultPageItems, cursor = null } = query as { limit?: number; cursor?: string }
  return { limit, cursor, octets: limitsOf(context).pageOctets }
}

/**
 * The reply of a list: the bodies of a page's items, as many as fit (what a body has beside what is stored may be most of it), one
 * at least.
 */
export function pageReply<T>(
  context: Limited,
  page: Page<T>,
  bodies: readonly object[],
): { readonly items: readonly object[]; readonly nextCursor: string | null } {
  const { pageOctets } = limitsOf(context)
  let length = 0
  const tooFar = bodies.findIndex((body, nth) => {
    // A comma, too.
    length += jsonOctets(body) + 1
    return length > pageOctets && nth > 0
  })
  if (tooFar === -1) return { items: bodies, nextCursor: page.nextCursor }
  return { items: bodies.slice(0, tooFar), nextCursor: page.cursorAfter(tooFar - 1) }
}

export const TextOrNull = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description })

/** The query of routes without parameters: one that is ignored, such as a `dryRun`, would be a trap. */
export const NoQuery = Type.Object({}, { additionalProperties: false })

const texts: Readonly<Record<number, string>> = {
  400: 'The request is not valid; `errors` says where.',
  401: 'No token, or one that is not known.',
  403: 'The token lacks the scope, or a page of another site has a browser ask.',
  404: 'There is no such thing.',
  409: 'It contradicts what is there, or is in use.',
  412: 'It is not what the client read (`If-Match`), or is there already (`If-None-Match`).',
  413: 'The body is too large.',
  415: 'The body is of a type that is not taken, or coded.',
  421: 'The request is for a host that this server does not answer for.',
  429: 'Too many requests; `Retry-After` says when to come back.',
  500: 'Something went wrong inside.',
  503: 'Not now: the database is not available, something is missing, or too much is asked at once.',
}

const retryAfter = { 'retry-after': 'Seconds after which it may be otherwise.' }
const challenge = { 'www-authenticate': 'What is wrong with the token, or that there is none (RFC 6750).' }
const headersOf: Readonly<Record<number, Record<string, string>>> = {
  401: challenge,
  403: challenge,
  429: retryAfter,
  503: retryAfter,
}

/** Responses that are problem documents; those that any request may get go without saying. */
export function problems(...statuses: number[]): Record<number, object> {
  return Object.fromEntries(
    [...statuses, 400, 403, 421, 500].map((status) => [
      status,
      {
        description: texts[status] ?? 'A problem.',
        headers: described(headersOf[status] ?? {}),
        content: { [problemType]: { schema: ProblemSchema } },
      },
    ]),
  )
}

function described(headers: Readonly<Record<string, string>>): object {
  const schema = { type: 'string' }
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { schema, description }]),
  )
}

interface Operation {
  /** One of `openapi/about.ts`. */
  readonly tag: string
  /** What clients that are generated call it; never changed, or they break. */
  readonly id: string
  readonly summary: string
}

interface Taken {
  readonly description?: string
  readonly params?: TObject
  readonly querystring?: TObject
  readonly headers?: TObject
  readonly consumes?: readonly string[]
  readonly body?: object
}

/**
 * The description of a route that needs a token. Without a `querystring` it takes no query, and who sends a body may send one
 * that is too large or of another type.
 *
 * @param refusals statuses beside those that every such route has
 */
export function guarded(
  { tag, id, summary }: Operation,
  replies: Readonly<Record<number, object>>,
  refusals: readonly number[] = [],
  taken: Taken = {},
) {
  return {
    tags: [tag],
    operationId: id,
    summary,
    security: bearer,
    querystring: NoQuery,
    ...taken,
    response: { ...replies, ...problems(400, 401, 403, 413, 415, 429, 503, ...refusals) },
  }
}

/** The parameters of a path, each of which is a text. */
export function paramsOf(url: string): TObject {
  return Type.Object(
    Object.fromEntries(Array.from(url.matchAll(/:(\w+)/g), ([, name]) => [name, Type.String()])),
  )
}

/** A kind, such as `pool`, as the OpenAPI document writes it within names. */
export function pascalCase(kind: string): string {
  return kind.charAt(0).toUpperCase() + kind.slice(1)
}

/** A schema under a name in the OpenAPI document; see `openapi/components.ts`. */
export function titled<T extends TSchema>(title: string, schema: T) {
  return Type.Unsafe<Static<T>>({ ...schema, title })
}

/**
 * The replies of a list.
 *
 * @param name of one of its items in the OpenAPI document
 */
export function page(
  name: string,
  item: TSchema,
  order = '',
  headers: Record<string, string> = {},
): Record<number, object> {
  const nextCursor = TextOrNull('the cursor of the next page, null at the end')
  const schema = Type.Object({ items: Type.Array(item), nextCursor }, { title: `${name}Page` })
  return { 200: json(`One page${order}.`, schema, headers) }
}

/** The reply of a write that has nothing to tell but that it is done. */
export function done(description: string): Record<number, object> {
  return { 204: { description, type: 'null' } }
}

/** A successful response of JSON. */
export function json(description: string, schema: TSchema, headers: Record<string, string> = {}): object {
  return { description, headers: described(headers), content: { 'application/json': { schema } } }
}

export const etagHeader = { etag: 'The revision of the last change, in quotes: for If-Match.' }
export const publishedHeaders = {
  'pooldns-published': '`yes` once this node answers by the change, `pending` when that took more than 5 s.',
  'pooldns-fleet':
    'With `wait=fleet`: `yes` once every live node answers by the change; after 5 s `pending`, and behind it the ids of those that do not, 20 at most.',
  'pooldns-durability':
    '`power`: the change survives the loss of power; `process`: that of the process; `server`: what the PostgreSQL server promises.',
}
export const writeHeaders = { ...etagHeader, ...publishedHeaders }

/** The body of a PATCH: what it holds is known once it is merged. */
export const MergePatch = Type.Object(
  {},
  { title: 'MergePatch', description: 'fields to set; null takes one away', additionalProperties: true },
)

/** The query of a write: what its reply waits for. `writes.ts` reads it. */
export const WriteQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Literal('fleet', {
        description:
          'fleet: the reply comes when every live node answers by the change, or after 5 s; `pooldns-fleet` tells which',
      }),
    ),
  },
  { additionalProperties: false },
)

/** Request headers of a write. Described for clients; `writes.ts` reads them. */
export const ConditionHeaders = Type.Object({
  'if-match': Type.Optional(Type.String({ description: 'the ETag of what was read, or *' })),
  'if-none-match': Type.Optional(Type.String({ description: '* creates, and never replaces' })),
})

export const bearer = [{ token: [] }]

/**
 * `withStatus` of each body that a resource can have.
 *
 * @param suffix behind the name of a body, for what it becomes
 */
export function eachWithStatus(
  suffix: string,
  bodies: readonly TObject[],
  status: TSchema | null,
  extra: TProperties = {},
) {
  return Type.Unsafe<object>({
    oneOf: bodies.map((body) =>
      titled(`${(body as { title?: string }).title}${suffix}`, withStatus(body, status, extra)),
    ),
  })
}

const effective = Type.Object({
  status: Type.Object({
    effective: Type.Unsafe<object>({
      type: 'object',
      description: 'all that holds, also what the body leaves out as it goes without saying',
    }),
  }),
})

/** The schema of a resource that says what holds by it. */
export function withEffective(view: TSchema): TSchema {
  return Type.Unsafe({ allOf: [view, effective] })
}

/** A resource's schema with what the daemon knows besides under `status`, or without a `status`. */
export function withStatus(
  body: { properties: TProperties },
  status: TSchema | null,
  extra: TProperties = {},
) {
  const { status: _, ...properties } = body.properties
  return Type.Object({ ...extra, ...properties, ...(status === null ? {} : { status }) })
}
