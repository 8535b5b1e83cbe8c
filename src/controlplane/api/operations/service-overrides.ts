/** An operator's word on a service where it stands in a pool's place: no ETag, the last word counts, as with members. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { ControlError } from '../../model/errors.ts'
import { isStanding, overrideStates, type ServiceOverride } from '../../model/override.ts'
import {
  deleteServiceOverride,
  getServiceOverride,
  putServiceOverride,
} from '../../store/service-overrides.ts'
import { hostname, valid, withoutNames } from '../configuration/resource.ts'
import type { Ground, Operations } from '../context.ts'
import {
  done,
  guarded,
  Instant,
  InstantOrNull,
  json,
  paramsOf,
  publishedHeaders,
  WriteQuery,
} from '../schemas.ts'
import { awaitPublished } from '../writes.ts'
import { parseWish, wishForm } from './overrides.ts'

type Context = Ground & Operations

export const ServiceOverrideView = Type.Object({
  state: Type.Enum([...overrideStates]),
  until: InstantOrNull,
  reason: Type.String(),
  status: Type.Object({ since: Instant, actor: Type.String() }),
})

export function presentServiceOverride(override: ServiceOverride): Static<typeof ServiceOverrideView> {
  const { state, until, reason, since, actor } = override
  const untilText = until === null ? null : until.toISOString()
  return { state, until: untilText, reason, status: { since: since.toISOString(), actor } }
}

const url = '/v1/services/:name/override'
const whom = 'a service, where other services name it'

export function serviceOverrideRoutes(app: FastifyInstance, context: Context): void {
  const params = paramsOf(url)
  const read = { 200: json('The override.', ServiceOverrideView) }
  const reading = guarded('service', `Reads the override of ${whom}`, read, [404], { params })
  app.get(url, { schema: reading }, (request) => get(context, request))
  const replies = {
    200: json('Replaced.', ServiceOverrideView, publishedHeaders),
    201: json('Set.', ServiceOverrideView, publishedHeaders),
  }
  const writing = guarded('service', `Overrides the state of ${whom}`, replies, [404], {
    params,
    querystring: WriteQuery,
    body: wishForm.schema,
    description: 'Who asks for the service by its own name is answered as ever.',
  })
  app.put(url, { schema: writing }, (request, reply) => put(context, request, reply))
  const ending = guarded('service', `Ends the override of ${whom}`, done('Ended.'), [404], {
    params,
    querystring: WriteQuery,
  })
  app.delete(url, { schema: ending }, (request, reply) => remove(context, request, reply))
}

async function get(context: Context, request: FastifyRequest) {
  const name = nameIn(request)
  const override = await context.database.read((tx) => getServiceOverride(tx, name))
  if (override === null || !isStanding(override, context.now()))
    throw new ControlError('not-found', `there is no override of service ${name}`)
  return presentServiceOverride(override)
}

async function put(context: Context, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = nameIn(request)
  const now = context.now()
  const wish = valid('the override', (problems) =>
    parseWish(withoutNames(request.body, { service: name }, problems), now, problems),
  )
  const override = { service: name, ...wish, actor: request.actor, since: now }
  const { revision, result: before } = await context.database.write(request.actor, (write) =>
    putServiceOverride(write, override),
  )
  tell(context, override, before === null ? 'set' : 'changed', request.actor, now)
  await awaitPublished(context, revision, reply)
  return reply.code(before === null ? 201 : 200).send(presentServiceOverride(override))
}

async function remove(context: Context, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = nameIn(request)
  const { revision, result } = await context.database.write(request.actor, (write) =>
    deleteServiceOverride(write, name),
  )
  tell(context, result, 'deleted', request.actor, context.now())
  await awaitPublished(context, revision, reply)
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
