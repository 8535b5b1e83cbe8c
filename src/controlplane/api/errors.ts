/**
 * Every error of the API becomes an RFC 9457 problem document here, and only here. What a client did wrong is told in
 * full; what went wrong inside is logged with its cause and told to nobody.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Logger } from '../../telemetry/log.ts'
import { ControlError, type ErrorCode, isUnavailable, type Problem } from '../model/errors.ts'

export const problemType = 'application/problem+json'

/** For every reply, whoever writes it: its type is what it says, whatever a browser would make of its octets. */
export const typeAsTold = { 'x-content-type-options': 'nosniff' } as const

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'a URI that names the kind of problem' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    errors: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))),
    outcome: Type.Optional(
      Type.Enum(['unchanged', 'unknown'], {
        description:
          'of a change that got 503: `unchanged`, or `unknown` when the database was told to make it and did not answer any more',
      }),
    ),
  },
  {
    title: 'Problem',
    description: 'an error as RFC 9457 writes it',
    examples: [
      {
        type: 'urn:pooldns:problem:invalid',
        title: 'Bad Request',
        status: 400,
        detail: 'monitor web is not valid: port is required',
        errors: [{ path: 'port', message: 'is required' }],
      },
    ],
  },
)

/** An error that is HTTP's own: who may ask, how often, by which method. */
export class HttpError extends Error {
  readonly status: number
  /** Last part of the problem's type, such as `unauthorized`. */
  readonly kind: string
  readonly headers: Readonly<Record<string, string>>
  readonly problems: readonly Problem[]
  /** What is known of a change that could not be made. */
  readonly outcome: 'unchanged' | 'unknown' | undefined

  constructor(
    status: number,
    kind: string,
    detail: string,
    options: {
      headers?: Record<string, string>
      problems?: readonly Problem[]
      outcome?: 'unchanged' | 'unknown' | undefined
    } = {},
  ) {
    super(detail)
    this.name = 'HttpError'
    this.status = status
    this.kind = kind
    this.headers = options.headers ?? {}
    this.problems = options.problems ?? []
    this.outcome = options.outcome
  }
}

const statusOf: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  stale: 412,
  unavailable: 503,
}

/** Seconds after which a client that got 503 may try again: the database is tried about that often. */
const retryAfterSeconds = '5'

/** @param changes whether the request would have changed something */
function toHttpError(error: unknown, changes: boolean): HttpError | null {
  if (error instanceof HttpError) return error
  if (error instanceof ControlError) {
    const headers: Record<string, string> = isUnavailable(error) ? { 'retry-after': retryAfterSeconds } : {}
    const { code, message, problems, mayHaveChanged } = error
    const outcome = changes && isUnavailable(error) ? (mayHaveChanged ? 'unknown' : 'unchanged') : undefined
    return new HttpError(statusOf[code], code, message, { headers, problems, outcome })
  }
  const { statusCode, code, message } = (error ?? {}) as Partial<FastifyError>
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return null
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new HttpError(413, 'too-large', 'the body is larger than this route takes')
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const detail = 'the body must be JSON: Content-Type: application/json'
    return new HttpError(415, 'unsupported-media-type', detail)
  }
  return new HttpError(statusCode, 'bad-request', message ?? 'the request is not valid')
}

/** The problem document of an error, as JSON. */
function problemText(error: HttpError): string {
  return JSON.stringify({
    type: `urn:pooldns:problem:${error.kind}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    ...(error.problems.length > 0 ? { errors: error.problems } : {}),
    ...(error.outcome === undefined ? {} : { outcome: error.outcome }),
  })
}

/** Statuses that say something of who asks: no token, not for them, too often, not here. */
const refusals: ReadonlySet<number> = new Set([401, 403, 421, 429])

declare module 'fastify' {
  interface FastifyRequest {
    /** Kind of the problem for which a client was refused; empty when it was not. */
    refusal: string
  }
}

/**
 * Replies to a request with the problem document of whatever was thrown.
 *
 * @param thrown what the client is told of
 * @param error what the log is
 */
export function replyWithError(
  thrown: unknown,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): void {
  const told = toHttpError(thrown, request.method !== 'GET' && request.method !== 'HEAD')
  const known =
    told ?? new HttpError(500, 'internal', 'something went wrong inside; the log of the server says what')
  const line = { method: request.method, path: pathOf(request.url) }
  if (told === null) log.error({ err: error, ...line }, 'request failed')
  // What we say ourselves, such as `/ready` to each probe while a server starts, needs no stack.
  else if (told.status === 503)
    log.warn(error === told ? { reason: told.message, ...line } : { err: error, ...line }, 'request refused')
  if (refusals.has(known.status)) request.refusal = known.kind
  // As octets: to a text Fastify would add a charset, which the media type does not have.
  const body = Buffer.from(problemText(known))
  // Fastify closes the connection under a client that still sends; what it sends is read to some end instead, or it might never
  // see the reply.
  if (reply.hasHeader('connection')) reply.removeHeader('connection')
  const headers = { ...known.headers, ...typeAsTold, 'content-type': problemType }
  reply.code(known.status).headers(headers).send(body)
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What is at other paths is not told by it. */
    unlisted?: boolean
  }
}

/** What a path is answered that nothing is at. */
export function nothingAt(path: string): HttpError {
  return new HttpError(404, 'not-found', `there is nothing at ${path}`)
}

/** A URL without its query, which may hold what belongs in no log. */
export function pathOf(url: string): string {
  return url.split('?', 1)[0]!.slice(0, 1024)
}

/**
 * 404 for a path that is none, 405 with `Allow` for one that takes other methods, before anything of a body is read. Must be called
 * before routes are registered, as it takes note of them.
 */
export function handleUnknownRoutes(app: FastifyInstance): void {
  /** Bound: the routes of the API. */
  const routes: { methods: readonly string[]; segments: readonly string[] }[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.unlisted === true) return
    routes.push({ methods: [method].flat(), segments: url.split('/') })
  })
  const refuse = (request: FastifyRequest): never => {
    const path = pathOf(request.url)
    const segments = path.split('/')
    const matching = routes.filter((route) => matches(route.segments, segments))
    const allowed = [...new Set(matching.flatMap((route) => route.methods))].sort()
    if (allowed.length === 0 || allowed.includes(request.method)) {
      throw nothingAt(path)
    }
    throw new HttpError(405, 'method-not-allowed', `${path} takes ${allowed.join(', ')}`, {
      headers: { allow: allowed.join(', ') },
    })
  }
  // The handler of what is not found would come behind the body.
  app.addHook('onRequest', async (request) => {
    if (request.is404) refuse(request)
  })
  app.setNotFoundHandler(refuse)
}

function matches(route: readonly string[], path: readonly string[]): boolean {
  return (
    route.length === path.length &&
    route.every(
      (segment, index) => segment === path[index] || (segment.startsWith(':') && path[index] !== ''),
    )
  )
}

/** What octets are told that never became a request: broken syntax, header too large, too slow. */
export function brokenRequest({ code }: NodeJS.ErrnoException): HttpError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpError(431, 'bad-request', 'the header fields are too large')
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new HttpError(413, 'too-large', 'the extensions of a chunk are too large')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpError(408, 'timeout', 'the request did not arrive in time')
    default:
      return new HttpError(400, 'bad-request', 'this is not an HTTP request')
  }
}

/** A problem as a whole HTTP message, the last of its connection. */
export function problemMessage(error: HttpError): string {
  const body = problemText(error)
  return (
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\nContent-Type: ${problemType}\r\n` +
    `X-Content-Type-Options: nosniff\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}

/** Replies to a request that gets no further than this. */
export function sendProblem(response: ServerResponse, error: HttpError): void {
  const body = problemText(error)
  response.writeHead(error.status, {
    ...error.headers,
    ...typeAsTold,
    'content-type': problemType,
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}
