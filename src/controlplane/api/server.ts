/**
 * The HTTP server. Five scopes, each with its own rule of access, so that a new route has one by where it stands: what is
 * open to everybody, the tools, reports of agents, what only the admin may, and everything else, which needs a token. A
 * server on a loopback address is no exception: a web page can be made to talk to it (DNS rebinding), so all of them look at
 * `Host` and at where a browser says that it comes from (`clients/`).
 *
 * TypeBox schemas describe routes and check parameters and queries. Bodies are checked by the parsers of
 * `document/`, which report all that is wrong with one at once and give the model's types; replies are plain JSON,
 * and the tests hold them against their schemas.
 */
import type { AddressInfo } from 'node:net'
import { type FastifyInstance, type FastifySchemaCompiler, fastify } from 'fastify'
import type { TObject } from 'typebox'
import { compileCheck, show } from '../document/schema-check.ts'
import type { Problem } from '../model/errors.ts'
import { demandAccess, requireAdmin, requireToken } from './access.ts'
import { guardBodies, smallBody } from './admission/bodies.ts'
import { Connections } from './admission/connections.ts'
import { KnownTokens } from './admission/known-tokens.ts'
import { Lane } from './admission/lane.ts'
import { keepSmall } from './admission/large-work.ts'
import { limitsOf } from './admission/limits.ts'
import { workIn } from './admission/places.ts'
import { TokenWatch } from './admission/token-watch.ts'
import { clientAddress } from './clients/client-address.ts'
import { checkOrigin } from './clients/cross-site.ts'
import { checkHost } from './clients/host-check.ts'
import { identifyClient } from './clients/trusted-proxies.ts'
import { WrongTokens } from './clients/wrong-tokens.ts'
import { configRoutes } from './configuration/config.ts'
import { dnssecKeyRoutes, dnssecRoutes } from './configuration/dnssec.ts'
import { dnssecRollRoutes } from './configuration/dnssec-roll.ts'
import { feedRoutes } from './configuration/feeds.ts'
import { memberRoutes } from './configuration/members.ts'
import { monitorRoutes } from './configuration/monitors.ts'
import { partPlanRoute } from './configuration/part-plan.ts'
import { poolRoutes } from './configuration/pools.ts'
import { invalid } from './configuration/resource.ts'
import { revisionListRoute, revisionRoutes } from './configuration/revisions.ts'
import { rrsetRoutes } from './configuration/rrsets.ts'
import { serviceRoutes } from './configuration/services.ts'
import { webhookRoutes } from './configuration/webhooks.ts'
import { zonefileRoutes } from './configuration/zonefile.ts'
import { zoneRoutes } from './configuration/zones.ts'
import { consoleRoutes } from './console/files.ts'
import { openidRoutes } from './console/openid-routes.ts'
import { sessionRoutes } from './console/session-routes.ts'
import { keepSessions } from './console/sessions.ts'
import { signInRoute } from './console/sign-in.ts'
import type { ApiContext } from './context.ts'
import { discreet } from './discretion.ts'
import {
  brokenRequest,
  HttpError,
  handleUnknownRoutes,
  pathOf,
  replyWithError,
  typeAsTold,
} from './errors.ts'
import { parseJsonBodies } from './json-body.ts'
import { serveOpenapi } from './openapi/serve.ts'
import { eventRoutes } from './operations/events.ts'
import { explainRoutes } from './operations/explain.ts'
import { failBackRoutes } from './operations/fail-back.ts'
import { feedRowRoutes, shortFeedRoute } from './operations/feed-rows.ts'
import { gradualRoutes } from './operations/gradual.ts'
import { overrideListRoute } from './operations/override-list.ts'
import { overridePreviewRoute } from './operations/override-preview.ts'
import { overrideRoutes } from './operations/overrides.ts'
import { overviewRoutes } from './operations/overview.ts'
import { reportRoutes } from './operations/reports.ts'
import { serviceOverrideRoutes } from './operations/service-overrides.ts'
import { trafficRoutes } from './operations/traffic.ts'
import { readQueryValues } from './query-values.ts'
import { traceRequests } from './request-traces.ts'
import { auditRoutes } from './system/audit.ts'
import { databaseRoutes } from './system/database.ts'
import { fleetRoutes } from './system/fleet.ts'
import { stateRoutes } from './system/state.ts'
import { tokenRoutes } from './system/tokens.ts'
import { toolRoutes } from './tools/tools.ts'

export interface ListenAddress {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
}

export interface ApiHandle extends AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly connections: Connections
  /** Takes no more requests, waits for those in progress, for as long as it may, and closes. Idempotent. */
  stop(): Promise<void>
}

/** How long a connection may be quiet between two requests. */
const keepAliveMs = 72_000

/** Characters of one part of a path: an owner of 255 octets, every one of them escaped. */
const maxParamLength = 2048

/**
 * Starts the API. Rejects when the address can't be listened on.
 *
 * @param graceMs how long a stop waits for requests in progress
 */
export async function startApi(
  context: ApiContext,
  listen: ListenAddress,
  graceMs: number,
): Promise<ApiHandle> {
  const connections = new Connections({
    limits: limitsOf(context),
    onLoss: (reason, client) => {
      context.metrics.http.ended(reason)
      context.log.debug({ reason, client }, 'an HTTP connection was ended')
    },
  })
  const app = await buildApi(context, connections)
  try {
    await app.listen({ ...listen })
    // Until now its errors were the start's. From here on they are connections that can't be accepted.
    app.server.on('error', (error) => context.onNotAccepted?.(error))
  } catch (error) {
    await app.close()
    throw error
  }
  // `listen` has resolved, and it was asked for a port: the address is not a pipe's.
  const { address, port } = app.server.address() as AddressInfo
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= close(app, graceMs)
    return stopped
  }
  return { address, port, connections, stop, [Symbol.asyncDispose]: stop }
}

async function close(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}

async function buildApi(context: ApiContext, connections: Connections): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: smallBody,
    forceCloseConnections: 'idle',
    // Its own reply is no problem document.
    return503OnClosing: false,
    routerOptions: { maxParamLength },
    serverFactory: (handler) => connections.createServer(handler, keepAliveMs),
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET') socket.destroy()
      else connections.broken(socket, brokenRequest(error))
    },
    frameworkErrors: (error, request, reply) => replyWithError(error, error, request, reply, context.log),
  })
  app.setValidatorCompiler(compileValidator)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.setErrorHandler(async (error, request, reply) => {
    replyWithError(await discreet(context, error, request), error, request, reply, context.log)
    return reply
  })
  parseJsonBodies(app)
  app.decorateRequest('actor', '')
  app.decorateRequest('mayWrite', false)
  app.decorateRequest('refusal', '')
  app.decorate('wrongTokens', new WrongTokens())
  const tokenWatch = new TokenWatch(context)
  app.decorate('tokenWatch', tokenWatch)
  app.addHook('onClose', () => tokenWatch.stop())
  const knownTokens = new KnownTokens(context)
  app.decorate('knownTokens', knownTokens)
  app.addHook('onClose', () => knownTokens.stop())
  keepSessions(app, context)
  app.decorateRequest('client', null)
  app.decorateRequest('holder', null)
  app.decorateRequest('token', null)
  app.decorateRequest('reach', null)
  context.metrics.http.connections = () => connections.size
  app.decorateRequest('trace', null)
  if (context.tracing) traceRequests(app, context.tracing, asked)
  logAccess(app, context)
  refuseWhenStopping(app)
  guardTheDoor(app, context)
  handleUnknownRoutes(app)
  demandAccess(app)
  admit(app, context, connections)
  await serveOpenapi(app, context)
  await app.register(async (open) => consoleRoutes(open))
  await app.register(async (open) => signInRoute(open, context))
  await app.register(async (open) => openidRoutes(open, context))
  await app.register(async (open) => stateRoutes(open, context))
  await app.register(async (tools) => toolRoutes(tools, context))
  const answers = new Lane('answers of feeds in work', limitsOf(context).rowsOut)
  await app.register(async (guarded) => guardedRoutes(guarded, context, answers))
  await app.register(async (short) => shortFeedRoute(short, context, answers))
  await app.register(async (ofAgents) => {
    ofAgents.addHook('onRequest', requireToken(context))
    workIn(ofAgents, new Lane('reports in work', limitsOf(context).reports))
    reportRoutes(ofAgents, context)
  })
  await app.register(async (ofAnybody) => sessionRoutes(ofAnybody, context))
  await app.register(async (ofAdmin) => {
    ofAdmin.addHook('onRequest', requireAdmin(context))
    workIn(ofAdmin, new Lane('requests in work', limitsOf(context).work))
    tokenRoutes(ofAdmin, context)
    databaseRoutes(ofAdmin, context)
    dnssecKeyRoutes(ofAdmin, context)
  })
  await app.ready()
  return app
}

/** Before anything else is done for a request, on every route: who asks, whom, and from which page. */
function guardTheDoor(app: FastifyInstance, { httpHosts = [], trustedProxies = [] }: ApiContext): void {
  const hosts = new Set(httpHosts)
  app.addHook('onRequest', async (request, reply) => {
    request.client = identifyClient(request, trustedProxies)
    reply.headers(typeAsTold)
    checkHost(request, hosts)
    checkOrigin(request, hosts)
  })
}

async function guardedRoutes(guarded: FastifyInstance, context: ApiContext, answers: Lane): Promise<void> {
  guarded.addHook('onRequest', requireToken(context))
  workIn(guarded, new Lane('requests in work', limitsOf(context).work))
  await guarded.register(async (whole) => {
    workIn(whole, new Lane('documents and revisions in work', limitsOf(context).documents))
    keepSmall(whole)
    configRoutes(whole, context)
    partPlanRoute(whole, context)
    revisionRoutes(whole, context)
  })
  revisionListRoute(guarded, context)
  feedRoutes(guarded, context)
  monitorRoutes(guarded, context)
  poolRoutes(guarded, context)
  memberRoutes(guarded, context)
  overrideRoutes(guarded, context)
  overrideListRoute(guarded, context)
  overridePreviewRoute(guarded, context)
  serviceRoutes(guarded, context)
  serviceOverrideRoutes(guarded, context)
  zoneRoutes(guarded, context)
  rrsetRoutes(guarded, context)
  dnssecRoutes(guarded, context)
  dnssecRollRoutes(guarded, context)
  eventRoutes(guarded, context)
  auditRoutes(guarded, context)
  failBackRoutes(guarded, context)
  gradualRoutes(guarded, context)
  explainRoutes(guarded, context)
  fleetRoutes(guarded, context)
  overviewRoutes(guarded, context)
  trafficRoutes(guarded, context)
  await guarded.register(async (hooks) => webhookRoutes(hooks, context))
  await guarded.register(async (files) => zonefileRoutes(files, context))
  await guarded.register(async (rows) => feedRowRoutes(rows, context, answers))
}

/** Seconds after which a stopped server may be back, or another one asked. */
const stopRetrySeconds = '5'

/** What comes after the stop has begun, on connections that were there, is for another server. */
function refuseWhenStopping(app: FastifyInstance): void {
  let stopping = false
  app.addHook('preClose', async () => {
    stopping = true
  })
  app.addHook('onRequest', async () => {
    if (!stopping) return
    throw new HttpError(503, 'stopping', 'the server is stopping', {
      headers: { connection: 'close', 'retry-after': stopRetrySeconds },
    })
  })
}

/** Bounds what bodies and replies take of the memory. */
function admit(app: FastifyInstance, context: ApiContext, connections: Connections): void {
  guardBodies(app, new Lane('octets of bodies in work', limitsOf(context).bodies))
  app.addHook('onSend', async (_request, reply, payload) => {
    connections.holds(reply.raw, payload)
    return payload
  })
}

/** What probes and Prometheus ask all day long. */
const asked = new Set(['/health', '/ready', '/metrics'])

/** One line a request, with who asked, and why it was refused if it was for who asked. The query stays out of it: it may hold what belongs in no log. */
function logAccess(app: FastifyInstance, context: ApiContext): void {
  app.addHook('onResponse', async (request, reply) => {
    const path = pathOf(request.url)
    context.log[asked.has(path) && reply.statusCode < 400 ? 'debug' : 'info'](
      {
        method: request.method,
        path,
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
        client: clientAddress(request),
        ...(request.actor === '' ? {} : { actor: request.actor }),
        ...(request.refusal === '' ? {} : { refusal: request.refusal }),
      },
      'request',
    )
  })
}

/** No name and no key has a NUL or half a surrogate pair, and the database could look none such up. */
function unkeepable(input: unknown): Problem[] {
  return Object.entries(input as object).flatMap(([path, value]) =>
    [value].flat().some((text) => typeof text === 'string' && (text.includes('\0') || !text.isWellFormed()))
      ? [{ path, message: `must be a text without NUL, not ${show(value)}` }]
      : [],
  )
}

/** Parameters and queries come as text and are converted. Bodies and headers are read by their handlers. */
const compileValidator: FastifySchemaCompiler<TObject> = ({ schema, httpPart }) => {
  if (httpPart === 'body' || httpPart === 'headers') return () => true
  const check = compileCheck(schema)
  return (input) => {
    const value = readQueryValues(schema, input)
    const problems = [...unkeepable(input), ...check(value, '')]
    return problems.length === 0
      ? { value }
      : { error: invalid(`the ${httpPart === 'querystring' ? 'query' : 'path'}`, problems) }
  }
}
