/**
 * A zone as a master file. Bodies of this size are received into a spool before a transaction begins, and written into
 * one before the reply begins, so that a slow client costs a file and nothing else. A few may do so at a time, and those that
 * come in are counted apart from those that go out: readers don't keep writers waiting.
 */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { formatSignedZone, type ServedZone } from '../../dnssec/signed-zone-file.ts'
import { formatRrset, formatZoneHead, RrsetSchema } from '../../document/zone.ts'
import { ControlError } from '../../model/errors.ts'
import type { TokenScope } from '../../model/token.ts'
import type { RrsetKey } from '../../rules/zone-data.ts'
import { jsonOctets } from '../../store/stored.ts'
import { getZoneHead } from '../../store/zones.ts'
import { exportZone } from '../../zonefile/export.ts'
import { importZone, type ZoneImport } from '../../zonefile/import.ts'
import { Spool, SpoolOverflow, SpoolUnavailable } from '../../zonefile/spool.ts'
import { bodyTooLarge } from '../admission/bodies.ts'
import { Lane } from '../admission/lane.ts'
import { limitsOf } from '../admission/limits.ts'
import { goneSignal, tokenHolder } from '../admission/places.ts'
import { authorOf } from '../author.ts'
import type { Ground, Observations, Signing } from '../context.ts'
import { HttpError } from '../errors.ts'
import {
  ConditionHeaders,
  etagHeader,
  guarded,
  json,
  paramsOf,
  titled,
  WriteQuery,
  withStatus,
  writeHeaders,
} from '../schemas.ts'
import { awaitPublished, conditionOf, etagOf } from '../writes.ts'
import { hostname, segmentOf } from './resource.ts'
import { WarningSchema, ZoneHeadSchema } from './zones.ts'

/** Octets of a master file; some ten million RRs. */
const zonefileLimit = 512 * 1024 * 1024

const mediaTypes = ['text/dns', 'text/plain', 'application/octet-stream']
const url = '/v1/zones/:apex/zonefile'
const params = paramsOf(url)
const access = { kind: 'zone', param: 'apex' } as const

const ChangeSchema = Type.Object(
  {
    name: Type.String({ description: 'owner and type' }),
    action: Type.Enum(['put', 'delete']),
    before: Type.Optional(Type.Unsafe<object>(RrsetSchema)),
    after: Type.Optional(Type.Unsafe<object>(RrsetSchema)),
  },
  {
    title: 'ZoneChange',
    description:
      'an RRset that is another one; of a large file, and of one with many changes, its name alone',
  },
)

const View = titled(
  'ZoneImport',
  withStatus(
    ZoneHeadSchema,
    Type.Object({
      serial: Type.Integer({ description: 'the serial of the SOA' }),
      rrsets: Type.Integer({ description: 'how many RRsets the zone has' }),
      dryRun: Type.Boolean(),
      changed: Type.Boolean({ description: 'whether the zone is another one than before' }),
      changes: Type.Array(ChangeSchema, { description: 'the first hundred of either kind' }),
      moreChanges: Type.Integer({ minimum: 0 }),
      warnings: Type.Array(WarningSchema),
    }),
  ),
)

type Context = Ground & Observations & Signing

export async function zonefileRoutes(app: FastifyInstance, context: Context): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(mediaTypes, async (_request: unknown, body: Readable) => body)
  app.addContentTypeParser('*', async () => {
    throw new HttpError(
      415,
      'unsupported-media-type',
      'the body must be a master file: Content-Type: text/dns',
    )
  })
  const limits = limitsOf(context)
  const signing = new Lane('signed zone files being written', limits.signedExports)
  registerGet(app, context, transfers(context, new Lane('exports of zone files', limits.exports)), signing)
  registerPut(app, context, transfers(context, new Lane('imports of zone files', limits.imports)))
}

type Transfer = <T>(
  request: FastifyRequest,
  reply: FastifyReply,
  scope: TokenScope,
  work: (spool: Spool) => Promise<T>,
) => Promise<T>

/**
 * Has a place and a spool for as long as the work takes, or the stream that comes of it. The connection of a token that has lost
 * the scope ends: it gets nothing more, and what has not come in whole is not taken.
 */
function transfers(context: Observations, lane: Lane): Transfer {
  return async (request, reply, scope, work) => {
    await using transfer = new AsyncDisposableStack()
    transfer.use(request.server.tokenWatch.watch(request.token, scope, () => reply.raw.destroy()))
    transfer.use(await lane.enter(tokenHolder(request), goneSignal(reply)))
    const result = await spooled(async () => work(transfer.use(await Spool.create(context.spoolDirectory))))
    if (result instanceof Readable) {
      const rest = transfer.move()
      // `close` comes however the reply ends, also when the client goes away.
      result.once('close', () => void rest.disposeAsync().catch(() => {}))
    }
    return result
  }
}

/** A full disk or a lack of descriptors is no defect, and may be over soon. */
async function spooled<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SpoolUnavailable)) throw error
    throw new HttpError(503, 'unavailable', error.message, { headers: { 'retry-after': '5' } })
  }
}

function registerGet(app: FastifyInstance, context: Context, transferring: Transfer, signing: Lane): void {
  const file = {
    description:
      'The master file. Without `signed` it is canonical: the same zone gives the same text, and the reply has an ETag.',
    headers: { etag: { schema: { type: 'string' }, description: etagHeader.etag } },
    content: { 'text/dns': { schema: Type.String() } },
  }
  const operation = { tag: 'zone', id: 'exportZone', summary: 'Exports a zone as a master file' }
  const querystring = Type.Object(
    {
      signed: Type.Optional(
        Type.Boolean({
          description:
            'true: as this server answers with it, with what signing adds and all signatures, and with what services answer with just ' +
            'now. A zone that is not signed has no such file (409)',
        }),
      ),
    },
    { additionalProperties: false },
  )
  const schema = guarded(operation, { 200: file }, [404, 409], { params, querystring })
  app.get(
    url,
    { schema, exposeHeadRoute: false, config: { ownLane: true, access } },
    async (request, reply) => {
      const apex = apexOf(request)
      const { signed = false } = request.query as { signed?: boolean }
      const body = await transferring(request, reply, 'read', async (spool) => {
        if (signed) {
          // Until it is written, however long it takes to be sent.
          using _place = await signing.enter(tokenHolder(request), goneSignal(reply))
          await spool.fill(formatSignedZone(await servedZone(context, apex)))
        } else {
          const revision = await exportZone(context.database, apex, (text) => spool.fill(text))
          reply.header('etag', etagOf(revision))
        }
        reply.header('content-length', spool.octets)
        return spool.read()
      })
      return reply.type('text/dns').send(body)
    },
  )
}

/** @throws ControlError when there is no such zone, or none that is signed */
async function servedZone({ database, signing }: Context, apex: string): Promise<ServedZone> {
  const served = signing.hasEnded(apex) ? null : signing.served(apex)
  if (served !== null) return served
  const stored = await database.read((tx) => getZoneHead(tx, apex))
  if (stored === null) throw new ControlError('not-found', `zone ${apex} does not exist`)
  if (stored.value.dnssec === null) throw new ControlError('conflict', `zone ${apex} is not signed`)
  throw new ControlError(
    'unavailable',
    `zone ${apex} is to be signed, and this server has no good signatures of it`,
  )
}

function registerPut(app: FastifyInstance, context: Ground & Observations, transferring: Transfer): void {
  const summary = 'Creates or replaces a zone by a master file (RFC 1035 section 5)'
  const replies = {
    200: json('Replaced, or the same already; or what a dry run would do.', View, writeHeaders),
    201: json('Created.', View, writeHeaders),
  }
  const schema = guarded({ tag: 'zone', id: 'importZone', summary }, replies, [409, 412], {
    description:
      'The SOA, the TTL and all RRsets come from the file. A problem has the path `line 12, column 5`; with any, ' +
      'nothing changes. A serial that is fixed becomes that of the file; otherwise the serial rises, and is never ' +
      'behind that of the file.',
    params,
    querystring: Type.Object(
      {
        ...WriteQuery.properties,
        dryRun: Type.Optional(
          Type.Boolean({ description: 'true or false: checks everything, and changes nothing' }),
        ),
      },
      { additionalProperties: false },
    ),
    headers: ConditionHeaders,
    consumes: mediaTypes,
    body: Type.String(),
  })
  const config = { ownLane: true, spooled: true, access }
  app.put(url, { schema, config, bodyLimit: zonefileLimit }, async (request, reply) => {
    const { dryRun = false } = request.query as { dryRun?: boolean }
    const condition = conditionOf(request)
    const apex = apexOf(request)
    const { body } = request
    if (!(body instanceof Readable)) {
      throw new HttpError(400, 'invalid', 'the body is missing: a master file, Content-Type: text/dns')
    }
    const done = await transferring(request, reply, 'write', async (spool) => {
      await receive(spool, body)
      if (reply.raw.destroyed) throw new HttpError(400, 'bad-request', 'the connection was ended meanwhile')
      return importZone(context.database, {
        apex,
        source: spool.read(),
        by: authorOf(request),
        condition,
        dryRun,
      })
    })
    return replyWithImport(context, reply, apex, done, dryRun)
  })
}

async function receive(spool: Spool, body: Readable): Promise<void> {
  try {
    await spool.fill(body, zonefileLimit)
  } catch (error) {
    if (error instanceof SpoolOverflow) throw bodyTooLarge(zonefileLimit)
    // The client went away; the reply is for the log.
    if (body.destroyed) throw new HttpError(400, 'bad-request', 'the body did not arrive whole')
    throw error
  }
}

async function replyWithImport(
  context: Ground & Observations,
  reply: FastifyReply,
  apex: string,
  done: ZoneImport,
  dryRun: boolean,
): Promise<object> {
  if (!dryRun) {
    await awaitPublished(context, done.revision, reply)
    reply.header('etag', etagOf(done.zoneRevision))
    if (done.created) reply.code(201).header('location', `/v1/zones/${segmentOf(apex)}`)
  }
  const { changed, rrsets, warnings, zone, replaced } = done
  const changes = changesOf(replaced)
  const moreChanges = replaced.changed - changes.length
  return {
    ...formatZoneHead(zone),
    status: { serial: zone.serial, rrsets, dryRun, changed, changes, moreChanges, warnings },
  }
}

/** Octets of changes that are told in full; of more the names are told. */
const mostOctets = 256 * 1024

function changesOf({ put, deleted, few }: ZoneImport['replaced']) {
  const known = new Map(few.map((change) => [keyOf((change.before ?? change.after)!), change]))
  let octets = 0
  const tell = (name: string, action: 'put' | 'delete') => {
    const { before = null, after = null } = known.get(name) ?? {}
    const bodies = {
      ...(before === null ? {} : { before: formatRrset(before) }),
      ...(after === null ? {} : { after: formatRrset(after) }),
    }
    octets += jsonOctets(bodies)
    return { name, action, ...(octets > mostOctets ? {} : bodies) }
  }
  return [...deleted.map((name) => tell(name, 'delete')), ...put.map((name) => tell(name, 'put'))]
}

const keyOf = ({ owner, type }: RrsetKey) => `${owner} ${type}`

function apexOf(request: FastifyRequest): string {
  return hostname((request.params as { apex: string }).apex, 'zone', 'apex')
}
