/** An operator's word on a service where it stands in a pool's place: no ETag, the last word counts, as with members. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import type { CatalogService } from '../../catalog/catalog.ts'
import { ControlError } from '../../model/errors.ts'
import { isStanding, overrideStates, type ServiceOverride } from '../../model/override.ts'
import {
  deleteServiceOverride,
  getServiceOverride,
  putServiceOverride,
} from '../../store/service-overrides.ts'
import { authorOf } from '../author.ts'
import { hostname, notFound, valid, withoutNames } from '../configuration/resource.ts'
import type { Ground, Memory, Operations } from '../context.ts'
import { readEither } from '../memory.ts'
import { done, guarded, InstantOrNull, json, paramsOf, publishedHeaders, WriteQuery } from '../schemas.ts'
import { awaitPublished } from '../writes.ts'
import { origin, originOf } from './override-view.ts'
import { parseWish, wishForm } from './overrides.ts'
import { asPending, takeWord, writeEither } from './words.ts'

type Context = Ground & Operations

export const ServiceOverrideView = Type.Object(
  {
    state: Type.Enum([...overrideStates]),
    until: InstantOrNull,
    reason: Type.String(),
    status: Type.Object(origin),
  },
  { title: 'ServiceOverrideView' },
)

export function presentServiceOverride(override: ServiceOverride): Static<typeof ServiceOverrideView> {
  const { state, until, reason } = override
  const untilText = until === null ? null : until.toISOString()
  return { state, until: untilText, reason, status: originOf(override) }
}

const url = '/v1/services/:name/override'
const config = { access: { kind: 'service', param: 'name' }, changing: ['override', 'write'] } as const
const tag = 'service'
const whom = 'a service, where other services name it'

export function serviceOverrideRoutes(app: FastifyInstance, context: Context): void {
  const params = paramsOf(url)
  const read = { 200: json('The override.', ServiceOverrideView) }
  const reading = guarded(
    { tag, id: 'getServiceOverride', summary: `Reads the override of ${whom}` },
    read,
    [404],
    { params },
  )
  app.get(url, { schema: reading, config }, (request, reply) => get(context, request, reply))
  const replies = {
    200: json('Replaced.', ServiceOverrideView, publishedHeaders),
    201: json('Set.', ServiceOverrideView, publishedHeaders),
  }
  const writing = guarded(
    { tag, id: 'putServiceOverride', summary: `Overrides the state of ${whom}` },
    replies,
    [404],
    {
      params,
      querystring: WriteQuery,
      body: wishForm.schema,
      description: 'Who asks for the service by its own name is answered as ever.',
    },
  )
  app.put(url, { schema: writing, config }, (request, reply) => put(context, request, reply))
  const ending = guarded(
    { tag, id: 'deleteServiceOverride', summary: `Ends the override of ${whom}` },
    done('Ended.'),
    [404],
    {
      params,
      querystring: WriteQuery,
    },
  )
  app.delete(url, { schema: ending, config }, (request, reply) => remove(context, request, reply))
}

async function get(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const name = nameIn(request)
  const override = await readEither(
    context,
    reply,
    () => context.database.read((tx) => getServiceOverride(tx, name)),
    (memory) => rememberedService(memory, name).override ?? null,
  )
  if (override === null || !isStanding(override, context.now())) throw noOverride(name)
  return presentServiceOverride(override)
}

function rememberedService({ catalog }: Memory, name: string): CatalogService {
  const service = catalog.services.get(name)
  if (service === undefined) throw notFound(`service ${name}`)
  return service
}

function noOverride(name: string): ControlError {
  return new ControlError('not-found', `there is no override of service ${name}`)
}

async function put(context: Context, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = nameIn(request)
  const now = context.now()
  const wish = valid('the override', (problems) =>
    parseWish(withoutNames(request.body, { service: name }, problems), now, problems),
  )
  const override = { service: name, ...wish, actor: request.actor, since: now }
  const { actor } = request
  const toDatabase = async () => {
    const { revision, result: before } = await context.database.write(authorOf(request), (write) =>
      putServiceOverride(write, override),
    )
    tell(context, override, before === null ? 'set' : 'changed', actor, now)
    await awaitPublished(context, revision, reply)
    return { existed: before !== null, override }
  }
  const written = await writeEither(context, { service: name }, toDatabase, async (memory) => {
    const existed = (rememberedService(memory, name).override ?? null) !== null
    await takeWord(context, reply, memory, { service: name, override, at: now, actor }, () =>
      tell(context, override, existed ? 'changed' : 'set', actor, now),
    )
    return { existed, override: asPending<ServiceOverride>(override) }
  })
  return reply.code(written.existed ? 200 : 201).send(presentServiceOverride(written.override))
}

async function remove(context: Context, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = nameIn(request)
  const { actor } = request
  const at = context.now()
  const toDatabase = async () => {
    const { revision, result } = await context.database.write(authorOf(request), (write) =>
      deleteServiceOverride(write, name),
    )
    tell(context, result, 'deleted', actor, at)
    await awaitPublished(context, revision, reply)
  }
  await writeEither(context, { service: name }, toDatabase, async (memory) => {
    const ended = rememberedService(memory, name).override ?? null
    if (ended === null) throw noOverride(name)
    await takeWord(context, reply, memory, { service: name, override: null, at, actor }, () =>
      tell(context, ended, 'deleted', actor, at),
    )
  })
  return reply.code(204).send()
}

function tell(
  context: Context,
  { service, state, reason }: ServiceOverride,
  what: 'set' | 'changed' | 'deleted',
  actor: string,
  at: Date,
): void {
  context.tell({ kind: 'override', service, state, reason, what, actor, at })
}

const nameIn = ({ params }: FastifyRequest) =>
  hostname((params as { readonly name: string }).name, 'service', 'name')
