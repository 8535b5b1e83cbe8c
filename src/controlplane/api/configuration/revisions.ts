/** Revisions of the configuration: who made them and why, what each changed, and the way back to one. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { viewPlan } from '../../apply/plan-view.ts'
import { checkRevision, differences, planRollback, rollBack } from '../../apply/revisions.ts'
import { ControlError } from '../../model/errors.ts'
import { getRevision, listRevisions, type Revision } from '../../store/history.ts'
import { currentRevision } from '../../store/revision.ts'
import type { Ground, Operations } from '../context.ts'
import {
  ConditionHeaders,
  guarded,
  Instant,
  json,
  PageQuery,
  page,
  pageReply,
  pageRequest,
  TextOrNull,
  WriteQuery,
  writeHeaders,
} from '../schemas.ts'
import { awaitPublished, conditionOf, etagOf } from '../writes.ts'
import { AllQuery, checkReplay, type DryRun, effectFor, ReplayQuery } from './config.ts'
import { haltedBy } from './gradual-apply.ts'
import { FieldSchema, PlanSchema } from './plan-schema.ts'

const url = '/v1/revisions/:revision'
const number = { minimum: 0, description: 'a whole number of at least 0' }
const params = Type.Object({ revision: Type.Integer(number) })

const RevisionSchema = Type.Object(
  {
    revision: Type.Integer(),
    at: Instant,
    actor: Type.String({ description: 'as in the audit log' }),
    source: Type.String({ description: '`api`, `command`, `apply`, `rollback`, `gradual` or `demo`' }),
    message: TextOrNull('why, as its author said'),
  },
  { title: 'Revision' },
)

const Differences = Type.Array(
  Type.Object(
    {
      kind: Type.String(),
      name: Type.String(),
      rrset: Type.Optional(
        Type.Object(
          { zone: Type.String(), owner: Type.String(), type: Type.String() },
          { description: 'of an RRset: what its name is made of' },
        ),
      ),
      action: Type.String(),
      fields: Type.Array(FieldSchema),
    },
    { title: 'Difference' },
  ),
  {
    description:
      'part by part, in the words of the document; as far as a reply goes, `more` says how many are left',
  },
)

const config = { access: 'within' } as const

/** Bound a reply: so many, and as many as these octets hold of which the first may be longer. */
const mostDifferences = 1_000
const mostOctets = 4 * 1024 * 1024

/** Those that read and write the whole of it. */
export function revisionRoutes(app: FastifyInstance, context: Ground & Operations): void {
  registerReads(app, context)
  registerRollback(app, context)
}

export function revisionListRoute(app: FastifyInstance, { database, ...rest }: Ground): void {
  const context = { database, ...rest }
  const listed = guarded(
    { tag: 'revision', id: 'listRevisions', summary: 'Who changed the configuration, newest first' },
    page('Revision', RevisionSchema),
    [],
    {
      querystring: PageQuery,
    },
  )
  app.get('/v1/revisions', { schema: listed, config }, async (request) => {
    const wanted = { ...pageRequest(context, request.query), reach: request.reach }
    const found = await database.read((tx) => listRevisions(tx, wanted))
    return pageReply(context, found, found.items.map(present))
  })
}

function registerReads(app: FastifyInstance, { database }: Ground): void {
  const one = Type.Object(
    { ...RevisionSchema.properties, changes: Differences, more: Type.Integer() },
    { title: 'RevisionView' },
  )
  const shown = guarded(
    { tag: 'revision', id: 'getRevision', summary: 'What a revision changed' },
    { 200: json('The revision.', one) },
    [404, 409],
    { params },
  )
  app.get(url, { schema: shown, config }, async (request) => {
    const revision = revisionOf(request)
    const found = await database.read((tx) => getRevision(tx, revision, request.reach))
    if (found === null) throw new ControlError('not-found', `nothing is known of a revision ${revision}`)
    return {
      ...present(found),
      ...limited(await differences(database, revision - 1, revision, request.reach)),
    }
  })
  const query = Type.Object(
    {
      to: Type.Optional(
        Type.Integer({ ...number, description: 'another revision; the last one when left out' }),
      ),
    },
    { additionalProperties: false },
  )
  const compared = guarded(
    { tag: 'revision', id: 'diffRevisions', summary: 'What changed between two revisions' },
    {
      200: json(
        'The difference.',
        Type.Object(
          { from: Type.Integer(), to: Type.Integer(), changes: Differences, more: Type.Integer() },
          { title: 'RevisionDiff' },
        ),
      ),
    },
    [404, 409],
    { params, querystring: query },
  )
  app.get(`${url}/diff`, { schema: compared, config }, async (request) => {
    const from = revisionOf(request)
    const current = await database.read(currentRevision)
    const { to = current } = request.query as { to?: number }
    for (const each of [from, to]) checkRevision(each, current)
    return { from, to, ...limited(await differences(database, from, to, request.reach)) }
  })
}

function limited<T>(changes: readonly T[]): { readonly changes: readonly T[]; readonly more: number } {
  let octets = 0
  const end = changes.findIndex((change, nth) => {
    octets += Buffer.byteLength(JSON.stringify(change))
    return nth >= mostDifferences || (nth > 0 && octets > mostOctets)
  })
  return end < 0 ? { changes, more: 0 } : { changes: changes.slice(0, end), more: changes.length - end }
}

function registerRollback(app: FastifyInstance, context: Ground & Operations): void {
  const query = Type.Object(
    {
      ...WriteQuery.properties,
      dryRun: Type.Optional(Type.Boolean({ description: 'true or false: tells what would change' })),
      ...ReplayQuery,
      ...AllQuery,
      message: Type.Optional(Type.String({ maxLength: 1024, description: 'why: up to 1,024 characters' })),
    },
    { additionalProperties: false },
  )
  const schema = guarded(
    { tag: 'revision', id: 'rollBack', summary: 'Returns to a revision, by a new one' },
    { 200: json('What has changed, or would.', PlanSchema, writeHeaders) },
    [404, 409, 412],
    {
      description: 'Overrides, webhooks and tokens stay as they are: they are no part of it.',
      params,
      querystring: query,
      headers: ConditionHeaders,
    },
  )
  app.post(`${url}/rollback`, { schema, config: { ...config, plans: true } }, async (request, reply) => {
    const revision = revisionOf(request)
    const {
      dryRun = false,
      replay = false,
      all = false,
      message,
    } = request.query as DryRun & { all?: boolean; message?: string }
    checkReplay({ dryRun, replay }, request)
    checkRevision(revision, await context.database.read(currentRevision))
    const { ifMatch } = conditionOf(request)
    const { reach } = request
    const options = { revision, since: ifMatch === undefined || ifMatch === '*' ? null : ifMatch, reach }
    if (dryRun) {
      const plan = await planRollback(context.database, options)
      reply.header('etag', etagOf(plan.revision))
      return {
        ...viewPlan(plan, all),
        ...(await effectFor(context, plan, replay, reach)),
        ...haltedBy(context, plan),
      }
    }
    const by = {
      actor: request.actor,
      source: 'rollback',
      message: message ?? `return to revision ${revision}`,
    } as const
    const done = await rollBack(context.database, by, options)
    await awaitPublished(context, done.revision, reply)
    reply.header('etag', etagOf(done.revision))
    return viewPlan(done.plan, all)
  })
}

const revisionOf = ({ params }: FastifyRequest) => (params as { readonly revision: number }).revision

const present = ({ at, ...revision }: Revision) => ({ ...revision, at: at.toISOString() })
