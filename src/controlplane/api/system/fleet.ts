import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { listNodes } from '../../store/fleet.ts'
import type { Ground, System } from '../context.ts'
import { readEither } from '../memory.ts'
import { guarded, Instant, json, TextOrNull } from '../schemas.ts'

const Node = Type.Object({
  id: Type.String(),
  name: TextOrNull('`POOLDNS_IDENTITY`'),
  version: Type.String(),
  startedAt: Instant,
  seenAt: Instant,
  revision: Type.Integer({ description: 'of the configuration that it serves' }),
  suspect: Type.Boolean({ description: 'it doubts its own network, so its verdicts do not count' }),
  live: Type.Boolean({ description: 'it has been seen lately' }),
  self: Type.Boolean({ description: 'it is the one that you ask' }),
})

/** The daemons that use this database. */
export function fleetRoutes(app: FastifyInstance, context: Ground & System): void {
  const summary = 'The nodes on this database that were seen within a day'
  const replies = { 200: json('All of them.', Type.Object({ items: Type.Array(Node) })) }
  app.get('/v1/nodes', { schema: guarded('fleet', summary, replies) }, async (_request, reply) => {
    const { id, liveForMs } = context.node
    const fromDatabase = () => context.database.read((tx) => listNodes(tx, liveForMs))
    const since = context.now().getTime() - liveForMs
    const nodes = await readEither(context, reply, fromDatabase, () =>
      // Through the database alone nodes hear of each other.
      context.node
        .known()
        .map((node) => ({ ...node, live: node.id === id || node.seenAt.getTime() > since })),
    )
    return { items: nodes.map((node) => ({ ...node, self: node.id === id })) }
  })
}
