/** Who changed what. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { listAudit } from '../../store/audit.ts'
import type { ApiContext } from '../context.ts'
import {
  bearer,
  Instant,
  json,
  PageQuery,
  pageOf,
  pageRequest,
  problems as problemResponses,
} from '../schemas.ts'

const AuditEntry = Type.Object({
  at: Instant,
  actor: Type.String({ description: '`admin`, `token:<name>`, or the part of the daemon that wrote' }),
  action: Type.String({ description: 'such as `pool.put`' }),
  key: Type.String(),
  before: Type.Unknown(),
  after: Type.Unknown(),
  revision: Type.Integer(),
})

export function journalRoutes(app: FastifyInstance, context: ApiContext): void {
  const failures = problemResponses(400, 401, 403, 503)
  app.get(
    '/v1/audit',
    {
      schema: {
        tags: ['journal'],
        summary: 'Who changed what, newest first',
        security: bearer,
        querystring: PageQuery,
        response: { 200: json('One page.', pageOf(AuditEntry)), ...failures },
      },
    },
    async (request) => context.database.read((tx) => listAudit(tx, pageRequest(request.query))),
  )
}
