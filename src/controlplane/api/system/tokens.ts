/**
 * Tokens for others than the admin. Their secrets are told once, when they are made; tokens are no configuration, so
 * nothing is published and there is no ETag.
 */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { Limited, parseTokenWish, Scopes, tokenForm } from '../../document/token.ts'
import { tokenScopes } from '../../model/token.ts'
import { makeToken, pageTokens, revokeToken } from '../../store/tokens.ts'
import { valid } from '../configuration/resource.ts'
import type { Ground } from '../context.ts'
import {
  done,
  guarded,
  Instant,
  InstantOrNull,
  json,
  PageQuery,
  page,
  pageReply,
  pageRequest,
  paramsOf,
  TextOrNull,
} from '../schemas.ts'

const shown = {
  name: Type.String(),
  scopes: Scopes.schema,
  limits: Limited.schema,
  expiresAt: InstantOrNull,
  description: Type.String(),
}
const CreatedToken = Type.Object(
  {
    ...shown,
    secret: Type.String({ description: 'what clients send; it is never told again' }),
  },
  { title: 'CreatedToken' },
)
const TokenView = Type.Object(
  {
    ...shown,
    createdAt: Instant,
    lastUsedAt: TextOrNull('to the minute; null when it has never been used'),
  },
  { title: 'Token' },
)

const config = { access: 'admin' } as const

export function tokenRoutes(app: FastifyInstance, context: Ground): void {
  registerList(app, context)
  registerCreate(app, context)
  registerRevoke(app, context)
}

function registerList(app: FastifyInstance, context: Ground): void {
  const replies = page('Token', TokenView, ', in the order of names')
  const schema = guarded(
    { tag: 'token', id: 'listTokens', summary: 'Lists every token, for the admin' },
    replies,
    [],
    { querystring: PageQuery },
  )
  app.get('/v1/tokens', { schema, config }, async (request) => {
    const page = await context.database.read((tx) => pageTokens(tx, pageRequest(context, request.query)))
    return pageReply(context, page, page.items)
  })
}

function registerCreate(app: FastifyInstance, context: Ground): void {
  const replies = { 201: json('Created.', CreatedToken) }
  const schema = guarded(
    { tag: 'token', id: 'createToken', summary: 'Creates a token, for the admin' },
    replies,
    [409],
    {
      description: `Without scopes it may ${tokenScopes[0]}.`,
      body: tokenForm.schema,
    },
  )
  app.post('/v1/tokens', { schema, config }, async (request, reply) => {
    const wish = valid('the token', (problems) => parseTokenWish(request.body, context.now(), problems))
    const { result: secret } = await context.database.write(request.actor, (write) => makeToken(write, wish))
    // No cache on the way may keep it.
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .send({ ...wish, secret })
  })
}

function registerRevoke(app: FastifyInstance, context: Ground): void {
  const url = '/v1/tokens/:name'
  const taken = { params: paramsOf(url) }
  const schema = guarded(
    { tag: 'token', id: 'revokeToken', summary: 'Revokes a token at once, for the admin' },
    done('Revoked.'),
    [404],
    taken,
  )
  app.delete(url, { schema, config }, async (request, reply) => {
    const { name } = request.params as { name: string }
    await context.database.write(request.actor, async (write) => {
      write.audit('token.revoke', name, {}, null)
      // What it has begun ends on every node.
      write.announce()
      await write.held()
      await revokeToken(write.tx, name)
    })
    app.knownTokens.forget(name)
    return reply.code(204).send()
  })
}
