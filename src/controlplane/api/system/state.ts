/** What the process says about itself: version, health, readiness, metrics. Open to everybody. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { requireToken } from '../access.ts'
import type { Ground, Observations, System } from '../context.ts'
import { HttpError } from '../errors.ts'
import { bearer, InstantOrNull, json, problems as problemResponses } from '../schemas.ts'

const headers = { 'retry-after': '1' }

export function stateRoutes(app: FastifyInstance, context: Context): void {
  const tags = ['state']
  const About = Type.Object(
    {
      version: Type.String(),
      date: Type.Integer({ description: 'UNIX time in seconds' }),
      kubernetes: Type.Boolean(),
    },
    { title: 'About' },
  )
  const about = {
    tags,
    operationId: 'getAbout',
    summary: 'Version and time',
    response: { 200: json('As it is.', About), ...problemResponses() },
  }
  const config = { access: 'open' } as const
  app.get('/', { schema: about, config }, async () => ({
    version: context.version,
    date: Math.floor(context.now().getTime() / 1000),
    kubernetes: context.kubernetes,
  }))

  const Warnings = Type.Optional(
    Type.Array(Type.String(), { description: 'what an operator should know, such as a suspect network' }),
  )
  const warnings = () => {
    const said = doubts(context)
    return said.length === 0 ? {} : { warnings: said }
  }

  const Up = Type.Object({ status: Type.Literal('up'), warnings: Warnings }, { title: 'Health' })
  const health = {
    tags,
    operationId: 'getHealth',
    summary: 'Whether the process can answer DNS',
    response: { 200: json('It can.', Up), ...problemResponses(503) },
  }
  app.get('/health', { schema: health, config }, async () => {
    if (context.readiness.canAnswer()) return { status: 'up' as const, ...warnings() }
    throw new HttpError(503, 'unhealthy', 'the process can not answer DNS', { headers })
  })

  const Snapshot = Type.Object({
    writtenAt: InstantOrNull,
    ageSeconds: Type.Unsafe<number | null>({
      type: ['number', 'null'],
      description: 'since the files were last known to be what the database says; null when there are none',
    }),
  })
  const Ready = Type.Object(
    { status: Type.Literal('ready'), snapshot: Snapshot, warnings: Warnings },
    { title: 'Readiness' },
  )
  const ready = {
    tags,
    operationId: 'getReadiness',
    summary: 'Whether the process serves, and knows which members are healthy',
    description: '`snapshot` is what a start without the database would serve.',
    response: { 200: json('It does.', Ready), ...problemResponses(503) },
  }
  app.get('/ready', { schema: ready, config }, async () => {
    const missing = context.readiness.missing()
    if (missing.length === 0) return { status: 'ready' as const, ...readyNow(context) }
    const detail = missing.map(({ message }) => message).join('; ')
    throw new HttpError(503, 'not-ready', detail, { headers, problems: missing })
  })

  const text = { description: 'Text.', content: { 'text/plain': { schema: Type.String() } } }
  const isOpen = context.metricsAccess !== 'token'
  const metrics = {
    tags,
    operationId: 'getMetrics',
    summary: 'Metrics for Prometheus',
    response: { 200: text, ...problemResponses(...(isOpen ? [] : [401, 429, 503])) },
    ...(isOpen ? {} : { security: bearer }),
  }
  const onRequest = isOpen ? [] : [requireToken(context)]
  app.get(
    '/metrics',
    { schema: metrics, onRequest, config: { access: isOpen ? 'open' : 'everything' } },
    async (request, reply) => {
      const page = await context.metrics.page()
      reply.type(context.metrics.contentType)
      if (page.plain.length < worthCompressing) return reply.send(page.plain)
      reply.header('vary', 'accept-encoding')
      if (!takesGzip(request.headers['accept-encoding'])) return reply.send(page.plain)
      return reply.header('content-encoding', 'gzip').send(await page.compressed())
    },
  )
}

type Context = Ground & Observations & System

/** Octets. Up to some hundred members it is shorter, and who reads it by hand sees it as it is. */
const worthCompressing = 128 * 1024

/** Whether a client takes gzip (RFC 9110 section 12.5.3); one that says nothing of it gets the text. */
function takesGzip(accepted = ''): boolean {
  return accepted.split(',').some((each) => {
    const [coding, ...parameters] = each
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/)
    return coding === 'gzip' && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}

/** Rows that `/ready` names; a metric has their number. */
const shownRows = 20

function doubts({ health, readiness }: Context): readonly string[] {
  const suspicion = health.suspicion()
  const suspect = suspicion === null ? [] : [`this node's own network is suspect: ${suspicion}`]
  return [...suspect, ...(readiness.warnings?.() ?? [])]
}

/** What `/ready` tells beside that it is. */
function readyNow(context: Context) {
  const { snapshot, now } = context
  const writtenAt = snapshot.writtenAt()
  const age = writtenAt === null ? null : Math.max(0, (now().getTime() - writtenAt.getTime()) / 1000)
  const rows = context.badRows()
  const bad = rows.slice(0, shownRows).map((row) => `the database holds what can't be used: ${row}`)
  const more = rows.length > bad.length ? [`and ${rows.length - bad.length} more rows of the database`] : []
  const warnings = [...doubts(context), ...snapshot.troubles(), ...bad, ...more]
  return {
    snapshot: { writtenAt: writtenAt?.toISOString() ?? null, ageSeconds: age },
    ...(warnings.length === 0 ? {} : { warnings }),
  }
}
