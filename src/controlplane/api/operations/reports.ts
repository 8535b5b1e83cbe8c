/**
 * Reports on members with a push monitor, from their own agents. A report counts on this node at once, database or not, and
 * reaches the other nodes through the database. It changes nothing of the configuration: no revision, no audit entry.
 * So that an agent's token can't do more than report, there is a scope for this alone.
 */
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { Duration, durationMs, Text, Whole, Words } from '../../document/fields.ts'
import { compileCheck } from '../../document/schema-check.ts'
import { ControlError } from '../../model/errors.ts'
import type { MemberReport } from '../../model/observation.ts'
import { invalid, notFound } from '../configuration/resource.ts'
import type { ApiContext } from '../context.ts'
import { bearer, json, NoQuery, problems as problemResponses } from '../schemas.ts'

const ReportSchema = Type.Object(
  {
    state: Words(['up', 'down']),
    reason: Type.Optional(Text('a text of at most 160 characters', (text) => text.length <= 160)),
    weight: Type.Optional(Whole(0, 100)),
    ttl: Type.Optional(Duration(1000, 86_400_000)),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with state, reason, weight (percent) and ttl' },
)

const check = compileCheck(ReportSchema)

const ReportView = Type.Object({
  state: Words(['up', 'down']),
  reason: Type.String(),
  weight: Type.Unsafe<number | null>({ type: ['integer', 'null'] }),
  status: Type.Object({
    at: Type.String({ format: 'date-time' }),
    until: Type.String({ format: 'date-time' }),
  }),
})

export function reportRoutes(app: FastifyInstance, context: ApiContext): void {
  app.put(
    '/v1/pools/:name/members/:member/report',
    {
      schema: {
        tags: ['member'],
        summary: 'Reports the state of a member whose monitor is of type push',
        description: 'Needs the scope `report` or `write`. Without a ttl the one of the monitor counts.',
        params: Type.Object({ name: Type.String(), member: Type.String() }),
        querystring: NoQuery,
        security: bearer,
        body: ReportSchema,
        response: {
          200: json('It counts.', ReportView),
          ...problemResponses(400, 401, 403, 404, 409, 413, 415, 503),
        },
      },
    },
    async (request) => {
      const { name: pool, member } = request.params as { name: string; member: string }
      const problems = check(request.body, '')
      if (problems.length > 0) throw invalid('the report', problems)
      const report = toReport(context, pool, member, request.body as Static<typeof ReportSchema>)
      context.health.report(report)
      const { state, reason, weightPercent: weight, at, until } = report
      return { state, reason, weight, status: { at: at.toISOString(), until: until.toISOString() } }
    },
  )
}

function toReport(
  context: ApiContext,
  pool: string,
  member: string,
  body: Static<typeof ReportSchema>,
): MemberReport {
  const ttlMs = context.health.reportTtlMs(pool, member)
  if (ttlMs === undefined) throw notFound(`member ${member} of pool ${pool}`)
  if (ttlMs === null) throw new ControlError('conflict', `the monitor of pool ${pool} takes no reports`)
  const at = context.now()
  return {
    pool,
    member,
    state: body.state,
    reason: body.reason ?? `reported ${body.state}`,
    weightPercent: body.weight ?? null,
    at,
    until: new Date(at.getTime() + (body.ttl === undefined ? ttlMs : durationMs(body.ttl))),
  }
}
