/**
 * How a zone is signed: seen, begun and ended, and its keys moved in and out. Of the keys only an export shows the private part, and only to
 * the admin.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { types } from '../../../dataplane/wire/constants.ts'
import { formatRdata, parseType } from '../../../dataplane/wire/rdata.ts'
import { bindKeyName, formatBindKey, parseBindKey } from '../../dnssec/bind-key.ts'
import { dnskeyOf, dsOf, keyTag } from '../../dnssec/zone-key.ts'
import { SigningForm } from '../../document/dnssec.ts'
import { denials, keyStates, type ZoneKey } from '../../model/dnssec.ts'
import { ControlError } from '../../model/errors.ts'
import type { Tx } from '../../store/database.ts'
import { importKey } from '../../store/dnssec-keys.ts'
import { endSigning, getSigning, ownParentDs, putSigning, type SigningState } from '../../store/signing.ts'
import type { Stored } from '../../store/stored.ts'
import type { Ground, Signing } from '../context.ts'
import {
  ConditionHeaders,
  done,
  etagHeader,
  guarded,
  Instant,
  InstantOrNull,
  json,
  MergePatch,
  paramsOf,
  publishedHeaders,
  TextOrNull,
  titled,
  WriteQuery,
  writeHeaders,
} from '../schemas.ts'
import { awaitPublished, conditionOf, etagOf, mergePatch } from '../writes.ts'
import { hostname, notFound, valid } from './resource.ts'

type Context = Ground & Signing

const url = '/v1/zones/:apex/dnssec'
const params = paramsOf(url)
const config = { access: { kind: 'zone', param: 'apex' } } as const
/** A key file of BIND has some 300 octets. */
const keyText = (description: string) => Type.String({ maxLength: 4096, description })

const KeyView = Type.Object(
  {
    tag: Type.Integer(),
    algorithm: Type.Integer(),
    flags: Type.Integer(),
    state: Type.Unsafe<string>({ type: 'string', enum: [...keyStates] }),
    since: Instant,
    dnskey: Type.String({ description: 'RDATA of its DNSKEY' }),
    ds: Type.String({ description: 'RDATA of the DS that the parent is to have, by SHA-256' }),
  },
  { title: 'DnssecKey' },
)

const View = Type.Object(
  {
    enabled: Type.Boolean(),
    algorithm: Type.Optional(Type.Integer()),
    denial: Type.Optional(Type.Unsafe<string>({ type: 'string', enum: [...denials] })),
    status: Type.Object({
      keys: Type.Array(KeyView),
      signatures: Type.Unsafe<object | null>({
        ...Type.Object({
          count: Type.Integer({ description: 'how many are served' }),
          made: Type.Integer({ description: 'how many this node has made since it was started' }),
          expiresAt: InstantOrNull,
          renewsAt: InstantOrNull,
          ended: Type.Boolean({ description: 'none is good any more: the zone is SERVFAIL' }),
          trouble: TextOrNull('why none can be made; null when they can'),
        }),
        type: ['object', 'null'],
        description: 'as this node has them; null where it has none',
      }),
    }),
  },
  { title: 'DnssecView' },
)

const BindKeySchema = Type.Object(
  {
    key: keyText('the file `K*.key`'),
    private: keyText('the file `K*.private`'),
  },
  { title: 'BindKey', additionalProperties: false },
)

const BindKeyView = titled(
  'BindKeyView',
  Type.Object({
    name: Type.String({ description: 'of the files, without their ends' }),
    ...BindKeySchema.properties,
  }),
)

export function dnssecRoutes(app: FastifyInstance, context: Context): void {
  registerGet(app, context)
  registerPut(app, context)
  registerPatch(app, context)
  registerDelete(app, context)
}

/** Of who may have private keys. */
export function dnssecKeyRoutes(app: FastifyInstance, context: Context): void {
  registerImport(app, context)
  registerExport(app, context)
}

function registerGet(app: FastifyInstance, context: Context): void {
  const operation = {
    tag: 'dnssec',
    id: 'getDnssec',
    summary: 'How a zone is signed, and what its parent is to have',
  }
  const schema = guarded(operation, { 200: json('The state.', View, etagHeader) }, [404], { params })
  app.get(url, { schema, config }, async (request, reply) => {
    const apex = apexOf(request)
    const found = await context.database.read((tx) => getSigning(tx, apex))
    return shown(context, existing(found, apex), reply)
  })
}

function registerPut(app: FastifyInstance, context: Context): void {
  const operation = { tag: 'dnssec', id: 'putDnssec', summary: 'Has a zone signed' }
  const replies = { 200: json('It is signed, or was so already.', View, writeHeaders) }
  const schema = guarded(operation, replies, [404, 409, 412], {
    params,
    querystring: WriteQuery,
    headers: ConditionHeaders,
    body: titled('DnssecBody', Type.Unsafe<unknown>({ ...SigningForm.schema, additionalProperties: true })),
  })
  app.put(url, { schema, config }, async (request, reply) =>
    write(context, request, reply, async () => request.body),
  )
}

function registerPatch(app: FastifyInstance, context: Context): void {
  const operation = {
    tag: 'dnssec',
    id: 'patchDnssec',
    summary: 'Changes how a zone is signed by a JSON merge patch (RFC 7396)',
  }
  const replies = { 200: json('Changed, or the same already.', View, writeHeaders) }
  const schema = guarded(operation, replies, [404, 409, 412], {
    params,
    querystring: WriteQuery,
    headers: ConditionHeaders,
    consumes: ['application/merge-patch+json', 'application/json'],
    body: MergePatch,
  })
  app.patch(url, { schema, config }, async (request, reply) =>
    write(context, request, reply, async (tx, apex) => {
      const { value } = existing(await getSigning(tx, apex), apex)
      return mergePatch(SigningForm.format(value.dnssec), request.body)
    }),
  )
}

async function write(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  bodyOf: (tx: Tx, apex: string) => Promise<unknown>,
): Promise<object> {
  const apex = apexOf(request)
  const condition = conditionOf(request)
  const { revision, result } = await context.database.write(request.actor, async (unit) => {
    const body = withoutStatus(await bodyOf(unit.tx, apex))
    const found = valid(`dnssec of zone ${apex}`, (problems) => {
      const dnssec = SigningForm.parse(body, '', problems)
      return dnssec === undefined ? null : { dnssec }
    })
    await putSigning(unit, apex, found.dnssec, condition)
    await unit.settled()
    return existing(await getSigning(unit.tx, apex), apex)
  })
  await awaitPublished(context, revision, reply)
  return shown(context, result, reply)
}

function registerDelete(app: FastifyInstance, context: Context): void {
  const operation = { tag: 'dnssec', id: 'deleteDnssec', summary: 'Has a zone signed no more' }
  const force = Type.Boolean({ description: 'true: whatever the parent says' })
  const schema = guarded(operation, done('It is not signed.'), [404, 409, 412], {
    description:
      'Refused while the parent has a DS, for whoever validates would take the zone for bogus, and when nobody can be asked whether it has one. ' +
      'The keys are kept, so that the zone can be signed by them again.',
    params,
    querystring: Type.Object(
      { ...WriteQuery.properties, force: Type.Optional(force) },
      { additionalProperties: false },
    ),
    headers: ConditionHeaders,
  })
  app.delete(url, { schema, config }, async (request, reply) => {
    const apex = apexOf(request)
    const condition = conditionOf(request)
    const { force = false } = request.query as { readonly force?: boolean }
    const { value } = existing(await context.database.read((tx) => getSigning(tx, apex)), apex)
    if (!force && value.dnssec !== null) await demandNoDs(context, apex)
    const { revision } = await context.database.write(request.actor, (unit) =>
      endSigning(unit, apex, condition),
    )
    await awaitPublished(context, revision, reply)
    return reply.code(204).send()
  })
}

/** Longest time that resolvers are asked. */
const askMs = 8_000

/** @throws ControlError `conflict` unless the parent has no DS for the zone */
async function demandNoDs(context: Context, apex: string): Promise<void> {
  const own = await context.database.read((tx) => ownParentDs(tx, apex))
  const found =
    own === null || own === 0
      ? await context.signing.parentDs(apex, AbortSignal.timeout(askMs))
      : ({ kind: 'found', count: own } as const)
  // A zone of ours around it is its parent, whether or not anybody is referred to that.
  if (found.kind === 'none' || (found.kind === 'unknown' && own === 0)) return
  const why =
    found.kind === 'found'
      ? `its parent has ${found.count} DS for it: have them taken away, and wait until they are out of caches`
      : `nobody could be asked whether its parent has a DS for it (${found.reason}): see to that, and force it`
  throw new ControlError('conflict', `zone ${apex} stays signed: ${why}`)
}

function registerImport(app: FastifyInstance, context: Context): void {
  const operation = {
    tag: 'dnssec',
    id: 'importDnssecKey',
    summary: 'Takes in a key of BIND, for a zone that is to be signed by it',
  }
  const replies = {
    200: json('It is kept, and signs once the zone is signed with its algorithm.', View, publishedHeaders),
  }
  const schema = guarded(operation, replies, [404, 409], {
    params,
    querystring: WriteQuery,
    body: BindKeySchema,
  })
  app.post(`${url}/import-key`, { schema, config: { access: 'admin' } }, async (request, reply) => {
    const apex = apexOf(request)
    const parts = parseBindKey(apex, request.body as { key: string; private: string })
    const sealed = context.signing.seal(apex, parts)
    const { revision, result } = await context.database.write(request.actor, async (unit) => {
      existing(await getSigning(unit.tx, apex), apex)
      await importKey(unit, apex, sealed)
      await unit.settled()
      return existing(await getSigning(unit.tx, apex), apex)
    })
    await awaitPublished(context, revision, reply)
    return shown(context, result, reply)
  })
}

function registerExport(app: FastifyInstance, context: Context): void {
  const operation = {
    tag: 'dnssec',
    id: 'exportDnssecKey',
    summary: 'Gives a key of a zone as the two files that BIND has of one',
  }
  const replies = { 200: json('The files; the second one holds the private key.', BindKeyView) }
  const tag = Type.Integer({
    minimum: 0,
    maximum: 65535,
    description: 'of the key; left out, the one that signs',
  })
  const schema = guarded(operation, replies, [404, 409], {
    params,
    querystring: Type.Object({ tag: Type.Optional(tag) }, { additionalProperties: false }),
  })
  app.post(`${url}/export-key`, { schema, config: { access: 'admin' } }, async (request, reply) => {
    const apex = apexOf(request)
    const { tag: wanted } = request.query as { readonly tag?: number }
    const { value } = existing(await context.database.read((tx) => getSigning(tx, apex)), apex)
    const key = value.keys.find((each) =>
      wanted === undefined ? each.state === 'active' : keyTag(dnskeyOf(each)) === wanted,
    )
    if (key === undefined)
      throw notFound(wanted === undefined ? `a key that signs zone ${apex}` : `key ${wanted} of zone ${apex}`)
    const parts = context.signing.open(apex, key)
    await context.database.write(request.actor, async (unit) => {
      unit.audit('dnssec.export-key', apex, null, { tag: keyTag(dnskeyOf(key)), algorithm: key.algorithm })
    })
    reply.header('cache-control', 'no-store')
    return { name: bindKeyName(apex, parts), ...formatBindKey(apex, parts, key.since) }
  })
}

function shown(context: Context, { value, revision }: Stored<SigningState>, reply: FastifyReply): object {
  reply.header('etag', etagOf(revision))
  const { apex, dnssec, keys } = value
  const found = dnssec === null ? null : context.signing.zone(apex)
  const instant = (seconds: number) =>
    Number.isFinite(seconds) ? new Date(seconds * 1000).toISOString() : null
  return {
    ...(SigningForm.format(dnssec) as object),
    status: {
      keys: keys.map((key) => keyView(apex, key)),
      signatures: found && {
        count: found.signatures,
        made: found.madeInAll,
        expiresAt: instant(found.expiresAt),
        renewsAt: instant(found.renewAt),
        ended: context.signing.hasEnded(apex),
        trouble: found.trouble,
      },
    },
  }
}

function keyView(apex: string, key: ZoneKey) {
  const { algorithm, flags, state, since } = key
  const dnskey = dnskeyOf(key)
  return {
    tag: keyTag(dnskey),
    algorithm,
    flags,
    state,
    since: since.toISOString(),
    dnskey: formatRdata(parseType('DNSKEY'), dnskey),
    ds: formatRdata(types.ds, dsOf(apex, dnskey)),
  }
}

function withoutStatus(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const { status: _, ...rest } = body as { readonly status?: unknown }
  return rest
}

function existing(found: Stored<SigningState> | null, apex: string): Stored<SigningState> {
  if (found === null) throw notFound(`zone ${apex}`)
  return found
}

const apexOf = ({ params: given }: FastifyRequest) =>
  hostname((given as { readonly apex: string }).apex, 'zone', 'apex')
