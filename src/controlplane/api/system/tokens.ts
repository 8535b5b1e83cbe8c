/**
 * Tokens for others than the admin. Their secrets are told once, when they are made; tokens are no configuration, so
 * nothing is published and there is no ETag.
 */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { tokenScopes } from '../../../../schema/journal.ts'
import { Name, Words } from '../../document/fields.ts'
import { fieldsOf, list, record } from '../../document/forms.ts'
import type { Problem } from '../../model/errors.ts'
import { createToken, pageTokens, revokeToken, type Token } from '../../store/tokens.ts'
import { invalid } from '../configuration/resource.ts'
import type { ApiContext } from '../context.ts'
import {
  bearer,
  Instant,
  json,
  NoQuery,
  PageQuery,
  pageOf,
  pageRequest,
  problems as problemResponses,
} from '../schemas.ts'

const Scopes = list(Words(tokenScopes), {
  minItems: 1,
  maxItems: tokenScopes.length,
  uniqueItems: true,
  description: `at least one of ${tokenScopes.join(', ')}, none of them twice`,
})

const field = fieldsOf<Pick<Token, 'name' | 'scopes'>>()
const form = record(
  { name: field.required('name', Name), scopes: field.optional('scopes', Scopes, [tokenScopes[0]]) },
  { description: 'an object with name and scopes' },
)

const CreatedToken = Type.Object({
  name: Type.String(),
  scopes: Scopes.schema,
  secret: Type.String({ description: 'what clients send; it is never told again' }),
})
const TokenView = Type.Object({
  name: Type.String(),
  scopes: Scopes.schema,
  createdAt: Instant,
  lastUsedAt: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'to the minute; null when it has never been used',
  }),
})

const doc = { tags: ['token'], security: bearer }

export function tokenRoutes(app: FastifyInstance, context: ApiContext): void {
  registerList(app, context)
  registerCreate(app, context)
  registerRevoke(app, context)
}

function registerList(app: FastifyInstance, context: ApiContext): void {
  const schema = {
    ...doc,
    summary: 'Lists every token, for the admin',
    querystring: PageQuery,
    response: {
      200: json('One page, in the order of names.', pageOf(TokenView)),
      ...problemResponses(400, 401, 403, 503),
    },
  }
  app.get('/v1/tokens', { schema }, async (request) => {
    return context.database.read((tx) => pageTokens(tx, pageRequest(request.query)))
  })
}

function registerCreate(app: FastifyInstance, context: ApiContext): void {
  const schema = {
    ...doc,
    summary: 'Creates a token, for the admin',
    description: `Without scopes it may ${tokenScopes[0]}.`,
    querystring: NoQuery,
    body: form.schema,
    response: {
      201: json('Created.', CreatedToken),
      ...problemResponses(400, 401, 403, 409, 413, 415, 503),
    },
  }
  app.post('/v1/tokens', { schema }, async (request, reply) => {
    const problems: Problem[] = []
    const body = form.parse(request.body, '', problems)
    if (body === undefined) throw invalid('the token', problems)
    const { name, scopes } = body
    const { result: secret } = await context.database.write(request.actor, async (write) => {
      write.audit('token.create', name, null, { scopes })
      return createToken(write.tx, name, scopes)
    })
    // No cache on the way may keep it.
    return reply.code(201).header('cache-control', 'no-store').send({ name, scopes, secret })
  })
}

function registerRevoke(app: FastifyInstance, context: ApiContext): void {
  const schema = {
    ...doc,
    summary: 'Revokes a token at once, for the admin',
    params: Type.Object({ name: Type.String() }),
    querystring: NoQuery,
    response: {
      204: { description: 'Revoked.', type: 'null' },
      ...problemResponses(400, 401, 403, 404, 503),
    },
  }
  app.delete('/v1/tokens/:name', { schema }, async (request, reply) => {
    const { name } = request.params as { name: string }
    await context.database.write(request.actor, async (write) => {
      write.audit('token.revoke', name, {}, null)
      await revokeToken(write.tx, name)
    })
    return reply.code(204).send()
  })
}
