/** Who asks and what they may, for everybody with a token; and how the console keeps one. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { Limited, Scopes } from '../../document/token.ts'
import type { Limits } from '../../model/reach.ts'
import type { TokenScope } from '../../model/token.ts'
import { bearerToken, requireAnyToken } from '../access.ts'
import { Lane } from '../admission/lane.ts'
import { limitsOf } from '../admission/limits.ts'
import { workIn } from '../admission/places.ts'
import type { Ground } from '../context.ts'
import { HttpError } from '../errors.ts'
import { done, guarded, InstantOrNull, json } from '../schemas.ts'
import type { Session } from './sealed-session.ts'
import { isSecure } from './session-cookie.ts'
import { endText } from './sessions.ts'

const SessionView = Type.Object(
  {
    actor: Type.String({
      description: 'as in the audit log: `admin`, `token:` and its name, or `person:` and theirs',
    }),
    scopes: Scopes.schema,
    limits: Limited.schema,
    tokenExpiresAt: InstantOrNull,
    endsAt: Type.Unsafe<string | null>({
      ...InstantOrNull,
      description:
        'of a session: when it ends unless somebody is at the page; null where the token came itself',
    }),
  },
  { title: 'Session' },
)
/** As a client reads it. */
export interface SessionReply {
  readonly actor: string
  readonly scopes: readonly TokenScope[]
  readonly limits: Limits | null
  readonly tokenExpiresAt: string | null
  readonly endsAt: string | null
}

const url = '/v1/session'
const tag = 'token'
const config = { access: 'within' } as const

export function sessionRoutes(app: FastifyInstance, context: Ground): void {
  // Without a token: who wants to leave may.
  const ending = { tag, id: 'endSession', summary: "Has the browser forget the console's session" }
  app.delete(
    url,
    { schema: guarded(ending, done('Forgotten.')), config: { access: 'open' } },
    (request, reply) => {
      app.sessions.end(request, reply)
      return reply.code(204).send()
    },
  )
  app.register(async (known) => {
    known.addHook('onRequest', requireAnyToken(context))
    workIn(known, new Lane('requests in work', limitsOf(context).work))
    registerGet(known)
    registerBegin(known, context)
  })
}

function registerGet(app: FastifyInstance): void {
  const replies = { 200: json('What the token is good for.', SessionView) }
  const schema = guarded({ tag, id: 'getSession', summary: 'Who asks, and what they may' }, replies)
  app.get(url, { schema, config }, async (request) => present(request, request.session))
}

function registerBegin(app: FastifyInstance, context: Ground): void {
  const description =
    'The token comes as ever (`Authorization: Bearer`), and goes back sealed in a cookie that no script can read. Requests that come ' +
    'with it need the field `pooldns-console`, which is `active` while somebody is at the page.'
  const replies = { 200: json('Kept.', SessionView) }
  const schema = guarded(
    { tag, id: 'beginSession', summary: 'Has the browser keep a token, for the console' },
    replies,
    [],
    { description },
  )
  app.post(url, { schema, config }, async (request, reply) => {
    const token = bearerToken(request)
    if (token === null) {
      throw new HttpError(400, 'invalid', 'a session is begun with a token, and not with another session')
    }
    const acts = ['write', 'override'].some((scope) => request.scopes?.includes(scope as TokenScope))
    const begun = { who: { token }, acts, secure: isSecure(request) }
    const session = app.sessions.begin(request, reply, begun, context.now())
    if (session === null) throw new HttpError(400, 'invalid', 'the token is too long for a cookie')
    reply.header('cache-control', 'no-store')
    return present(request, session)
  })
}

function present({ actor, scopes, reach, token }: FastifyRequest, session: Session | null): SessionReply {
  return {
    actor,
    scopes: [...(scopes ?? [])],
    limits: reach?.limits ?? null,
    tokenExpiresAt: (token?.hash ?? null) === null ? null : (token!.expiresAt?.toISOString() ?? null),
    endsAt: session === null ? null : endText(session),
  }
}
