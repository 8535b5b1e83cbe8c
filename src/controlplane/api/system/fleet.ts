import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import type { NodeRecord } from '../../model/observation.ts'
import { forgetNode, listNodes } from '../../store/fleet.ts'
import type { Ground, System } from '../context.ts'
import { readEither } from '../memory.ts'
import { done, guarded, Instant, json, paramsOf, TextOrNull } from '../schemas.ts'

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
  registerForget(app, context)
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

/** A node that was killed for good has said no good-bye: what waits for it goes on at an operator's word. */
function registerForget(app: FastifyInstance, context: Ground & System): void {
  const operation = { tag: 'fleet', id: 'forgetNode', summary: 'Says that a node is gone for good' }
  const url = '/v1/nodes/:id'
  const schema = guarded(operation, done('It is forgotten.'), [404, 409], {
    description:
      'Rollovers of keys wait for a node that is silent, since it may have lost the database and go on answering. Whoever says wrongly that one is ' +
      'gone has signed zones found bogus. Refused for one that is live; one that is heard again later is there again.',
    params: paramsOf(url),
  })
  app.delete(url, { schema, config: { access: 'everything' } }, async (request, reply) => {
    const { id } = request.params as { readonly id: string }
    await context.database.write(request.actor, (write) => forgetNode(write, id, context.node.liveForMs))
    return reply.code(204).send()
  })
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
