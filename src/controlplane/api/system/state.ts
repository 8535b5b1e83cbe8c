/** What the process says about itself: version, health, readiness, metrics. Open to everybody. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { requireToken } from '../access.ts'
import type { Ground, Observations, System } from '../context.ts'
import { HttpError } from '../errors.ts'
import { bearer, json, problems as problemResponses } from '../schemas.ts'

const headers = { 'retry-after': '1' }

export function stateRoutes(app: FastifyInstance, context: Ground & Observations & System): void {
  const tags = ['state']
  const About = Type.Object({
    version: Type.String(),
    date: Type.Integer({ description: 'UNIX time in seconds' }),
    kubernetes: Type.Boolean(),
  })
  const about = {
    tags,
    summary: 'Version and time',
    response: { 200: json('As it is.', About), ...problemResponses() },
  }
  app.get('/', { schema: about }, async () => ({
    version: context.version,
    date: Math.floor(context.now().getTime() / 1000),
    kubernetes: context.kubernetes,
  }))

  const Warnings = Type.Optional(
    Type.Array(Type.String(), { description: 'what an operator should know, such as a suspect network' }),
  )
  const warnings = () => {
    const suspicion = context.health.suspicion()
    return suspicion === null ? {} : { warnings: [`this node's own network is suspect: ${suspicion}`] }
  }

  const Up = Type.Object({ status: Type.Literal('up'), warnings: Warnings })
  const health = {
    tags,
    summary: 'Whether the process can answer DNS',
    response: { 200: json('It can.', Up), ...problemResponses(503) },
  }
  app.get('/health', { schema: health }, async () => {
    if (context.readiness.canAnswer()) return { status: 'up' as const, ...warnings() }
    throw new HttpError(503, 'unhealthy', 'the process can not answer DNS', { headers })
  })

  const Ready = Type.Object({ status: Type.Literal('ready'), warnings: Warnings })
  const ready = {
    tags,
    summary: 'Whether the process serves, and knows which members are healthy',
    response: { 200: json('It does.', Ready), ...problemResponses(503) },
  }
  app.get('/ready', { schema: ready }, async () => {
    const missing = context.readiness.missing()
    if (missing.length === 0) return { status: 'ready' as const, ...warnings() }
    const detail = missing.map(({ message }) => message).join('; ')
    throw new HttpError(503, 'not-ready', detail, { headers, problems: missing })
  })

  const text = { description: 'Text.', content: { 'text/plain': { schema: Type.String() } } }
  const isOpen = context.metricsAccess !== 'token'
  const metrics = {
    tags,
    summary: 'Metrics for Prometheus',
    response: { 200: text, ...problemResponses(...(isOpen ? [] : [401, 429, 503])) },
    ...(isOpen ? {} : { security: bearer }),
  }
  const onRequest = isOpen ? [] : [requireToken(context)]
  app.get('/metrics', { schema: metrics, onRequest }, async (_request, reply) => {
    const page = await context.metrics.page()
    return reply.type(context.metrics.contentType).send(page)
  })
}
