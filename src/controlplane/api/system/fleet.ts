import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { listNodes } from '../../store/fleet.ts'
import type { ApiContext } from '../context.ts'
import { bearer, Instant, json, NoQuery, problems as problemResponses } from '../schemas.ts'

const Node = Type.Object({
  id: Type.String(),
  name: Type.Unsafe<string | null>({ type: ['string', 'null'], description: '`POOLDNS_IDENTITY`' }),
  version: Type.String(),
  startedAt: Instant,
  seenAt: Instant,
  revision: Type.Integer({ description: 'of the configuration that it serves' }),
  suspect: Type.Boolean({ description: 'it doubts its own network, so its verdicts do not count' }),
  live: Type.Boolean({ description: 'it has been seen lately' }),
  self: Type.Boolean({ description: 'it is the one that you ask' }),
})

/** The daemons that use this database. */
export function fleetRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/v1/nodes',
    {
      schema: {
        tags: ['fleet'],
        summary: 'The nodes on this database that were seen within a day',
        security: bearer,
        querystring: NoQuery,
        response: {
          200: json('All of them.', Type.Object({ items: Type.Array(Node) })),
          ...problemResponses(400, 401, 403, 503),
        },
      },
    },
    async () => {
      const { id, liveForMs } = context.node
      const nodes = await context.database.read((tx) => listNodes(tx, liveForMs))
      return { items: nodes.map((node) => ({ ...node, self: node.id === id })) }
    },
  )
}
