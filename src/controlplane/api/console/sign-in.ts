/** How people sign in to the console beside by a token, for its page to know. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { Ground } from '../context.ts'
import { json, NoQuery, problems } from '../schemas.ts'

/** Where a browser begins with the identity provider. */
export const beginPath = '/v1/session/openid'

const SignInView = Type.Object(
  {
    openid: Type.Unsafe<{ readonly title: string; readonly url: string } | null>({
      type: ['object', 'null'],
      properties: { title: Type.String(), url: Type.String() },
      required: ['title', 'url'],
      additionalProperties: false,
      description: 'the identity provider, and where a browser begins with it; null for none',
    }),
    session: Type.Boolean({
      description: 'whether the browser that asks has a session that has not ended',
    }),
  },
  { title: 'SignIn' },
)
/** As a client reads it. */
export interface SignInReply {
  readonly openid: { readonly title: string; readonly url: string } | null
  readonly session: boolean
}

/** Why nobody was signed in, in the address of the page: `console/views/login.tsx` has the sentences. */
export type SignInFailure = 'denied' | 'provider' | 'stale' | 'rights'

export function signInRoute(app: FastifyInstance, { identityProvider = null, now }: Ground): void {
  const openid =
    identityProvider === null
      ? null
      : { title: identityProvider.title, url: `${identityProvider.origin}${beginPath}` }
  const schema = {
    tags: ['token'],
    operationId: 'getSignIn',
    summary: 'How people sign in to the console, beside by a token',
    querystring: NoQuery,
    response: { 200: json('What there is.', SignInView), ...problems() },
  }
  app.get(
    '/v1/sign-in',
    { schema, config: { access: 'open' } },
    async (request): Promise<SignInReply> => ({ openid, session: app.sessions.of(request, now()) !== null }),
  )
}
