/** What happened: transitions of members, and writes. Newest first. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { healthStates } from '../model.ts'
import { listAudit } from '../store/audit.ts'
import { listEvents } from '../store/health.ts'
import type { ApiContext } from './context.ts'
import { bearer, json, PageQuery, pageOf, problems as problemResponses } from './schemas.ts'

const Instant = Type.String({ format: 'date-time' })

const Event = Type.Object({
  pool: Type.String(),
  member: Type.String(),
  from: Type.Enum([...healthStates]),
  to: Type.Enum([...healthStates]),
  reason: Type.String(),
  at: Instant,
})

const Entry = Type.Object({
  at: Instant,
  actor: Type.String({ description: '`admin`, `token:<name>`, or the part of the daemon that wrote' }),
  action: Type.String({ description: 'such as `pool.put`' }),
  key: Type.String(),
  before: Type.Unknown(),
  after: Type.Unknown(),
  revision: Type.Integer(),
})

const EventQuery = Type.Object(
  {
    ...PageQuery.properties,
    pool: Type.Optional(Type.String({ description: 'the name of a pool' })),
    member: Type.Optional(Type.String({ description: 'the name of a member' })),
  },
  { additionalProperties: false },
)

interface Query {
  readonly limit?: number
  readonly cursor?: string
  readonly pool?: string
  readonly member?: string
}

export function journalRoutes(app: FastifyInstance, context: ApiContext): void {
  const failures = problemResponses(400, 401, 403, 503)
  app.get(
    '/v1/events',
    {
      schema: {
        tags: ['journal'],
        summary: 'Transitions of members, newest first',
        security: bearer,
        querystring: EventQuery,
        response: { 200: json('One page.', pageOf(Event)), ...failures },
      },
    },
    async (request) => {
      const { limit, cursor, pool, member } = request.query as Query
      const filter = { limit: limit ?? 100, cursor: cursor ?? null, pool, member }
      const page = await context.database.read((tx) => listEvents(tx, filter))
      return page
    },
  )
  app.get(
    '/v1/audit',
    {
      schema: {
        tags: ['journal'],
        summary: 'Who changed what, newest first',
        security: bearer,
        querystring: PageQuery,
        response: { 200: json('One page.', pageOf(Entry)), ...failures },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query as Query
      return context.database.read((tx) => listAudit(tx, { limit: limit ?? 100, cursor: cursor ?? null }))
    },
  )
}
