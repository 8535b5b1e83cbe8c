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
import { reportMarks } from '../../document/hidden.ts'
import { isMap, maxProblems } from '../../document/schema-check.ts'
import { ControlError, type Problem } from '../../model/errors.ts'
import { type Named, type Reach, within } from '../../model/reach.ts'
import { firstBeyond } from '../../rules/reach.ts'
import type { Tx, Write } from '../../store/database.ts'
import type { Page, PageRequest, Put, Stored, WriteCondition } from '../../store/stored.ts'
import type { Access, NamedAccess } from '../access.ts'
import { authorOf } from '../author.ts'
import type { Ground, Memory } from '../context.ts'
import { fragmentLimit } from '../json-body.ts'
import { pageOf, readEither } from '../memory.ts'
import {
  ConditionHeaders,
  done,
  etagHeader,
  guarded,
  json,
  MergePatch,
  PageQuery,
  page,
  pageReply,
  pageRequest,
  paramsOf,
  pascalCase,
  titled,
  WriteQuery,
  withEffective,
  writeHeaders,
} from '../schemas.ts'
import { awaitPublished, conditionOf, etagOf, mergePatch } from '../writes.ts'

/** `Key` is what names one in the URL, `T` the model's type, `S` what the store gives back. */
export interface Resource<Key, T, S extends object> {
  /** What it is called in messages and in the tags of the OpenAPI document, such as `monitor`. */
  readonly kind: string
  /** What a token with limits must reach for one; a list shows what it reaches. */
  readonly access: NamedAccess | 'everything'
  /** Path of one, with parameters; the list, when there is one, has that without the last part. */
  readonly url: string
  /** Path of what GET gives, where another one than `url`. */
  readonly readUrl?: string
  /** The parameters of the path; plain texts when left out. */
  readonly params?: TObject
  readonly body: TSchema
  /** What GET gives: the body, with `status`. */
  readonly view: TSchema
  /** Octets; 1 MiB when left out. */
  readonly bodyLimit?: number
  /** The key in canonical form. Throws `invalid`. */
  key(params: Params): Key
  /** What messages call one; kind and key when left out. */
  describe?(key: Key): string
  get(tx: Tx, key: Key): Promise<Stored<S> | null>
  /** `body` is how the value is written. `notice` is for what only this write can tell: it stands under `status` of the reply. */
  put(
    write: Write,
    value: T,
    condition: WriteCondition,
    key: Key,
    body: unknown,
  ): Promise<Put & { readonly notice?: object | Promise<object> }>
  delete(write: Write, key: Key, condition: WriteCondition): Promise<void>
  parse(key: Key, body: unknown, path: string, problems: Problem[]): T | null
  /** The fragment of the document, to apply a merge patch to; absent where there is no PATCH. */
  bodyOf?(stored: Stored<S>): object
  /** All that holds by a value, also what its body leaves out; stands under `status`. */
  effective?(value: S): object
  /** The body of GET, `status` included. It should ask for what it needs beside `stored` before it awaits that. */
  present(tx: Tx, stored: PromiseLike<Stored<S>>, key: Key): Promise<object>
  /** What a value names besides; see `rules/reach.ts`. */
  named?(value: T | S): readonly Named[]
  /** A body for who may only read. What it leaves out is marked (`hidden.ts`), and the mark is refused in writes. */
  hide?(body: object): object
  /** What a write tells beside `status` and a GET doesn't: it goes there too. */
  notice?(tx: Tx, key: Key): Promise<object>
  /** The same out of memory; null where there is none. Throws `unavailable` for what is not there. */
  readonly remembered: {
    get(memory: Memory, key: Key): S | null
    present(memory: Memory, value: S, key: Key | null): object
    /** All of them, in any order. */
    list?(memory: Memory): Iterable<S>
  }
  /** Each item has its name. */
  readonly listing?: {
    readonly item: TSchema
    /** The bodies of the items of a list. */
    present(tx: Tx, stored: readonly Stored<S>[]): Promise<object[]>
    list(tx: Tx, page: PageRequest): Promise<Page<Stored<S>>>
    nameOf(value: S): string
  }
}

type Params = Readonly<Record<string, string>>

/** Registers GET, PUT, DELETE and, for a resource with a `bodyOf`, PATCH; for one with a `listing` GET of the list too. */
export function registerResource<Key, T, S extends object>(
  app: FastifyInstance,
  context: Ground,
  resource: Resource<Key, T, S>,
): void {
  const routes = new ResourceRoutes(app, context, resource)
  routes.get()
  routes.put()
  routes.patch()
  routes.delete()
  routes.list()
}

class ResourceRoutes<Key, T, S extends object> {
  readonly #app: FastifyInstance
  readonly #context: Ground
  readonly #resource: Resource<Key, T, S>
  readonly #taken: { readonly params: TObject }
  readonly #config: { readonly access: Access }
  /** What one is shown as. */
  readonly #view: TSchema

  constructor(app: FastifyInstance, context: Ground, resource: Resource<Key, T, S>) {
    this.#app = app
    this.#context = context
    this.#resource = resource
    this.#config = { access: resource.access }
    const { kind, view, effective } = resource
    this.#view = titled(`${pascalCase(kind)}View`, effective === undefined ? view : withEffective(view))
    this.#taken = { params: resource.params ?? paramsOf(resource.url) }
  }

  get(): void {
    const { kind, url, readUrl = url } = this.#resource
    const replies = { 200: json(`The ${kind}.`, this.#view, etagHeader) }
    const schema = guarded(this.#operation('get', 'Reads'), replies, [404], this.#taken)
    this.#app.get(readUrl, { schema, config: this.#config }, async (request, reply) => {
      const key = this.#keyOf(request)
      const fromDatabase = async () => {
        const { stored, body } = await this.#context.database.read((tx) => this.#read(tx, key))
        reply.header('etag', etagOf(stored.revision))
        return body
      }
      const body = await readEither(this.#context, reply, fromDatabase, (memory) => {
        const value = this.#resource.remembered.get(memory, key)
        if (value === null) throw notFound(this.#describe(key))
        return this.#withEffective(this.#resource.remembered.present(memory, value, key), value)
      })
      return this.#shown(request, body)
    })
  }

  put(): void {
    const { url, body, bodyLimit = fragmentLimit } = this.#resource
    const replies = {
      200: json('Replaced, or the same already.', this.#view, writeHeaders),
      201: json('Created.', this.#view, writeHeaders),
    }
    const taken = { ...this.#taken, querystring: WriteQuery, headers: ConditionHeaders, body }
    const schema = guarded(this.#operation('put', 'Creates or replaces'), replies, [404, 409, 412], taken)
    this.#app.put(url, { schema, bodyLimit, config: this.#config }, async (request, reply) => {
      // Parsed before the transaction, so that a bad body costs no lock.
      const wanted = this.#parse(this.#keyOf(request), request.body)
      return this.#write(request, reply, async () => wanted)
    })
  }

  patch(): void {
    const { url, bodyOf, bodyLimit = fragmentLimit } = this.#resource
    if (bodyOf === undefined) return
    const replies = { 200: json('Changed, or the same already.', this.#view, writeHeaders) }
    const operation = this.#operation('patch', 'Changes', ' by a JSON merge patch (RFC 7396)')
    const schema = guarded(operation, replies, [404, 409, 412], {
      ...this.#taken,
      querystring: WriteQuery,
      headers: ConditionHeaders,
      consumes: ['application/merge-patch+json', 'application/json'],
      body: MergePatch,
    })
    this.#app.patch(url, { schema, bodyLimit, config: this.#config }, async (request, reply) =>
      this.#write(request, reply, async (tx, key) => {
        const stored = await this.#stored(tx, key)
        return this.#parse(key, mergePatch(bodyOf(stored), request.body))
      }),
    )
  }

  delete(): void {
    const { url } = this.#resource
    const taken = { ...this.#taken, querystring: WriteQuery, headers: ConditionHeaders }
    const schema = guarded(this.#operation('delete', 'Deletes'), done('Deleted.'), [404, 409, 412], taken)
    this.#app.delete(url, { schema, config: this.#config }, async (request, reply) => {
      const key = this.#keyOf(request)
      const condition = conditionOf(request)
      const { revision } = await this.#context.database.write(authorOf(request), (write) =>
        this.#resource.delete(write, key, condition),
      )
      await awaitPublished(this.#context, revision, reply)
      return reply.code(204).send()
    })
  }

  list(): void {
    const { kind, url, listing, access } = this.#resource
    if (listing === undefined) return
    const name = pascalCase(kind)
    const replies = page(name, titled(`${name}Item`, listing.item), ', in the order of names')
    const schema = guarded({ tag: kind, id: `list${name}s`, summary: `Lists every ${kind}` }, replies, [], {
      querystring: PageQuery,
    })
    const config = { access: access === 'everything' ? access : ('within' as const) }
    this.#app.get(url.slice(0, url.lastIndexOf('/')), { schema, config }, async (request, reply) => {
      const wanted = { ...pageRequest(this.#context, request.query), reach: request.reach }
      const replyWith = <V>(page: Page<V>, bodies: readonly object[], nameOf: (value: V) => string) => {
        const named = bodies.map((body, index) => ({
          name: nameOf(page.items[index]!),
          ...this.#shown(request, body),
        }))
        return pageReply(this.#context, page, named)
      }
      const fromDatabase = () =>
        this.#context.database.read(async (tx) => {
          const page = await listing.list(tx, wanted)
          const bodies = await listing.present(tx, page.items)
          return replyWith(page, bodies, ({ value }) => listing.nameOf(value))
        })
      return readEither(this.#context, reply, fromDatabase, (memory) => {
        const { list, present } = this.#resource.remembered
        const all = list?.(memory) ?? []
        const isReached = typeof access === 'object' ? within(request.reach, access.kind) : () => true
        const shown = Array.from(all).filter((value) => isReached(listing.nameOf(value)))
        const page = pageOf(shown, (value) => [listing.nameOf(value)], wanted)
        const bodies = page.items.map((value) => present(memory, value, null))
        return replyWith(page, bodies, listing.nameOf)
      })
    })
  }

  /** Puts what `makeValue` gives inside of the transaction, and replies with the resource as it is then. */
  async #write(
    request: FastifyRequest,
    reply: FastifyReply,
    makeValue: (tx: Tx, key: Key) => Promise<Parsed<T>>,
  ): Promise<object> {
    const key = this.#keyOf(request)
    const condition = conditionOf(request)
    const { revision, result } = await this.#context.database.write(authorOf(request), async (write) => {
      const { tx } = write
      const { value, body: written } = await makeValue(tx, key)
      if (request.reach !== null) await this.#checkNamed(tx, key, value, request.reach)
      const put = await this.#resource.put(write, value, condition, key, written)
      const [{ body }, noticed, told] = await Promise.all([
        this.#read(tx, key),
        this.#resource.notice?.(tx, key),
        put.notice,
      ])
      const notice = { ...noticed, ...told }
      return { put, body: Object.keys(notice).length === 0 ? body : withNotice(body, notice) }
    })
    await awaitPublished(this.#context, revision, reply)
    reply.header('etag', etagOf(result.put.revision))
    if (result.put.created) reply.code(201).header('location', locationOf(this.#resource.url, request))
    return result.body
  }

  async #checkNamed(tx: Tx, key: Key, value: T, reach: Reach): Promise<void> {
    const { named } = this.#resource
    if (named === undefined) return
    const stored = await this.#resource.get(tx, key)
    const beyond = firstBeyond(reach, named(value), stored === null ? [] : named(stored.value))
    if (beyond === undefined) return
    throw new ControlError('forbidden', `the token does not reach ${beyond.kind} ${beyond.name}`)
  }

  #shown(request: FastifyRequest, body: object): object {
    return request.mayWrite ? body : (this.#resource.hide?.(body) ?? body)
  }

  #withEffective(body: { status?: object }, value: S): object {
    const { effective } = this.#resource
    return effective === undefined ? body : withNotice(body, { effective: effective(value) })
  }

  /** How its part of the OpenAPI document calls a route. */
  #operation(method: string, verb: string, how = '') {
    const { kind } = this.#resource
    const article = kind === 'RRset' ? 'an' : 'a'
    return { tag: kind, id: `${method}${pascalCase(kind)}`, summary: `${verb} ${article} ${kind}${how}` }
  }

  #keyOf(request: FastifyRequest): Key {
    return this.#resource.key(request.params as Params)
  }

  #describe(key: Key): string {
    return this.#resource.describe?.(key) ?? `${this.#resource.kind} ${key}`
  }

  async #stored(tx: Tx, key: Key): Promise<Stored<S>> {
    const stored = await this.#resource.get(tx, key)
    if (stored === null) throw notFound(this.#describe(key))
    return stored
  }

  async #read(tx: Tx, key: Key): Promise<{ readonly stored: Stored<S>; readonly body: object }> {
    const finding = this.#stored(tx, key)
    const presenting = this.#resource.present(tx, finding, key)
    // Of what is not there, nothing else is told.
    presenting.catch(() => {})
    const stored = await finding
    return { stored, body: this.#withEffective(await presenting, stored.value) }
  }

  #parse(key: Key, input: unknown): Parsed<T> {
    return valid(this.#describe(key), (problems) => {
      if (this.#resource.hide !== undefined) reportMarks(input, problems)
      const body = withoutNames(input, { name: lastOf(key) }, problems)
      const value = this.#resource.parse(key, body, '', problems)
      return value === null ? null : { value, body }
    })
  }
}

interface Parsed<T> {
  readonly value: T
  /** What the value was read of. */
  readonly body: unknown
}

function withNotice(body: { status?: object }, notice: object): object {
  return { ...body, status: { ...body.status, ...notice } }
}

export function notFound(what: string): ControlError {
  return new ControlError('not-found', `${what} does not exist`)
}

/** What is read of an input, or `invalid` with everything that is wrong with it. */
export function valid<T>(what: string, read: (problems: Problem[]) => T | null | undefined): T {
  const problems: Problem[] = []
  const value = read(problems) ?? null
  if (value === null || problems.length > 0) throw invalid(what, problems)
  return value
}

export function invalid(what: string, problems: readonly Problem[]): ControlError {
  const first = problems[0]
  const where = first === undefined ? '' : `: ${first.path === '' ? '' : `${first.path} `}${first.message}`
  // Collections stop near the bound, records at their end.
  return new ControlError('invalid', `${what} is not valid${where}`, {
    problems: problems.slice(0, maxProblems),
  })
}

/**
 * The canonical form of a domain name in a URL. The root is `@` there, since whoever makes a URL takes a segment of `.` out of
 * its path (RFC 3986 section 5.2.4); a name of that one label would be `\@`. Throws `invalid`.
 */
export function hostname(text: string, what: string, path: string): string {
  if (text === '@') return '.'
  return valid(`the name of the ${what}`, (problems) => readHostname(text, path, problems))
}

/**
 * Items of a list carry their names, and what was read may be written back. So a body may hold the names of its URL, as long as
 * they agree with it.
 */
export function withoutNames(
  input: unknown,
  names: Readonly<Record<string, string>>,
  problems: Problem[],
): unknown {
  if (!isMap(input)) return input
  for (const [field, name] of Object.entries(names)) {
    if (!Object.hasOwn(input, field) || input[field] === name) continue
    problems.push({ path: field, message: `must be ${JSON.stringify(name)}, as in the URL, or left out` })
  }
  return Object.fromEntries(Object.entries(input).filter(([field]) => !Object.hasOwn(names, field)))
}

/** The resource's own name: its key, or the last part of it. */
function lastOf(key: unknown): string {
  return typeof key === 'string' ? key : String(Object.values(key as object).at(-1))
}

function locationOf(url: string, request: FastifyRequest): string {
  const params = request.params as Params
  return url.replaceAll(/:(\w+)/g, (_, name: string) => segmentOf(params[name] ?? ''))
}

/** A name as a segment of a path; see `hostname`. */
export function segmentOf(name: string): string {
  return encodeURIComponent(name === '.' ? '@' : name)
}
