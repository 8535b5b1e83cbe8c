/**
 * Reports on members with a push monitor, from their own agents. A report counts on this node at once, database or not, and
 * reaches the other nodes through the database. It changes nothing of the configuration: no revision, no audit entry.
 * So that an agent's token can't do more than report, there is a scope for this alone.
 */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { Duration, Name, Percent, Text, Words } from '../../document/fields.ts'
import { fieldsOf, ignored, list, type RecordForm, record } from '../../document/forms.ts'
import { ControlError } from '../../model/errors.ts'
import type { MemberKey } from '../../model/member-key.ts'
import type { MemberReport } from '../../model/observation.ts'
import { within } from '../../model/reach.ts'
import { longestReason } from '../../model/reason.ts'
import { beyondReach } from '../access.ts'
import { notFound, valid } from '../configuration/resource.ts'
import type { Ground, Observations } from '../context.ts'
import { guarded, Instant, json, paramsOf } from '../schemas.ts'

interface Report {
  readonly state: 'up' | 'down'
  readonly reason: string
  readonly weightPercent: number | null
  readonly ttlMs: number | null
}

const State = Words(['up', 'down'])

const field = fieldsOf<Report>()
const reportFields = {
  state: field.required('state', State),
  reason: field.optional(
    'reason',
    Text(`a text of at most ${longestReason} characters`, (text) => text.length <= longestReason),
    ({ state }) => `reported ${state}`,
  ),
  weight: field.optional('weightPercent', Percent, null),
  ttl: field.optional('ttlMs', Duration(1000, 86_400_000), null),
  status: ignored,
}
const form: RecordForm<Report> = record(reportFields, {
  title: 'Report',
  description: 'an object with state, reason, weight (percent) and ttl',
})

const ReportView = Type.Object(
  {
    state: State.schema,
    reason: Type.String(),
    weight: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
    status: Type.Object({ at: Instant, until: Instant }),
  },
  { title: 'ReportView' },
)

const changing = ['report', 'write'] as const

export function reportRoutes(app: FastifyInstance, context: Ground & Observations): void {
  const url = '/v1/pools/:name/members/:member/report'
  const summary = 'Reports the state of a member whose monitor is of type push'
  const schema = guarded(
    { tag: 'member', id: 'reportMember', summary },
    { 200: json('It counts.', ReportView) },
    [404, 409],
    {
      description: 'Needs the scope `report` or `write`. Without a ttl the one of the monitor counts.',
      params: paramsOf(url),
      body: form.schema,
    },
  )
  const config = { access: { kind: 'pool', param: 'name' }, changing } as const
  app.put(url, { schema, config }, async (request) => {
    const { name: pool, member } = request.params as { name: string; member: string }
    const body = valid('the report', (problems) => form.parse(request.body, '', problems))
    const report = toReport(context, { pool, member }, body)
    context.health.report(report)
    return presented(report)
  })
  bulkRoute(app, context)
}

/** Most members that one call may tell of, and the octets that it may have for it. */
const mostReports = 200
const bulkBodyLimit = 128 * 1024

interface NamedReport extends MemberKey, Report {}

const named = fieldsOf<NamedReport>()
const bulkForm = record(
  {
    reports: fieldsOf<{ reports: readonly NamedReport[] }>().required(
      'reports',
      list(
        record({
          pool: named.required('pool', Name),
          member: named.required('member', Name),
          ...reportFields,
        }) as unknown as RecordForm<NamedReport>,
        { minItems: 1, maxItems: mostReports },
      ),
    ),
  },
  { title: 'Reports', description: 'an object with reports' },
)

/** All of them, or none: an agent that names a member that is not there should hear of it, and not be half believed. */
function bulkRoute(app: FastifyInstance, context: Ground & Observations): void {
  const url = '/v1/reports'
  const summary = `Reports the states of up to ${mostReports} members whose monitors are of type push`
  const reply = Type.Object({ reports: Type.Array(ReportView) }, { title: 'ReportsView' })
  const schema = guarded(
    { tag: 'member', id: 'reportMembers', summary },
    { 200: json('All of them count.', reply) },
    [404, 409],
    {
      description: 'Needs the scope `report` or `write`. Where one of them can not be taken, none is.',
      body: bulkForm.schema,
    },
  )
  const config = { access: 'within', changing } as const
  app.post(url, { schema, bodyLimit: bulkBodyLimit, config }, async (request) => {
    const body = valid('the reports', (problems) => bulkForm.parse(request.body, '', problems))
    const isReached = within(request.reach, 'pool')
    const beyond = body.reports.find(({ pool }) => !isReached(pool))
    if (beyond !== undefined) throw beyondReach(request.actor, { kind: 'pool', name: beyond.pool })
    const reports = body.reports.map(({ pool, member, ...report }) =>
      toReport(context, { pool, member }, report),
    )
    for (const report of reports) context.health.report(report)
    return { reports: reports.map(presented) }
  })
}

function presented({ state, reason, weightPercent: weight, at, until }: MemberReport) {
  return { state, reason, weight, status: { at: at.toISOString(), until: until.toISOString() } }
}

function toReport(context: Ground & Observations, key: MemberKey, report: Report): MemberReport {
  const { pool, member } = key
  const { ttlMs, ...said } = report
  const usualTtlMs = context.health.reportTtlMs(pool, member)
  if (usualTtlMs === undefined) throw notFound(`member ${member} of pool ${pool}`)
  if (usualTtlMs === null) throw new ControlError('conflict', `the monitor of pool ${pool} takes no reports`)
  const at = context.now()
  return { pool, member, ...said, at, until: new Date(at.getTime() + (ttlMs ?? usualTtlMs)) }
}
