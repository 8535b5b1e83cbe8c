import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { OverrideSchema, parseOverride } from '../document/override.ts'
import type { Problem } from '../errors.ts'
import { deleteOverride, getOverride, putOverride } from '../store/overrides.ts'
import type { ApiContext } from './context.ts'
import { OverrideView, presentOverride } from './member-status.ts'
import { awaitPublished } from './publish.ts'
import { invalid } from './resource.ts'
import { bearer, json, NoQuery, problems as problemResponses } from './schemas.ts'

const published = { 'pooldns-published': '`yes` once this node answers by the change, `pending` after 5 s.' }

/** An operator's word on a member. It has no ETag: the last word counts, and the audit log keeps them all. */
export function overrideRoutes(app: FastifyInstance, context: ApiContext): void {
  const url = '/v1/pools/:name/members/:member/override'
  const doc = {
    tags: ['member'],
    params: Type.Object({ name: Type.String(), member: Type.String() }),
    querystring: NoQuery,
    security: bearer,
  }

  app.put(
    url,
    {
      schema: {
        ...doc,
        summary: 'Overrides the measured state of a member',
        body: OverrideSchema,
        response: {
          200: json('Replaced.', OverrideView, published),
          201: json('Set.', OverrideView, published),
          ...problemResponses(400, 401, 403, 404, 413, 415, 503),
        },
      },
    },
    async (request, reply) => {
      const { name: pool, member } = request.params as { name: string; member: string }
      const problems: Problem[] = []
      const wanted = parseOverride(request.body, context.now(), '', problems)
      if (wanted === null) throw invalid('the override', problems)
      const override = { pool, member, ...wanted, actor: request.actor, since: context.now() }
      const { revision, result: existed } = await context.database.write(request.actor, async (write) => {
        const before = await getOverride(write.tx, pool, member)
        await putOverride(write, override)
        return before !== null
      })
      await awaitPublished(context, revision, reply)
      return reply.code(existed ? 200 : 201).send(presentOverride(override))
    },
  )

  app.delete(
    url,
    {
      schema: {
        ...doc,
        summary: 'Ends the override of a member',
        response: {
          204: { description: 'Ended.', type: 'null' },
          ...problemResponses(400, 401, 403, 404, 503),
        },
      },
    },
    async (request, reply) => {
      const { name, member } = request.params as { name: string; member: string }
      const { revision } = await context.database.write(request.actor, (write) =>
        deleteOverride(write, name, member),
      )
      await awaitPublished(context, revision, reply)
      return reply.code(204).send()
    },
  )
}
