/** The configuration as one document: read, planned and applied. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { type ApplyOptions, applyDocument, type Plan, planDocument } from '../../apply/apply.ts'
import { type Effect, effectOf } from '../../apply/effect.ts'
import { exportDocument, reachedOf, rememberedDocument } from '../../apply/export.ts'
import { viewPlan } from '../../apply/plan-view.ts'
import type { ReplayView } from '../../apply/replay/replay-view.ts'
import { type Document, readDocument } from '../../document/document.ts'
import { FeedSchema } from '../../document/feed.ts'
import type { Body } from '../../document/forms.ts'
import { hideOf, reportMarks } from '../../document/hidden.ts'
import { MonitorSchema } from '../../document/monitor.ts'
import { joinPath } from '../../document/path.ts'
import { PoolSchema } from '../../document/pool.ts'
import { isMap } from '../../document/schema-check.ts'
import { ServiceSchema } from '../../document/service.ts'
import { ZoneSchema } from '../../document/zone.ts'
import { ControlError, type Problem } from '../../model/errors.ts'
import { type Reach, reachKinds } from '../../model/reach.ts'
import { mostDocumentRrsets } from '../../store/configuration.ts'
import { currentRevision } from '../../store/revision.ts'
import { beyondReach, outOfReach } from '../access.ts'
import type { Ground, Memory, Operations } from '../context.ts'
import { readEither } from '../memory.ts'
import { ConditionHeaders, etagHeader, guarded, json, WriteQuery, writeHeaders } from '../schemas.ts'
import { awaitPublished, conditionOf, etagOf } from '../writes.ts'
import {
  applyInSteps,
  courseOf,
  type GradualQuery,
  gradualQuery,
  haltedBy,
  planInSteps,
} from './gradual-apply.ts'
import { PlanSchema } from './plan-schema.ts'
import { invalid } from './resource.ts'

/** Octets of a document: some 10,000 services and 50,000 members are a fifth of it. */
const documentLimit = 32 * 1024 * 1024

const url = '/v1/config'

const byName = (schema: object) => Type.Optional(Type.Record(Type.String(), Type.Unsafe<object>(schema)))
const DocumentSchema = Type.Object(
  {
    version: Type.Optional(Type.Literal(1, { description: 'of the format' })),
    owner: Type.Optional(Type.String({ description: 'the label of the files that it comes from' })),
    feeds: byName(FeedSchema),
    monitors: byName(MonitorSchema),
    pools: byName(PoolSchema),
    services: byName(ServiceSchema),
    zones: byName(ZoneSchema),
  },
  { title: 'Config', additionalProperties: false },
)

/** How much of a plan is told. */
export const AllQuery = {
  all: Type.Optional(
    Type.Boolean({
      description:
        'true or false: every change and field, and not the first thousand with two hundred fields each',
    }),
  ),
}

/** What a dry run may be asked for besides. */
export const ReplayQuery = {
  replay: Type.Optional(
    Type.Boolean({
      description:
        'true or false, with dryRun: answers a sample of the questions of the last minutes by what would be, and says what is other',
    }),
  ),
}

const ApplyQuery = Type.Object(
  {
    ...WriteQuery.properties,
    dryRun: Type.Optional(
      Type.Boolean({ description: 'true or false: tells what would change, and changes nothing' }),
    ),
    ...ReplayQuery,
    ...AllQuery,
    prune: Type.Optional(
      Type.Boolean({
        description:
          'true or false: what the document does not name goes, but for what belongs to the files of another owner',
      }),
    ),
    message: Type.Optional(
      Type.String({ maxLength: 1024, description: 'why, for the history: up to 1,024 characters' }),
    ),
    ...gradualQuery,
  },
  { additionalProperties: false },
)

const ExportQuery = Type.Object(
  {
    owner: Type.Optional(Type.String({ description: 'only what belongs to the files of this owner' })),
    rrsets: Type.Optional(
      Type.Boolean({
        description: 'true or false: whether zones come with their RRsets; true when left out',
      }),
    ),
  },
  { additionalProperties: false },
)

/** What a plan would do to answers; nothing is said before this node has a configuration. */
export async function effectFor(
  { memory, preview, replay }: Ground & Operations,
  plan: Plan,
  replays: boolean,
  reach: Reach | null,
): Promise<{ readonly effect?: Effect; readonly replay?: ReplayView }> {
  const served = memory()?.catalog
  if (served === undefined) return {}
  const effect = await effectOf(plan, served, preview, reach)
  return { effect, ...(replays ? { replay: await replay(plan, served) } : {}) }
}

/** Only what is not done yet can be tried, and by who may hear what clients ask for all over. */
export function checkReplay(
  { dryRun = false, replay = false }: DryRun,
  { reach, mayWrite }: Pick<FastifyRequest, 'reach' | 'mayWrite'>,
): void {
  if (replay && !mayWrite) throw outOfReach('a replay needs a token that may write')
  if (replay && reach !== null) throw outOfReach('a replay needs a token without limits')
  if (replay && !dryRun) throw invalid('the request', [{ path: 'replay', message: 'needs dryRun=true' }])
}

export interface DryRun {
  readonly dryRun?: boolean
  readonly replay?: boolean
}

export function configRoutes(app: FastifyInstance, context: Ground & Operations): void {
  registerGet(app, context)
  registerPut(app, context)
}

function registerGet(app: FastifyInstance, context: Ground): void {
  const replies = { 200: json('The document.', DocumentSchema, etagHeader) }
  const schema = guarded(
    { tag: 'config', id: 'getConfig', summary: 'Exports the configuration as a document' },
    replies,
    [409],
    {
      querystring: ExportQuery,
    },
  )
  app.get(url, { schema, config: { access: 'within' } }, async (request, reply) => {
    const { reach } = request
    const { owner = null, rrsets = true } = request.query as { owner?: string; rrsets?: boolean }
    const fromDatabase = async () => {
      const [document, revision] = await context.database.readMuch(async (tx) => [
        await exportDocument(tx, { owner, rrsets, reach }),
        await currentRevision(tx),
      ])
      reply.header('etag', etagOf(revision))
      return document
    }
    const document = await readEither(context, reply, fromDatabase, (memory) => {
      if (owner === null) return remembered(memory, rrsets, reach)
      throw new ControlError(
        'unavailable',
        'the database is not available, and nobody else knows whose parts are',
      )
    })
    if (document === null) {
      throw new ControlError(
        'conflict',
        `there are more than ${mostDocumentRrsets} RRsets, too many for a document: ask with rrsets=false, and export zones as master files`,
      )
    }
    return request.mayWrite ? document : withoutSecrets(document)
  })
}

function remembered(memory: Memory, withRrsets: boolean, reach: Reach | null): Body | null {
  const { rrsetsOf } = memory
  const catalog = {
    feeds: reachedOf(memory.catalog.feeds, reach, 'feed'),
    monitors: reachedOf(memory.catalog.monitors, reach, 'monitor'),
    pools: reachedOf(memory.catalog.pools, reach, 'pool'),
    services: reachedOf(memory.catalog.services, reach, 'service'),
    zones: reachedOf(memory.catalog.zones, reach, 'zone'),
  }
  if (!withRrsets) return rememberedDocument(catalog, null)
  const images = new Map(Array.from(catalog.zones, ([apex, zone]) => [apex, rrsetsOf(zone)]))
  const count = [...images.values()].reduce((sum, image) => sum + (image?.count ?? 0), 0)
  if (count > mostDocumentRrsets) return null
  const missing = [...images].find(([, image]) => image === null)
  if (missing !== undefined) {
    throw new ControlError(
      'unavailable',
      `the database is not available, and nobody here knows the RRsets of zone ${missing[0]}`,
    )
  }
  return rememberedDocument(catalog, (apex) =>
    Array.from(images.get(apex)?.from(0) ?? [], ({ rrset }) => rrset),
  )
}

/** Kinds of which not everybody is shown everything. */
const secretive = ['feed', 'monitor'] as const

function withoutSecrets(document: Body): Body {
  const hidden = secretive.flatMap((kind) => {
    const parts = document[`${kind}s`]
    if (!isMap(parts)) return []
    const bodies = Object.entries(parts).map(([name, body]) => [name, hideOf(kind, body as object)])
    return [[`${kind}s`, Object.fromEntries(bodies)]]
  })
  return { ...document, ...Object.fromEntries(hidden) }
}

function registerPut(app: FastifyInstance, context: Ground & Operations): void {
  const replies = { 200: json('What has changed, or would.', PlanSchema, writeHeaders) }
  const schema = guarded(
    { tag: 'config', id: 'applyConfig', summary: 'Applies a document, or tells what that would change' },
    replies,
    [409, 412],
    {
      description:
        'All of it in one transaction, or nothing. What it does not name stays, members of pools and RRsets of zones included, ' +
        'unless `prune` is true. With `If-Match` it is refused when the configuration has changed since that revision.',
      querystring: ApplyQuery,
      headers: ConditionHeaders,
      body: DocumentSchema,
    },
  )
  const config = { access: 'within', plans: true } as const
  app.put(url, { schema, bodyLimit: documentLimit, config }, async (request, reply) => {
    const {
      dryRun = false,
      prune = false,
      replay = false,
      all = false,
      message = null,
      ...steps
    } = request.query as DryRun & { prune?: boolean; all?: boolean; message?: string } & GradualQuery
    checkReplay({ dryRun, replay }, request)
    const course = courseOf(steps)
    const { reach } = request
    const document = documentOf(request)
    if (reach !== null) throwIfBeyond(request, document, reach)
    // Who starts one must be able to see it and stop it.
    if (reach !== null && course !== null) throw outOfReach('a gradual change needs a token without limits')
    const options = { document, prune, since: sinceOf(request), reach }
    if (dryRun) {
      const { plan, shown } =
        course === null ? await planAtOnce(context, options) : await planInSteps(context, options, course)
      reply.header('etag', etagOf(plan.revision))
      return { ...viewPlan(plan, all), ...(await effectFor(context, plan, replay, reach)), ...shown }
    }
    const by = { actor: request.actor, source: 'apply', message } as const
    const { revision, plan, shown } =
      course === null
        ? { ...(await applyDocument(context.database, by, options)), shown: {} }
        : await applyInSteps(context, { ...by, source: 'gradual' }, options, course)
    await awaitPublished(context, revision, reply)
    reply.header('etag', etagOf(revision))
    return { ...viewPlan(plan, all), ...shown }
  })
}

async function planAtOnce(context: Ground & Operations, options: ApplyOptions) {
  const plan = await planDocument(context.database, options)
  return { plan, shown: haltedBy(context, plan) }
}

function documentOf({ body }: FastifyRequest): Document {
  const marks: Problem[] = []
  for (const kind of secretive) {
    const parts = isMap(body) ? body[`${kind}s`] : undefined
    for (const [name, part] of Object.entries(isMap(parts) ? parts : {})) {
      const found: Problem[] = []
      reportMarks(part, found)
      const at = joinPath(`${kind}s`, name)
      marks.push(...found.map(({ path, message }) => ({ path: `${at}.${path}`, message })))
    }
  }
  if (marks.length > 0) throw invalid('the document', marks)
  const read = readDocument(body)
  if (!read.ok) throw invalid('the document', read.problems)
  return read.document
}

/** Throws 403 with the first thing in a document that is not reached. */
function throwIfBeyond({ actor }: FastifyRequest, { bodies }: Document, reach: Reach): void {
  for (const kind of reachKinds) {
    for (const name of bodies[`${kind}s`].keys()) {
      if (!reach.includes({ kind, name })) throw beyondReach(actor, { kind, name })
    }
  }
}

function sinceOf(request: FastifyRequest): number | null {
  const { ifMatch, ifNoneMatch } = conditionOf(request)
  if (ifNoneMatch !== undefined) {
    throw invalid('the request', [
      { path: 'If-None-Match', message: 'means nothing here: a configuration is always there' },
    ])
  }
  return ifMatch === undefined || ifMatch === '*' ? null : ifMatch
}
