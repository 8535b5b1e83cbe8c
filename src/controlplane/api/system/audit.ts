/** Who changed what. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { listAudit } from '../../store/audit.ts'
import type { Ground } from '../context.ts'
import { guarded, Instant, PageQuery, page, pageReply, pageRequest } from '../schemas.ts'

const AuditEntry = Type.Object(
  {
    at: Instant,
    actor: Type.String({
      description: '`admin`, `token:<name>`, `person:<name>`, or the part of the daemon that wrote',
    }),
    action: Type.String({ description: 'such as `pool.put`' }),
    key: Type.String(),
    before: Type.Unknown(),
    after: Type.Unknown(),
    revision: Type.Integer(),
  },
  { title: 'AuditEntry' },
)

export function auditRoutes(app: FastifyInstance, context: Ground): void {
  const taken = { querystring: PageQuery }
  const schema = guarded(
    { tag: 'journal', id: 'listAudit', summary: 'Who changed what, newest first' },
    page('Audit', AuditEntry),
    [],
    taken,
  )
  app.get('/v1/audit', { schema, config: { access: 'within' } }, async (request) => {
    const wanted = { ...pageRequest(context, request.query), reach: request.reach }
    const page = await context.database.read((tx) => listAudit(tx, wanted))
    return pageReply(context, page, page.items)
  })
}
