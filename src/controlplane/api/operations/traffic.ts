/** What is answered now: how many queries, how quickly, and for a service by whom. Counts are for clients that take differences. */

import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { type ServiceShares, sharesOfService } from '../../apply/service-shares.ts'
import { ControlError } from '../../model/errors.ts'
import { TheseClients } from '../configuration/plan-schema.ts'
import { hostname, notFound } from '../configuration/resource.ts'
import type { AnswerCount, Ground, Operations, System } from '../context.ts'
import { markRevision } from '../memory.ts'
import { guarded, Instant, json, paramsOf } from '../schemas.ts'

type Context = Ground & Operations & System

const Count = Type.Integer({ minimum: 0 })

const Traffic = Type.Object(
  {
    at: Instant,
    queries: Count,
    responses: Type.Record(Type.String(), Count, { description: 'by their RCODE' }),
    dropped: Type.Record(Type.String(), Count, { description: 'messages without a response, by why' }),
    durations: Type.Array(
      Type.Object({
        upToSeconds: Type.Unsafe<number | null>({
          type: ['number', 'null'],
          description: 'null for those that took longer than the one before',
        }),
        count: Count,
      }),
      { description: 'responses by the time that they took, each counted once' },
    ),
  },
  { title: 'Traffic', description: 'counted since the processes that answer were started' },
)
export type TrafficReply = Static<typeof Traffic>

export function trafficRoutes(app: FastifyInstance, context: Context): void {
  const schema = guarded(
    { tag: 'fleet', id: 'getTraffic', summary: 'How many queries this node has answered, and how quickly' },
    { 200: json('Counts.', Traffic) },
  )
  app.get('/v1/traffic', { schema, config: { access: 'everything' } }, () => traffic(context))
  registerShares(app, context)
}

async function traffic(context: Context): Promise<TrafficReply> {
  const { queries, responses, dropped, durations, durationBoundsSeconds } = await context.traffic()
  return {
    at: context.now().toISOString(),
    queries: queries.reduce((sum, { count }) => sum + count, 0),
    responses: summed(responses, 'rcode'),
    dropped: summed(dropped, 'reason'),
    durations: durations.map((count, nth) => ({ upToSeconds: durationBoundsSeconds[nth] ?? null, count })),
  }
}

function summed(counts: readonly Readonly<Record<string, unknown>>[], label: string): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const each of counts) {
    const word = String(each[label])
    sums[word] = (sums[word] ?? 0) + Number(each.count)
  }
  return sums
}

/** Members of each group, and those that are counted. */
const mostMembers = 1_000

const Share = Type.Number({ minimum: 0, maximum: 1 })
const PoolShare = Type.Object({ pool: Type.String(), share: Share })
const MemberShare = Type.Object({ pool: Type.String(), member: Type.String(), share: Share })
const Shares = Type.Object(
  {
    at: Instant,
    groups: Type.Array(
      Type.Object({
        types: Type.Array(Type.Enum(['A', 'AAAA'])),
        clients: Type.Optional(TheseClients),
        pools: Type.Array(PoolShare, { description: 'the largest shares first' }),
        members: Type.Array(MemberShare, { description: 'the largest shares first' }),
        moreMembers: Count,
      }),
      { description: 'by clients that are answered alike' },
    ),
    moreGroups: Count,
    counted: Type.Array(Type.Object({ pool: Type.String(), member: Type.String(), count: Count }), {
      description: 'how often members were in answers of this node',
    }),
    moreCounted: Count,
  },
  { title: 'ServiceShares' },
)
/** As a client reads it. */
export type SharesReply = ServiceShares & {
  readonly at: string
  readonly counted: readonly AnswerCount[]
  readonly moreCounted: number
}

function registerShares(app: FastifyInstance, context: Context): void {
  const url = '/v1/services/:name/shares'
  const schema = guarded(
    { tag: 'service', id: 'getServiceShares', summary: 'Which share of the answers each member gets now' },
    {
      200: json('By this node.', Shares, { 'pooldns-revision': 'The revision that this node serves.' }),
    },
    [404],
    { params: paramsOf(url) },
  )
  const config = { access: { kind: 'service', param: 'name' } } as const
  app.get(url, { schema, config }, async (request, reply): Promise<SharesReply> => {
    const name = hostname((request.params as { name: string }).name, 'service', 'name')
    const memory = context.memory()
    if (memory === null) throw new ControlError('unavailable', 'this node has no configuration yet')
    const service = (await context.preview(memory.catalog))(name)
    if (service === null) throw notFound(`service ${name}`)
    markRevision(reply, memory)
    const counted = context.answersOf(name)
    return {
      at: context.now().toISOString(),
      ...sharesOfService(service, mostMembers),
      counted: counted.slice(0, mostMembers),
      moreCounted: Math.max(0, counted.length - mostMembers),
    }
  })
}
