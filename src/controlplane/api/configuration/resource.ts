/**
 * The routes of one kind of resource: GET, PUT, PATCH and DELETE of one, GET of a list. Every kind behaves the same;
 * what differs (its schema, its place in the store, what stands under `status`) is a `Resource`.
 *
 * A write reads, checks and writes in one transaction that holds the revision lock, so a condition or a merge patch
 * is never applied to something else than what it was checked against. It replies once this node serves the result.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TObject, TSchema } from 'typebox'
import { readHostname } from '../../document/fields.ts'
import { ControlError, type Problem } from '../../model/errors.ts'
import type { Tx, Write } from '../../store/database.ts'
import type { Page, PageRequest, Put, Stored, WriteCondition } from '../../store/stored.ts'
import type { ApiContext } from '../context.ts'
import {
  bearer,
  ConditionHeaders,
  etagHeader,
  json,
  NoQuery,
  PageQuery,
  pageOf,
  pageRequest,
  problems as problemResponses,
  writeHeaders,
} from '../schemas.ts'
import { awaitPublished, conditionOf, etagOf, mergePatch } from '../writes.ts'

/** `Key` is what names one in the URL, `T` the model's type, `S` what the store gives back. */
export interface Resource<Key, T, S extends T | object> {
  /** What it is called in messages and in the tags of the OpenAPI document, such as `monitor`. */
  readonly kind: string
  /** Path of one, with parameters. */
  readonly url: string
  readonly params: TObject
  readonly body: TSchema
  /** What GET gives: the body, with `status`. */
  readonly view: TSchema
  /** Octets; 1 MiB when left out. */
  readonly bodyLimit?: number
  /** The key in canonical form. Throws `invalid`. */
  key(params: Readonly<Record<string, string>>): Key
  describe(key: Key): string
  get(tx: Tx, key: Key): Promise<Stored<S> | null>
  /** `notice` is for what only this write can tell: it stands under `status` of the reply. */
  put(
    write: Write,
    key: Key,
    value: T,
    condition: WriteCondition,
  ): Promise<Put & { readonly notice?: object }>
  delete(write: Write, key: Key, condition: WriteCondition): Promise<void>
  parse(key: Key, body: unknown, problems: Problem[]): T | null
  /** The fragment of the document, to apply a merge patch to; absent where there is no PATCH. */
  format?(value: S): object
  /** The bodies of GET, `status` included: of the one with `key`, or (null) of the items of a list. */
  present(tx: Tx, stored: readonly Stored<S>[], key: Key | null): Promise<object[]>
  /** What a write tells beside `status` and a GET doesn't: it goes there too. */
  notice?(tx: Tx, key: Key): Promise<object>
}

/** The list of a kind, each item with its name. */
export interface Listing<S> {
  readonly url: string
  readonly params?: TObject
  readonly item: TSchema
  list(tx: Tx, page: PageRequest): Promise<Page<Stored<S>>>
  nameOf(value: S): string
}

type Params = Readonly<Record<string, string>>

/** Registers GET, PUT, DELETE and, when it has a `format`, PATCH. */
export function registerResource<Key, T, S extends T | object>(
  app: FastifyInstance,
  context: ApiContext,
  resource: Resource<Key, T, S>,
): void {
  registerGet(app, context, resource)
  registerPut(app, context, resource)
  if (resource.format !== undefined) registerPatch(app, context, resource, resource.format)
  registerDelete(app, context, resource)
}

function documentation<Key, T, S extends T | object>({ kind, params }: Resource<Key, T, S>) {
  return { tags: [kind], params, querystring: NoQuery, security: bearer }
}

function registerGet<Key, T, S extends T | object>(
  app: FastifyInstance,
  context: ApiContext,
  resource: Resource<Key, T, S>,
): void {
  const schema = {
    ...documentation(resource),
    summary: `Reads a ${resource.kind}`,
    response: {
      200: json(`The ${resource.kind}.`, resource.view, etagHeader),
      ...problemResponses(400, 401, 403, 404, 503),
    },
  }
  app.get(resource.url, { schema }, async (request, reply) => {
    const key = resource.key(request.params as Params)
    const { stored, body } = await context.database.read((tx) => readOne(resource, tx, key))
    reply.header('etag', etagOf(stored.revision))
    return body
  })
}

function registerPut<Key, T, S extends T | object>(
  app: FastifyInstance,
  context: ApiContext,
  resource: Resource<Key, T, S>,
): void {
  const schema = {
    ...documentation(resource),
    summary: `Creates or replaces a ${resource.kind}`,
    headers: ConditionHeaders,
    body: resource.body,
    response: {
      200: json('Replaced, or the same already.', resource.view, writeHeaders),
      201: json('Created.', resource.view, writeHeaders),
      ...problemResponses(400, 401, 403, 404, 409, 412, 413, 415, 503),
    },
  }
  const { bodyLimit } = resource
  app.put(
    resource.url,
    { schema, ...(bodyLimit === undefined ? {} : { bodyLimit }) },
    async (request, reply) => {
      // Parsed before the transaction, so that a bad body costs no lock.
      const key = resource.key(request.params as Params)
      const value = parsed(resource, key, request.body)
      return write(context, resource, request, reply, async () => value)
    },
  )
}

function registerPatch<Key, T, S extends T | object>(
  app: FastifyInstance,
  context: ApiContext,
  resource: Resource<Key, T, S>,
  format: (value: S) => object,
): void {
  const schema = {
    ...documentation(resource),
    summary: `Changes a ${resource.kind} by a JSON merge patch (RFC 7396)`,
    headers: ConditionHeaders,
    consumes: ['application/merge-patch+json', 'application/json'],
    body: { type: 'object', additionalProperties: true },
    response: {
      200: json('Changed, or the same already.', resource.view, writeHeaders),
      ...problemResponses(400, 401, 403, 404, 409, 412, 413, 415, 503),
    },
  }
  app.patch(resource.url, { schema }, async (request, reply) => {
    const key = resource.key(request.params as Params)
    return write(context, resource, request, reply, async (tx) => {
      const stored = await resource.get(tx, key)
      if (stored === null) throw notFound(resource.describe(key))
      return parsed(resource, key, mergePatch(format(stored.value), request.body))
    })
  })
}

function registerDelete<Key, T, S extends T | object>(
  app: FastifyInstance,
  context: ApiContext,
  resource: Resource<Key, T, S>,
): void {
  const schema = {
    ...documentation(resource),
    summary: `Deletes a ${resource.kind}`,
    headers: ConditionHeaders,
    response: {
      204: { description: 'Deleted.', type: 'null' },
      ...problemResponses(400, 401, 403, 404, 409, 412, 503),
    },
  }
  app.delete(resource.url, { schema }, async (request, reply) => {
    const key = resource.key(request.params as Params)
    const condition = conditionOf(request)
    const { revision } = await context.database.write(request.actor, (unit) =>
      resource.delete(unit, key, condition),
    )
    await awaitPublished(context, revision, reply)
    return reply.code(204).send()
  })
}

/** Puts what `makeValue` gives inside of the transaction, and replies with the resource as it is then. */
async function write<Key, T, S extends T | object>(
  context: ApiContext,
  resource: Resource<Key, T, S>,
  request: FastifyRequest,
  reply: FastifyReply,
  makeValue: (tx: Tx) => Promise<T>,
): Promise<object> {
  const params = request.params as Params
  const key = resource.key(params)
  const condition = conditionOf(request)
  const { revision, result } = await context.database.write(request.actor, async (unit) => {
    const put = await resource.put(unit, key, await makeValue(unit.tx), condition)
    const { body } = await readOne(resource, unit.tx, key)
    const notice = { ...(await resource.notice?.(unit.tx, key)), ...put.notice }
    return { put, body: Object.keys(notice).length === 0 ? body : withNotice(body, notice) }
  })
  await awaitPublished(context, revision, reply)
  reply.header('etag', etagOf(result.put.revision))
  if (result.put.created) reply.code(201).header('location', locationOf(resource.url, params))
  return result.body
}

function withNotice(body: { status?: object }, notice: object): object {
  return { ...body, status: { ...body.status, ...notice } }
}

/** Registers the list of a kind. */
export function registerListing<Key, T, S extends T | object>(
  app: FastifyInstance,
  context: ApiContext,
  resource: Resource<Key, T, S>,
  listing: Listing<S>,
): void {
  app.get(
    listing.url,
    {
      schema: {
        tags: [resource.kind],
        summary: `Lists every ${resource.kind}`,
        security: bearer,
        querystring: PageQuery,
        response: {
          200: json('One page, in the order of names.', pageOf(listing.item)),
          ...problemResponses(400, 401, 403, 503),
        },
      },
    },
    async (request) => {
      return context.database.read(async (tx) => {
        const page = await listing.list(tx, pageRequest(request.query))
        const bodies = await resource.present(tx, page.items, null)
        return {
          items: bodies.map((body, index) => ({ name: listing.nameOf(page.items[index]!.value), ...body })),
          nextCursor: page.nextCursor,
        }
      })
    },
  )
}

async function readOne<Key, T, S extends T | object>(resource: Resource<Key, T, S>, tx: Tx, key: Key) {
  const stored = await resource.get(tx, key)
  if (stored === null) throw notFound(resource.describe(key))
  const [body] = await resource.present(tx, [stored], key)
  return { stored, body: body! }
}

export function notFound(what: string): ControlError {
  return new ControlError('not-found', `${what} does not exist`)
}

/** The value of a body, or `invalid` with everything that is wrong with it. */
function parsed<Key, T, S extends T | object>(resource: Resource<Key, T, S>, key: Key, input: unknown): T {
  const found: Problem[] = []
  const value = resource.parse(key, withoutName(input, lastOf(key), found), found)
  if (value === null || found.length > 0) throw invalid(resource.describe(key), found)
  return value
}

export function invalid(what: string, problems: readonly Problem[]): ControlError {
  const first = problems[0]
  const where = first === undefined ? '' : `: ${first.path === '' ? '' : `${first.path} `}${first.message}`
  return new ControlError('invalid', `${what} is not valid${where}`, { problems })
}

/** The canonical form of a domain name in a URL. Throws `invalid`. */
export function hostname(text: string, what: string, path: string): string {
  const problems: Problem[] = []
  const name = readHostname(text, path, problems)
  if (name === null) throw invalid(`the name of the ${what}`, problems)
  return name
}

/**
 * Items of a list carry their `name`, and what was read may be written back. So a `name` in a body is taken when it
 * agrees with the URL.
 */
function withoutName(input: unknown, name: string, problems: Problem[]): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || !Object.hasOwn(input, 'name')) {
    return input
  }
  const { name: given, ...rest } = input as { name: unknown }
  if (given !== name) {
    problems.push({ path: 'name', message: `must be ${JSON.stringify(name)}, as in the URL, or left out` })
  }
  return rest
}

/** The resource's own name: its key, or the last part of it. */
function lastOf(key: unknown): string {
  return typeof key === 'string' ? key : String(Object.values(key as object).at(-1))
}

function locationOf(url: string, params: Params): string {
  return url.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
}
