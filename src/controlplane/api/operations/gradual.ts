/**
 * Gradual changes: seen, and acted on. They are started by a document (`configuration/config.ts`); what becomes of each is decided by
 * the rows of `gradual/machine.ts`.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { operate } from '../../gradual/advance.ts'
import type { GradualInput } from '../../gradual/machine.ts'
import { ControlError } from '../../model/errors.ts'
import type { GradualChange } from '../../model/gradual.ts'
import { getGradual, listGradual } from '../../store/gradual.ts'
import type { Ground, Operations } from '../context.ts'
import { readEither } from '../memory.ts'
import {
  guarded,
  json,
  PageQuery,
  page,
  pageReply,
  pageRequest,
  publishedHeaders,
  WriteQuery,
} from '../schemas.ts'
import { awaitPublished } from '../writes.ts'
import { GradualView, presentGradual } from './gradual-view.ts'

type Context = Ground & Operations

const url = '/v1/gradual-changes'
/** Each may move parts that belong to many. */
const config = { access: 'everything' } as const
const params = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'a whole number above 0' }),
})

const actions: Readonly<
  Record<
    string,
    { readonly id: string; readonly input: GradualInput; readonly summary: string; readonly said: string }
  >
> = {
  pause: {
    id: 'pauseGradualChange',
    input: 'pause',
    summary: 'Holds a gradual change where it is; what gains traffic is still watched',
    said: 'is paused',
  },
  resume: {
    id: 'resumeGradualChange',
    input: 'resume',
    summary: 'Lets a gradual change go on that was paused',
    said: 'goes on',
  },
  finish: {
    id: 'finishGradualChange',
    input: 'finish',
    summary: 'Brings a gradual change to its end at once: the weights become what the document says',
    said: 'is finished at once',
  },
  'go-back': {
    id: 'takeGradualChangeBack',
    input: 'go-back',
    summary: 'Takes a gradual change back at once: the weights become what they were before',
    said: 'goes back',
  },
}

export function gradualRoutes(app: FastifyInstance, context: Context): void {
  registerReads(app, context)
  for (const action of Object.keys(actions)) registerAction(app, context, action)
}

function registerReads(app: FastifyInstance, context: Context): void {
  const listed = guarded(
    { tag: 'gradual', id: 'listGradualChanges', summary: 'Gradual changes, newest first' },
    page('GradualChange', GradualView),
    [],
    {
      description: 'While the database is away: those that run or ended lately, as this node knows them.',
      querystring: PageQuery,
    },
  )
  app.get(url, { schema: listed, config }, async (request, reply) =>
    readEither(
      context,
      reply,
      async () => {
        const found = await context.database.read((tx) =>
          listGradual(tx, pageRequest(context, request.query)),
        )
        return pageReply(context, found, found.items.map(presentGradual))
      },
      () => ({
        items: [...context.gradual.current()].sort((a, b) => b.id - a.id).map(presentGradual),
        nextCursor: null,
      }),
    ),
  )
  const shown = guarded(
    { tag: 'gradual', id: 'getGradualChange', summary: 'A gradual change' },
    { 200: json('The change.', GradualView) },
    [404],
    {
      params,
    },
  )
  app.get(`${url}/:id`, { schema: shown, config }, async (request, reply) => {
    const id = idOf(request)
    const found = await readEither<GradualChange | null>(
      context,
      reply,
      () => context.database.read((tx) => getGradual(tx, id)),
      () => context.gradual.current().find((change) => change.id === id) ?? null,
    )
    if (found === null) throw new ControlError('not-found', `there is no gradual change ${id}`)
    return presentGradual(found)
  })
}

function registerAction(app: FastifyInstance, context: Context, action: string): void {
  const { id, input, summary, said } = actions[action]!
  const query = Type.Object(
    {
      ...WriteQuery.properties,
      message: Type.Optional(Type.String({ maxLength: 1024, description: 'why: up to 1,024 characters' })),
    },
    { additionalProperties: false },
  )
  const replies = { 200: json('The change as it is then.', GradualView, publishedHeaders) }
  const schema = guarded({ tag: 'gradual', id, summary }, replies, [404, 409], { params, querystring: query })
  app.post(`${url}/:id/${action}`, { schema, config }, async (request, reply) => {
    const id = idOf(request)
    const { message } = request.query as { message?: string }
    const why = message === undefined ? '' : `: ${message}`
    const by = {
      actor: request.actor,
      source: 'gradual',
      message: `gradual change ${id} ${said}${why}`,
    } as const
    const { revision, change, event } = await operate(context.database, {
      id,
      input,
      reason: message ?? null,
      by,
    })
    context.tell(event)
    await awaitPublished(context, revision, reply)
    return presentGradual(change)
  })
}

const idOf = ({ params: given }: FastifyRequest) => (given as { readonly id: number }).id
