/** A listening API on a real store, with parts around it that tests can turn. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import type { ApiContext } from '../../../src/controlplane/api/context.ts'
import { startApi } from '../../../src/controlplane/api/server.ts'
import type { ParentDs } from '../../../src/controlplane/dnssec/parent-ds.ts'
import { EventFeed } from '../../../src/controlplane/events/event-feed.ts'
import { ReadCache } from '../../../src/controlplane/feeds/cache/read-cache.ts'
import { FeedWriter } from '../../../src/controlplane/feeds/feed-writer.ts'
import { AvailabilityTable } from '../../../src/controlplane/health/availability.ts'
import { ControlError, type Problem } from '../../../src/controlplane/model/errors.ts'
import type { NewEvent } from '../../../src/controlplane/model/event.ts'
import type { GradualChange } from '../../../src/controlplane/model/gradual.ts'
import type { MemberReport } from '../../../src/controlplane/model/observation.ts'
import type { WebhookStatus } from '../../../src/controlplane/model/webhook.ts'
import type { ServiceState } from '../../../src/controlplane/serve/service-status.ts'
import { Database } from '../../../src/controlplane/store/database.ts'
import { keyMaker } from '../../../src/daemon/key-file.ts'
import { createLog, type Logger } from '../../../src/telemetry/log.ts'
import { Metrics } from '../../../src/telemetry/metrics/metrics.ts'
import { placeEmbeddedDatabase } from '../../support/embedded-database.ts'
import { temporaryDataFolder } from '../../support/kept.ts'
import { OpenapiDocument } from '../../support/openapi-document.ts'
import { patience } from '../../support/patience.ts'
import { quietSources } from '../../telemetry/metrics/sources.ts'

export const adminToken = 'admin-token-of-the-tests'
/** How long a stop waits for requests in work. */
export const stopGraceMs = 5000

export interface Reply {
  readonly status: number
  readonly headers: Headers
  /** Parsed when it is JSON, else the text. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly body: any
}

export interface CallOptions {
  /** null sends none; the admin token when left out. */
  readonly token?: string | null
  readonly headers?: Record<string, string>
}

export interface Harness extends AsyncDisposable {
  readonly origin: string
  /** Of the database; null for the embedded one. */
  readonly url: string | null
  readonly database: Database
  readonly log: Logger
  readonly metrics: Metrics
  readonly health: AvailabilityTable
  readonly feed: EventFeed
  /** Lines of the log, parsed. */
  readonly lines: Record<string, unknown>[]
  /** What a test may change while it runs. */
  readonly state: {
    canAnswer: boolean
    missing: Problem[]
    snapshot: { writtenAt: Date | null; troubles: string[] }
    publisher: 'prompt' | 'late' | 'broken'
    published: number[]
    zones: Map<string, string[]>
    aliases: Map<string, string>
    services: Map<string, ServiceState>
    webhooks: Map<string, WebhookStatus>
    suspicion: string | null
    /** By `pool/member`. */
    reportTtls: Map<string, number | null>
    reports: MemberReport[]
    waiting: Set<string>
    told: NewEvent[]
    now: Date | null
    /** Nodes that do not serve what was written. */
    behind: readonly string[] | 'unknown'
    gradual: readonly GradualChange[]
    /** Why a gradual change may not begin. */
    failure: string | null
    parentDs: ParentDs
  }
  /** Calls a route, a body as JSON, and holds the reply against the OpenAPI document. */
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Reply>
  /** Sends a body as it is. */
  send(method: string, path: string, text: string, headers: Record<string, string>): Promise<Reply>
  /** Resolves once a log line fits. */
  logged(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
}

/** `url` null runs on the embedded database. @param port 0 picks a free one */
export async function startHarness(
  url: string | null,
  options: Partial<ApiContext> = {},
  port = 0,
): Promise<Harness> {
  const dataDir = await temporaryDataFolder('pooldns-api-')
  if (url === null) await placeEmbeddedDatabase(dataDir)
  const keys = keyMaker({ path: join(dataDir, 'dnssec.key'), mayBeMade: true })
  const database = await Database.open({ url, dataDir, keys })
  await database.ready(patience())
  const health = new AvailabilityTable()
  const metrics = new Metrics('1.2.3', quietSources)
  const feed = new EventFeed({
    database,
    now: () => new Date(),
    onError: (error) => {
      throw error
    },
  })
  const cache = new ReadCache({ database: () => 'harness', databaseUp: () => database.up })
  const log = collectLog()
  const state: Harness['state'] = {
    canAnswer: true,
    missing: [],
    snapshot: { writtenAt: null, troubles: [] },
    publisher: 'prompt',
    published: [],
    zones: new Map(),
    aliases: new Map(),
    services: new Map(),
    webhooks: new Map(),
    suspicion: null,
    reportTtls: new Map(),
    reports: [],
    waiting: new Set(),
    told: [],
    now: null,
    behind: [],
    gradual: [],
    failure: null,
    parentDs: { kind: 'none' },
  }
  const now = () => state.now ?? new Date()
  const context: ApiContext = {
    database,
    cache,
    feedWriter: new FeedWriter(database, now),
    publisher: {
      reached: async (revision, signal) => {
        if (state.publisher === 'broken') throw new Error('the publisher is broken')
        if (state.publisher === 'late' && !signal.aborted) await once(signal, 'abort')
        signal.throwIfAborted()
        state.published.push(revision)
      },
    },
    health: {
      availability: () => health.current,
      vitals: () => null,
      suspicion: () => state.suspicion,
      reportTtlMs: (pool, member) => state.reportTtls.get(`${pool}/${member}`),
      report: (report) => void state.reports.push(report),
      waitsForFailBack: (pool, member) => state.waiting.has(`${pool}/${member}`),
    },
    fleet: {
      behind: async () => {
        if (state.behind === 'unknown') throw new ControlError('unavailable', 'the database is away')
        return state.behind
      },
    },
    signing: {
      zone: () => null,
      hasEnded: () => false,
      seal: () => {
        throw new ControlError('conflict', 'there is no key file')
      },
      open: () => {
        throw new ControlError('conflict', 'there is no key file')
      },
      parentDs: async () => state.parentDs,
      served: () => null,
    },
    tell: (event) => void state.told.push(event),
    node: { id: 'node-1', liveForMs: 10_000, known: () => [], revision: () => -1 },
    readiness: { canAnswer: () => state.canAnswer, missing: () => state.missing },
    memory: () => null,
    pending: { waits: () => false, take: () => Promise.reject(new Error('nothing is taken here')) },
    badRows: () => [],
    snapshot: { writtenAt: () => state.snapshot.writtenAt, troubles: () => state.snapshot.troubles },
    events: feed,
    tryWebhook: async ({ name }) => {
      if (name === 'busy') throw new ControlError('conflict', 'webhook busy is being tried')
      return { delivered: name === 'chat', reason: name === 'chat' ? null : 'status 404', tookMs: 3 }
    },
    webhookStatus: (name) => state.webhooks.get(name) ?? null,
    ownZones: {
      lookupA: (name) => {
        const apex = [...state.zones.keys()].find((zone) => name === zone || name.endsWith(`.${zone}`))
        return apex === undefined
          ? { inZone: false, addresses: [], leadsTo: state.aliases.get(name) ?? null }
          : { inZone: true, addresses: state.zones.get(name) ?? [], leadsTo: state.aliases.get(name) ?? null }
      },
    },
    spoolDirectory: dataDir,
    poolCondition: () => null,
    conditions: { pools: () => new Map(), services: () => new Map(), since: () => null, feedUses: () => [] },
    resolution: () => null,
    handedOut: () => ({ answered: false, safeAt: null }),
    serviceStatus: (name) => state.services.get(name) ?? null,
    preview: async () => () => null,
    answersOf: () => [],
    traffic: async () => quietSources.dns(),
    gradual: { current: () => state.gradual, failureOf: () => state.failure },
    replay: async () => {
      throw new ControlError('conflict', 'this server keeps no sample of questions')
    },
    explain: () => Promise.reject(new Error('nothing is served here')),
    adminTokenHash: createHash('sha256').update(adminToken).digest(),
    publicTools: true,
    resolvers: [],
    version: '1.2.3',
    kubernetes: false,
    log: createLog('info', log.stream),
    metrics,
    now,
    toolsPerMinute: 10_000,
    ...options,
  }
  const api = await startApi(context, { host: '127.0.0.1', port }, stopGraceMs)
  const origin = `http://127.0.0.1:${api.port}`
  const conforms = await openapiOracle(origin)
  const send: Harness['send'] = async (method, path, text, headers) => {
    const reply = await readReply(
      await fetch(origin + path, { method, headers, ...(text === '' ? {} : { body: text }) }),
    )
    if (method !== 'HEAD') conforms(method, path, reply)
    return reply
  }
  return {
    origin,
    url,
    database,
    log: context.log,
    metrics,
    health,
    feed,
    lines: log.lines,
    state,
    send,
    logged: log.logged,
    call: async (method, path, body, { token = adminToken, headers = {} } = {}) =>
      send(method, path, body === undefined ? '' : JSON.stringify(body), {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      }),
    [Symbol.asyncDispose]: async () => {
      await api.stop()
      await feed.stop()
      await database.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function readReply(response: Response): Promise<Reply> {
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    body: isJson && text ? JSON.parse(text) : text,
  }
}

function collectLog() {
  const lines: Record<string, unknown>[] = []
  const waiting = new Set<() => void>()
  const stream = {
    write(text: string) {
      lines.push(JSON.parse(text))
      for (const wake of waiting) wake()
    },
  }
  const logged: Harness['logged'] = (fits) =>
    new Promise((resolve) => {
      const look = () => {
        const line = lines.find(fits)
        if (line === undefined) return
        waiting.delete(look)
        resolve(line)
      }
      waiting.add(look)
      look()
    })
  return { lines, stream, logged }
}

/** Fails for a reply that the OpenAPI document does not describe. */
async function openapiOracle(origin: string): Promise<(method: string, path: string, reply: Reply) => void> {
  const document = await OpenapiDocument.of(origin)
  return (method, path, reply) => {
    const { status, headers, body } = reply
    const plain = path.split('?')[0]!
    if (plain.startsWith('/docs')) return
    if (status >= 400) {
      assert.equal(headers.get('content-type'), 'application/problem+json', `${method} ${path} ${status}`)
      assert.equal(body.status, status)
      assert.match(body.type, /^urn:pooldns:problem:/)
      for (const key of ['title', 'detail']) assert.equal(typeof body[key], 'string')
    }
    const operation = document.find(method, plain)
    // A path that is too long never becomes a route.
    if (operation === undefined || status === 414) return
    document.assertDescribes(`${method} ${path}`, operation, reply)
  }
}

/** A raw HTTP exchange, for requests that fetch would not make. */
export async function rawRequest(
  origin: string,
  path: string,
  headers: Record<string, string>,
): Promise<number> {
  const request = httpRequest(origin + path, { headers })
  request.end()
  const [response] = (await once(request, 'response')) as [{ statusCode: number; resume(): void }]
  response.resume()
  return response.statusCode
}

export const monitor = { type: 'http', port: 8080, path: '/healthz', interval: '5s', timeout: '1s' }
export const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }
export const zone = {
  soa,
  rrsets: [
    { name: '@', type: 'NS', data: ['ns1.example.test.'] },
    { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
  ],
}
