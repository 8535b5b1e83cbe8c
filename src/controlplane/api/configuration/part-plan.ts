/** What a write of one part would change, before anybody writes it. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { Plan } from '../../apply/apply.ts'
import { type PlannedPart, planPart } from '../../apply/part-plan.ts'
import { viewPlan } from '../../apply/plan-view.ts'
import { formatFeed, parseFeed } from '../../document/feed.ts'
import type { Body } from '../../document/forms.ts'
import { reportMarks } from '../../document/hidden.ts'
import { formatMonitor, parseMonitor } from '../../document/monitor.ts'
import { formatPool, parsePool } from '../../document/pool.ts'
import { formatService, parseService } from '../../document/service.ts'
import { spellingOf } from '../../document/written.ts'
import { formatRrset, parseRrset, parseRrsetKey } from '../../document/zone.ts'
import type { Problem } from '../../model/errors.ts'
import { currentRevision } from '../../store/revision.ts'
import { beyondReach } from '../access.ts'
import type { Ground, Operations } from '../context.ts'
import { ConditionHeaders, etagHeader, guarded, json } from '../schemas.ts'
import { conditionOf, etagOf } from '../writes.ts'
import { effectFor } from './config.ts'
import { haltedBy } from './gradual-apply.ts'
import { PlanSchema } from './plan-schema.ts'
import { hostname, valid, withoutNames } from './resource.ts'

const kinds = ['feed', 'monitor', 'pool', 'service', 'rrset'] as const

const PartSchema = Type.Object(
  {
    kind: Type.Enum([...kinds]),
    name: Type.String({ description: 'of an RRset that of its zone' }),
    owner: Type.Optional(
      Type.String({
        description: 'of an RRset: relative to the apex, @ for the apex, or absolute with a final dot',
      }),
    ),
    type: Type.Optional(Type.String({ description: 'of an RRset: mnemonic such as A or MX' })),
    body: Type.Unsafe<object | null>({
      type: ['object', 'null'],
      description: 'as PUT takes it; null for what DELETE does',
    }),
  },
  { title: 'PartTrial', additionalProperties: false },
)

interface Trial {
  readonly kind: (typeof kinds)[number]
  readonly name: string
  readonly owner?: string
  readonly type?: string
  readonly body: object | null
}

export function partPlanRoute(app: FastifyInstance, context: Ground & Operations): void {
  const schema = guarded(
    { tag: 'config', id: 'planPart', summary: 'What a PUT or DELETE of one part would change' },
    { 200: json('What would change.', PlanSchema, etagHeader) },
    [404, 409, 412],
    {
      description:
        'Nothing is changed, so it needs the scope `read` alone. What is wrong with the body is told by its own paths. With `If-Match` ' +
        'or `If-None-Match` it is refused as the write would be.',
      headers: ConditionHeaders,
      body: PartSchema,
    },
  )
  const config = { access: 'within', changing: ['read', 'override', 'write'] } as const
  app.post('/v1/plan', { schema, config }, async (request, reply) => {
    const { reach, actor } = request
    const trial = request.body as Trial
    const named = { kind: trial.kind === 'rrset' ? 'zone' : trial.kind, name: nameOf(trial) } as const
    if (reach?.includes(named) === false) throw beyondReach(actor, named)
    const part = valid('the part', (problems) => partOf(trial, named.name, problems))
    // A plan may take long. Whether the database is there at all shows sooner.
    await context.database.read(currentRevision)
    const plan = await planPart(context.database, { part, condition: conditionOf(request), reach })
    reply.header('etag', etagOf(plan.revision))
    return {
      ...viewPlan(plan),
      ...(await effectFor(context, plan, false, reach)),
      ...haltedBy(context, plan),
      ...(part.kind === 'rrset' ? forgottenAfter(plan) : {}),
    }
  })
}

/** By the TTL of what is there; where nothing is, caches hold that (RFC 2308 section 5). */
function forgottenAfter({ target }: Plan): { readonly forgottenAfterSeconds?: number } {
  const [zone] = target.zones
  if (zone === undefined || zone.before === null) return {}
  const { ttlSeconds, soa } = zone.before.value
  const before = zone.rrsets[0]?.before ?? null
  return {
    forgottenAfterSeconds:
      before === null ? Math.min(soa.minimumSeconds, ttlSeconds) : (before.ttlSeconds ?? ttlSeconds),
  }
}

function nameOf({ kind, name }: Trial): string {
  if (kind === 'service') return hostname(name, 'service', 'name')
  return kind === 'rrset' ? hostname(name, 'zone', 'name') : name
}

/** A part as the document's own readers find it; null and problems by the paths of its body. */
function partOf(trial: Trial, name: string, problems: Problem[]): PlannedPart | null {
  const { kind, body } = trial
  const read = <T>(
    parse: (name: string, input: unknown, path: string, problems: Problem[]) => T | null,
    format: (value: T) => Body,
  ) => {
    if (body === null) return null
    const bare = withoutNames(body, { name }, problems)
    const value = parse(name, bare, '', problems)
    return value === null ? null : { value, written: spellingOf(bare, format(value)) }
  }
  switch (kind) {
    case 'feed':
      reportMarks(body, problems)
      return { kind, name, after: read(parseFeed, formatFeed) }
    case 'monitor':
      reportMarks(body, problems)
      return { kind, name, after: read(parseMonitor, formatMonitor) }
    case 'pool':
      return { kind, name, after: read(parsePool, formatPool) }
    case 'service':
      return { kind, name, after: read(parseService, formatService) }
    case 'rrset': {
      const { owner = '', type = '' } = trial
      const key = parseRrsetKey(name, { owner, type }, problems)
      if (key === null) return null
      const after = read((_, ...given) => parseRrset(name, key, ...given), formatRrset)
      return { kind, apex: name, ...key, after }
    }
  }
}
