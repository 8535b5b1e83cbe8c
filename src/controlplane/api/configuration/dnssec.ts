/**
 * How a zone is signed: seen, begun and ended, and its keys moved in and out. Of the keys only an export shows the private part, and only to
 * the admin.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { bindKeyName, formatBindKey, parseBindKey } from '../../dnssec/bind-key.ts'
import { dnskeyOf, keyTag } from '../../dnssec/zone-key.ts'
import { SigningForm } from '../../document/dnssec.ts'
import { type KeyRole, keyFlags, keyRoles } from '../../model/dnssec.ts'
import { ControlError } from '../../model/errors.ts'
import { demandAllHeard } from '../../model/silence.ts'
import type { Tx } from '../../store/database.ts'
import { importKey } from '../../store/dnssec-keys.ts'
import { listSigningNodes } from '../../store/fleet.ts'
import { demandNoRollover, endSigning, getSigning, ownParentDs, putSigning } from '../../store/signing.ts'
import type { Ground, Signing } from '../context.ts'
import {
  ConditionHeaders,
  done,
  etagHeader,
  guarded,
  json,
  MergePatch,
  paramsOf,
  publishedHeaders,
  titled,
  WriteQuery,
  writeHeaders,
} from '../schemas.ts'
import { awaitPublished, conditionOf, mergePatch } from '../writes.ts'
import { apexOf, DnssecView, existingZone, shownDnssec } from './dnssec-view.ts'
import { notFound, valid } from './resource.ts'

type Context = Ground & Signing

const url = '/v1/zones/:apex/dnssec'
const params = paramsOf(url)
const config = { access: { kind: 'zone', param: 'apex' } } as const
/** A key file of BIND has some 300 octets. */
const keyText = (description: string) => Type.String({ maxLength: 4096, description })

const BindKeySchema = Type.Object(
  {
    key: keyText('the file `K*.key`'),
    private: keyText('the file `K*.private`'),
  },
  { title: 'BindKey', additionalProperties: false },
)

const BindKeyBody = Type.Object(
  {
    ...BindKeySchema.properties,
    role: Type.Optional(
      Type.Unsafe<KeyRole>({
        type: 'string',
        enum: [...keyRoles],
        description: 'what it is to sign; left out, all for a key of flags 257, and zsk for one of 256',
      }),
    ),
  },
  { title: 'BindKeyBody', additionalProperties: false },
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
  const schema = guarded(operation, { 200: json('The state.', DnssecView, etagHeader) }, [404], { params })
  app.get(url, { schema, config }, async (request, reply) => {
    const apex = apexOf(request)
    const found = await context.database.read((tx) => getSigning(tx, apex))
    return shownDnssec(context, existingZone(found, apex), reply)
  })
}

function registerPut(app: FastifyInstance, context: Context): void {
  const operation = { tag: 'dnssec', id: 'putDnssec', summary: 'Has a zone signed' }
  const replies = { 200: json('It is signed, or was so already.', DnssecView, writeHeaders) }
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
  const replies = { 200: json('Changed, or the same already.', DnssecView, writeHeaders) }
  const schema = guarded(operation, replies, [404, 409, 412], {
    params,
    querystring: WriteQuery,
    headers: ConditionHeaders,
    consumes: ['application/merge-patch+json', 'application/json'],
    body: MergePatch,
  })
  app.patch(url, { schema, config }, async (request, reply) =>
    write(context, request, reply, async (tx, apex) => {
      const { value } = existingZone(await getSigning(tx, apex), apex)
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
    return existingZone(await getSigning(unit.tx, apex), apex)
  })
  await awaitPublished(context, revision, reply)
  return shownDnssec(context, result, reply)
}

function registerDelete(app: FastifyInstance, context: Context): void {
  const operation = { tag: 'dnssec', id: 'deleteDnssec', summary: 'Has a zone signed no more' }
  const force = Type.Boolean({ description: 'true: whatever the parent says' })
  const schema = guarded(operation, done('It is not signed.'), [404, 409, 412], {
    description:
      'Refused while the parent has a DS, for whoever validates would take the zone for bogus, when nobody can be asked whether it has one, and ' +
      'while a server is silent that may still answer the DS. ' +
      'The keys are kept, so that the zone can be signed by them again. Refused in the middle of a rollover.',
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
    const { value } = existingZone(await context.database.read((tx) => getSigning(tx, apex)), apex)
    if (!force && value.dnssec !== null) {
      demandNoRollover(apex, value.rollover)
      demandAllHeard(await context.database.read(listSigningNodes), apex, 'stays signed')
      await demandNoDs(context, apex)
    }
    const { revision } = await context.database.write(request.actor, (unit) =>
      endSigning(unit, apex, condition, force),
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
    200: json(
      'It is kept, and signs once the zone is signed with its algorithm.',
      DnssecView,
      publishedHeaders,
    ),
  }
  const schema = guarded(operation, replies, [404, 409], {
    params,
    querystring: WriteQuery,
    body: BindKeyBody,
  })
  app.post(`${url}/import-key`, { schema, config: { access: 'admin' } }, async (request, reply) => {
    const apex = apexOf(request)
    const { role, ...texts } = request.body as { key: string; private: string; role?: KeyRole }
    const parts = parseBindKey(apex, texts)
    if (role !== undefined && keyFlags[role] !== parts.flags) {
      const message = `a ${role} has the flags ${keyFlags[role]}, and this key ${parts.flags}`
      throw new ControlError('invalid', message, { problems: [{ path: 'role', message }] })
    }
    const { revision, result } = await context.database.write(request.actor, async (unit) => {
      existingZone(await getSigning(unit.tx, apex), apex)
      const sealed = { ...context.signing.seal(apex, parts, !unit.mayHaveKeys), flags: parts.flags }
      await importKey(unit, apex, sealed, role)
      await unit.settled()
      return existingZone(await getSigning(unit.tx, apex), apex)
    })
    await awaitPublished(context, revision, reply)
    return shownDnssec(context, result, reply)
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
    const { value } = existingZone(await context.database.read((tx) => getSigning(tx, apex)), apex)
    const key = value.keys.find((each) =>
      wanted === undefined ? each.state === 'active' : keyTag(dnskeyOf(each)) === wanted,
    )
    if (key === undefined)
      throw notFound(wanted === undefined ? `a key that signs zone ${apex}` : `key ${wanted} of zone ${apex}`)
    const parts = { ...context.signing.open(apex, key), flags: key.flags }
    await context.database.write(request.actor, async (unit) => {
      unit.audit('dnssec.export-key', apex, null, { tag: keyTag(dnskeyOf(key)), algorithm: key.algorithm })
    })
    reply.header('cache-control', 'no-store')
    return { name: bindKeyName(apex, parts), ...formatBindKey(apex, parts, key.since) }
  })
}

function withoutStatus(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const { status: _, ...rest } = body as { readonly status?: unknown }
  return rest
}
