import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { System } from '../context.ts'
import { json, problems } from '../schemas.ts'

const description =
  "Zones, pools, monitors and services as fragments of pooldns's document. Errors are RFC 9457 problem documents. " +
  'A write replies once this node answers DNS by it.'

/** Collects the routes that are registered after it into an OpenAPI 3.1 document, and serves that and a page of it. */
export async function serveOpenapi(app: FastifyInstance, context: System): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'pooldns', version: context.version, description },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // By plain HTTP, which this server speaks, the page's own scripts would be asked for by HTTPS and never come.
    transformStaticCSP: (policy) => policy.replace(/\s*upgrade-insecure-requests;?/, ''),
  })
  const schema = {
    tags: ['state'],
    summary: 'This document',
    response: { 200: json('OpenAPI 3.1.', Type.Unsafe<object>({ type: 'object' })), ...problems() },
  }
  app.get('/openapi.json', { schema }, async () => app.swagger())
}
