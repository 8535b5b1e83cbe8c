/**
 * Lookup, validate and history, each under `/v1` and, for older clients, without it. They are limited by client, and
 * open to everybody or behind a token, as the configuration says; but for what of history is about others (`queries.ts`), which is
 * behind a token always.
 */
import { isIPv4 } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { compileCheck } from '../../document/schema-check.ts'
import { ControlError } from '../../model/errors.ts'
import type { Lookup } from '../../model/observation.ts'
import { recentLookups, saveLookup } from '../../store/lookups.ts'
import { requireToken } from '../access.ts'
import { type Holder, Lane } from '../admission/lane.ts'
import { limitsOf } from '../admission/limits.ts'
import { workIn } from '../admission/places.ts'
import { cachedHeaders, jsonContent, notModified, replyCached } from '../cached.ts'
import { clientAddress } from '../clients/client-address.ts'
import { clientNetwork } from '../clients/client-network.ts'
import { invalid } from '../configuration/resource.ts'
import type { Ground, Tools } from '../context.ts'
import { HttpError } from '../errors.ts'
import { bearer, json, problems as problemResponses } from '../schemas.ts'
import { lookupAddresses, parseLookupName } from './lookup.ts'
import { aboutQueries, HistoryQuery, listLoggedQueries, QueryPage } from './queries.ts'

const defaultPerMinute = 300

/** Clients whose requests are counted at once; the least recent one is forgotten. */
const countedClients = 10_000

const historyLength = 20
/** For how long the history may lack what other nodes have looked up. */
const historyForMs = 1_000

/** Where a token is asked for: they look beyond this server, and show what others have looked up. */
const config = { access: 'everything' } as const

const LookupView = Type.Object(
  {
    domain: Type.String(),
    client_ip: Type.String(),
    created_at: Type.Integer({ description: 'UNIX time in seconds' }),
    addresses: Type.Array(Type.Object({ ip: Type.String() })),
  },
  { title: 'Lookup' },
)
const Verdict = Type.Object({ status: Type.Boolean() }, { title: 'Verdict' })

export async function toolRoutes(app: FastifyInstance, context: Ground & Tools): Promise<void> {
  await app.register(rateLimit, {
    global: false,
    max: context.toolsPerMinute ?? defaultPerMinute,
    timeWindow: 60_000,
    cache: countedClients,
    keyGenerator: (request) => clientNetwork(clientAddress(request)),
    errorResponseBuilder: (_request, { after }) =>
      new HttpError(429, 'too-many-requests', `too many requests, come back in ${after}`),
  })
  // One count for all tools. It comes before the token, so that tokens can't be guessed here without end either.
  app.addHook('onRequest', app.rateLimit())
  app.addHook('onRequest', requireTokenUnlessOpen(context))
  workIn(app, new Lane('uses of the tools in work', limitsOf(context).tools), holderOf)
  for (const version of ['/v1', '']) {
    lookupRoutes(app, context, version)
    validateRoutes(app, context, version)
    historyRoute(app, context, version)
  }
}

/** Behind a proxy on this host the whole world comes from here, so "here" is looked at closely: see `trusted-proxies.ts`. */
function requireTokenUnlessOpen(context: Ground & Tools): (request: FastifyRequest) => Promise<void> {
  const admit = requireToken(context)
  const { publicTools, publicToolsAnywhere = false } = context
  return async (request) => {
    const isOpen = publicTools && (publicToolsAnywhere || request.client?.local === true)
    if (isOpen && !asksForOthers(request)) return
    await admit(request)
  }
}

/** Nothing has checked the query yet: what does not ask for lookups in just this way is taken for more. */
function asksForOthers({ query }: FastifyRequest): boolean {
  const { source = 'lookups' } = query as Readonly<Record<string, unknown>>
  return source !== 'lookups'
}

function holderOf(request: FastifyRequest): Holder {
  return request.holder ?? { name: clientNetwork(clientAddress(request)), rank: 'reader' }
}

/** @param version the first part of the path; empty for older clients */
function documentation(context: Ground & Tools, id: string, version: string) {
  return {
    tags: ['tool'],
    operationId: version === '' ? `${id}Unversioned` : id,
    ...(version === '' ? { deprecated: true } : {}),
    ...(context.publicTools ? {} : { security: bearer }),
  }
}

/** One parameter of a tool: in the query of a GET, in the body (or the query) of a POST. */
function registerTool(
  app: FastifyInstance,
  context: Ground & Tools,
  tool: {
    readonly version: string
    /** Last part of the path, and what its operations are called by. */
    readonly name: string
    /** Its body's name in the OpenAPI document. */
    readonly title: string
    readonly summary: string
    readonly parameter: string
    readonly description: string
    readonly response: Record<number, object>
    readonly handle: (value: unknown, request: FastifyRequest) => Promise<object>
  },
): void {
  const { version, name, parameter, handle } = tool
  const url = `${version}/tools/${name}`
  const fields = { [parameter]: Type.Optional(Type.String({ description: tool.description })) }
  const Parameters = Type.Object(fields, {
    additionalProperties: false,
    title: tool.title,
    description: `an object with ${parameter}`,
  })
  const checkBody = compileCheck(Parameters)
  const read = (request: FastifyRequest): unknown => {
    const problems = request.body === undefined ? [] : checkBody(request.body, '')
    if (problems.length > 0) throw invalid('the body', problems)
    const fromBody = (request.body as Record<string, unknown> | undefined)?.[parameter]
    return fromBody ?? (request.query as Record<string, unknown>)[parameter]
  }
  const schema = {
    summary: tool.summary,
    querystring: Parameters,
    response: { ...tool.response, ...problemResponses(400, 401, 403, 413, 415, 429, 503) },
  }
  const handler = (request: FastifyRequest) => handle(read(request), request)
  const byQuery = documentation(context, name, version)
  app.get(url, { schema: { ...schema, ...byQuery }, config }, handler)
  const byBody = documentation(context, `${name}ByBody`, version)
  app.post(url, { schema: { ...schema, ...byBody, body: Parameters }, config }, handler)
}

function lookupRoutes(app: FastifyInstance, context: Ground & Tools, version: string): void {
  registerTool(app, context, {
    version,
    name: 'lookup',
    title: 'LookupRequest',
    summary: 'The IPv4 addresses of a name',
    parameter: 'domain',
    description: 'a host name',
    response: { 200: json('Found, and added to the history.', LookupView), ...problemResponses(404) },
    handle: (domain, request) => lookup(context, domain, request),
  })
}

async function lookup(context: Ground & Tools, domain: unknown, request: FastifyRequest): Promise<object> {
  const name = parseLookupName(domain)
  const started = performance.now()
  const outcome = await lookupAddresses(context, name)
  context.metrics.lookups.used(name, outcome.found, (performance.now() - started) / 1000)
  if (!outcome.found) throw new ControlError('not-found', outcome.reason)
  const done: Lookup = {
    domain: name,
    clientIp: clientAddress(request),
    createdAt: context.now(),
    addresses: outcome.addresses,
  }
  // The answer is worth more than its place in the history.
  await context.database
    .record((tx) => saveLookup(tx, done))
    .finally(() => context.cache.wrote('lookups'))
    .catch((error: unknown) => context.log.warn({ err: error }, 'lookup not added to the history'))
  return presentLookup(done)
}

function presentLookup({ domain, clientIp, createdAt, addresses }: Lookup): object {
  return {
    domain,
    client_ip: clientIp,
    created_at: Math.floor(createdAt.getTime() / 1000),
    addresses: addresses.map((ip) => ({ ip })),
  }
}

function validateRoutes(app: FastifyInstance, context: Ground & Tools, version: string): void {
  registerTool(app, context, {
    version,
    name: 'validate',
    title: 'ValidateRequest',
    summary: 'Whether a text is an IPv4 address: a dotted quad without leading zeros',
    parameter: 'ip',
    description: 'any text',
    response: { 200: json('The verdict.', Verdict) },
    handle: async (ip) => {
      if (ip !== undefined) return { status: isIPv4(String(ip)) }
      throw invalid('the request', [{ path: 'ip', message: 'is required' }])
    },
  })
}

function historyRoute(app: FastifyInstance, context: Ground & Tools, version: string): void {
  const lookups = Type.Array(LookupView)
  const hasQueries = version !== ''
  const schema = {
    ...documentation(context, 'listLookups', version),
    summary: hasQueries
      ? `The last ${historyLength} lookups, or with \`source=dns\` the query log, newest first`
      : `The last ${historyLength} lookups, newest first`,
    ...(hasQueries ? { description: aboutQueries, querystring: HistoryQuery } : {}),
    response: {
      200: json(
        hasQueries
          ? 'Lookups as lookup returned them; with `source=dns` a page of queries.'
          : 'As lookup returned them.',
        hasQueries ? Type.Union([lookups, QueryPage]) : lookups,
        cachedHeaders,
      ),
      ...notModified,
      ...problemResponses(401, 403, 429, 503),
    },
  }
  app.get(`${version}/history`, { schema, config }, (request, reply) => {
    if (hasQueries && asksForOthers(request)) return listLoggedQueries(context, request)
    return replyCached(context, request, reply, {
      what: 'lookups',
      by: null,
      subject: 'lookups',
      durationMs: historyForMs,
      load: async () => {
        const found = await context.database.read((tx) => recentLookups(tx, historyLength))
        return jsonContent(found.map(presentLookup))
      },
    })
  })
}
