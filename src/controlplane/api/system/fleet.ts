import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { NodeRecord } from '../../model/observation.ts'
import { listNodes } from '../../store/fleet.ts'
import type { Ground, System } from '../context.ts'
import { readEither } from '../memory.ts'
import { guarded, Instant, json, TextOrNull } from '../schemas.ts'

export const NodeView = Type.Object(
  {
    id: Type.String(),
    name: TextOrNull('`POOLDNS_IDENTITY`'),
    version: Type.String(),
    startedAt: Instant,
    seenAt: Instant,
    revision: Type.Integer({ description: 'of the configuration that it serves' }),
    suspect: Type.Boolean({ description: 'it doubts its own network, so its verdicts do not count' }),
    live: Type.Boolean({ description: 'it has been seen lately' }),
    self: Type.Boolean({ description: 'it is the one that you ask' }),
  },
  { title: 'Node' },
)

/** The daemons that use this database. */
export function fleetRoutes(app: FastifyInstance, context: Ground & System): void {
  const summary = 'The nodes on this database that were seen within a day'
  const replies = {
    200: json('All of them.', Type.Object({ items: Type.Array(NodeView) }, { title: 'NodeList' })),
  }
  app.get(
    '/v1/nodes',
    {
      schema: guarded({ tag: 'fleet', id: 'listNodes', summary }, replies),
      config: { access: 'everything' },
    },
    async (_request, reply) => {
      const { liveForMs } = context.node
      const fromDatabase = async () => {
        const nodes = await context.database.read((tx) => listNodes(tx, liveForMs))
        return nodes.map((node) => present(node, context.node))
      }
      return { items: await readEither(context, reply, fromDatabase, () => presentNodes(context)) }
    },
  )
}

/** The nodes as this one knows them: through the database alone they hear of each other. */
export function presentNodes({
  node,
  now,
}: Pick<Ground & System, 'node' | 'now'>): Static<typeof NodeView>[] {
  const since = now().getTime() - node.liveForMs
  return node
    .known()
    .map((each) => present({ ...each, live: each.id === node.id || each.seenAt.getTime() > since }, node))
}

function present(
  { startedAt, seenAt, ...node }: NodeRecord,
  { id, revision }: System['node'],
): Static<typeof NodeView> {
  const self = node.id === id
  return {
    ...node,
    // What it has told the others is older than what it knows.
    revision: self ? revision() : node.revision,
    startedAt: startedAt.toISOString(),
    seenAt: seenAt.toISOString(),
    self,
  }
}
