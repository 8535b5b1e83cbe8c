/** What happened: a list of it, newest first, and a stream of what is happening. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type, { type TProperties } from 'typebox'
import { InstantText, Text, Words } from '../../document/fields.ts'
import {
  certificateTurns,
  type EventFilter,
  type EventKind,
  eventKinds,
  fitsFilter,
  overrideActions,
  poolConditions,
  rolloverTurns,
  serviceConditions,
  sourceStates,
  steeringTurns,
  trustStates,
} from '../../model/event.ts'
import { gradualTurns } from '../../model/gradual.ts'
import { healthStates } from '../../model/observation.ts'
import { overrideStates } from '../../model/override.ts'
import { listEvents } from '../../store/events.ts'
import { Lane } from '../admission/lane.ts'
import { limitsOf } from '../admission/limits.ts'
import { tokenHolder } from '../admission/places.ts'
import { cachedHeaders, jsonContent, notModified, replyCached } from '../cached.ts'
import { clientAddress } from '../clients/client-address.ts'
import type { Ground, Operations } from '../context.ts'
import { HttpError } from '../errors.ts'
import { guarded, Instant, PageQuery, page, pageReply, pageRequest } from '../schemas.ts'
import { EventStreams } from './event-streams.ts'

const Named = (what: string) => Text(what, (text) => text.length <= 255).schema

const filters = {
  kind: Type.Optional(Words(eventKinds).schema),
  pool: Type.Optional(Named('the name of a pool')),
  service: Type.Optional(Named('the name of a service')),
  member: Type.Optional(Named('the name of a member')),
  node: Type.Optional(Named('the id of a node')),
}

const ListQuery = Type.Object(
  {
    ...PageQuery.properties,
    ...filters,
    since: Type.Optional(InstantText.schema),
    until: Type.Optional(InstantText.schema),
  },
  { additionalProperties: false },
)

const StreamQuery = Type.Object(
  {
    ...filters,
    after: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'the id of an event: the stream begins with what came after it',
      }),
    ),
  },
  { additionalProperties: false },
)

const StreamHeaders = Type.Object({
  'last-event-id': Type.Optional(Type.String({ description: 'as `after`, and goes before it' })),
})

const pool = Type.String()
const member = Type.String()
const reason = Type.String()
const address = Type.Optional(
  Type.String({ description: 'the one that changed, of a member with several; left out for the member' }),
)

/** @param title its name in the OpenAPI document */
function View(title: string, kind: EventKind, description: string, properties: TProperties) {
  const head = {
    id: Type.Integer(),
    kind: Type.Literal(kind),
    node: Type.String({ description: 'who saw it' }),
  }
  return Type.Object({ ...head, ...properties, at: Instant }, { title, description })
}

const changed = (words: readonly string[]) => ({
  from: Type.Enum([...words]),
  to: Type.Enum([...words]),
  reason,
})

const EventView = Type.Union(
  [
    View('MemberEvent', 'member', "A member's measured state changed, or that of one of its addresses.", {
      pool,
      member,
      address,
      ...changed(healthStates),
    }),
    View('PoolEvent', 'pool', 'A pool became healthy, degraded or down.', {
      pool,
      ...changed(poolConditions),
    }),
    View('OverrideEvent', 'override', 'What an operator says of members changed; names may be patterns.', {
      pool,
      member,
      what: Type.Enum([...overrideActions]),
      state: Type.Enum([...overrideStates]),
      actor: Type.String(),
      reason,
    }),
    View(
      'ServiceOverrideEvent',
      'override',
      "What an operator says of a service that stands in a pool's place changed.",
      {
        service: Type.String(),
        what: Type.Enum([...overrideActions]),
        state: Type.Enum([...overrideStates]),
        actor: Type.String(),
        reason,
      },
    ),
    View('DrainedEvent', 'drained', 'The last TTL that was handed out with a drained member has run out.', {
      pool,
      member,
    }),
    View(
      'IsolationEvent',
      'isolation',
      "The node's own network became suspect, or is trusted again.",
      changed(trustStates),
    ),
    View('HoldEvent', 'hold', 'A member that changes too often, or one of its addresses, is held down.', {
      pool,
      member,
      address,
      reason,
      until: Instant,
    }),
    View(
      'ServiceEvent',
      'service',
      'A service became up, degraded or down, or other pools answer for it than before.',
      {
        service: Type.String(),
        ...changed(serviceConditions),
        pools: Type.Array(Type.String(), { description: 'those that answer from now on, 32 at the most' }),
        before: Type.Array(Type.String(), { description: 'those that answered before' }),
      },
    ),
    View('GradualEvent', 'gradual', 'A gradual change was started, took a step, was held, or ended.', {
      change: Type.Integer({ description: 'its id' }),
      what: Type.Enum([...gradualTurns]),
      step: Type.Integer({ description: 'steps that were taken' }),
      steps: Type.Integer({ description: 'of so many' }),
      percent: Type.Integer({ description: 'how far the weights have come' }),
      services: Type.Array(Type.String()),
      pools: Type.Array(Type.String()),
      actor: Type.String(),
      reason,
    }),
    View('FeedEvent', 'feed', "A feed can't be read from its source any more, or can again.", {
      feed: Type.String(),
      ...changed(sourceStates),
    }),
    View(
      'SteeringEvent',
      'steering',
      'What a feed says of a member or of a pool begins to move answers, or ceases to.',
      {
        pool,
        member: Type.Optional(Type.String({ description: 'left out where it is the pool that goes by it' })),
        what: Type.Enum([...steeringTurns]),
        feed: Type.String(),
        entity: Type.String(),
        column: Type.String(),
        reason,
      },
    ),
    View('DnssecEvent', 'dnssec', "A rollover of a zone's keys was begun, took a step, or ended.", {
      zone: Type.String(),
      what: Type.Enum([...rolloverTurns]),
      reason,
    }),
    View(
      'CertificateEvent',
      'certificate',
      "A member's certificate has fewer days left than are wanted, or was renewed after that.",
      {
        pool,
        member,
        what: Type.Enum([...certificateTurns]),
        name: Type.String({ description: 'the first name in it' }),
        notAfter: Instant,
        fingerprint: Type.String({ description: 'SHA-256, in hexadecimal' }),
        reason,
      },
    ),
  ],
  { title: 'Event' },
)

interface ListRequest extends EventFilter {
  readonly since?: string
  readonly until?: string
}

/** What may have more on top at any time, and what has not, but for what a node could not tell before. */
const newestForMs = 1_000
const earlierForMs = 30_000

export function eventRoutes(app: FastifyInstance, context: Ground & Operations): void {
  registerList(app, context)
  registerStream(app, context)
}

function registerList(app: FastifyInstance, context: Ground & Operations): void {
  const schema = guarded(
    { tag: 'journal', id: 'listEvents', summary: 'What happened, newest first' },
    { ...page('Event', EventView, '', cachedHeaders), ...notModified },
    [],
    {
      description:
        '`since` is the first instant that counts, `until` the first that does not any more. What was read lately is given again: ' +
        'the newest for a second, unless this node has something newer, and what lies behind for 30 seconds.',
      querystring: ListQuery,
    },
  )
  app.get('/v1/events', { schema, config: { access: 'within' } }, async (request, reply) => {
    const { since, until, ...filter } = request.query as ListRequest
    const query = {
      ...filter,
      ...pageRequest(context, request.query),
      reach: request.reach,
      since: instant(since),
      until: instant(until),
    }
    const isPast = query.cursor !== null || (query.until !== undefined && query.until < context.now())
    return replyCached(context, request, reply, {
      what: 'events',
      by: request.query,
      subject: 'events',
      durationMs: isPast ? earlierForMs : newestForMs,
      shared: isPast,
      load: async () => {
        const page = await context.database.read((tx) => listEvents(tx, query))
        return jsonContent(pageReply(context, page, page.items))
      },
    })
  })
}

function registerStream(app: FastifyInstance, context: Ground & Operations): void {
  const streams = new EventStreams(context)
  const lane = new Lane('streams of events', limitsOf(context).streams)
  // Before the server waits for its connections, or it would wait for those of the streams.
  app.addHook('preClose', async () => streams.stop())
  const stream = { description: 'A stream.', content: { 'text/event-stream': { schema: Type.String() } } }
  const schema = guarded(
    { tag: 'journal', id: 'streamEvents', summary: 'What is happening, as Server-Sent Events' },
    { 200: stream },
    [],
    {
      description:
        'Each event has its number as `id`, its kind as `event` and itself as JSON, as in the list, as `data`. Without ' +
        '`Last-Event-ID` or `after` the stream is of what is stored after its first comment. A client that does not read is ' +
        'disconnected; with the last id that it has it misses nothing.',
      querystring: StreamQuery,
      headers: StreamHeaders,
    },
  )
  // Without HEAD: it would have to end, and a stream does not.
  const config = { ownLane: true, access: 'within' } as const
  app.get('/v1/events/stream', { schema, exposeHeadRoute: false, config }, async (request, reply) => {
    const place = await lane.enter(tokenHolder(request))
    reply.raw.once('close', () => place[Symbol.dispose]())
    if (reply.raw.closed) place[Symbol.dispose]()
    const { reach } = request
    const { after = null, ...filter } = request.query as EventFilter & { after?: number }
    streams.open(reply, {
      after: lastEventId(request) ?? after,
      sees: (event) => fitsFilter(event, filter) && (reach === null || reach.includesEvent(event)),
      client: clientAddress(request),
      watch: (end) => request.server.tokenWatch.watch(request.token, 'read', end),
    })
  })
}

/** What an `EventSource` sends when it connects again. */
function lastEventId(request: FastifyRequest): number | null {
  const text = [request.headers['last-event-id'] ?? ''].flat().join()
  if (text === '') return null
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new HttpError(400, 'invalid', 'Last-Event-ID is not the id of an event', {
    problems: [{ path: 'Last-Event-ID', message: 'must be the id of an event' }],
  })
}

/** The query has been checked. */
const instant = (text: string | undefined) =>
  text === undefined ? undefined : InstantText.parse(text, '', [])
