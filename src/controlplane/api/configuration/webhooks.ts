/**
 * Webhooks. A secret is taken and never given: a GET says that there is one. The one exception is a secret that the server
 * made itself, because the write that created the webhook brought none; that write's reply holds it, once.
 */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { hideOfWebhook } from '../../document/hidden.ts'
import { formatWebhook, parseWebhook, WebhookSchema } from '../../document/webhook.ts'
import { ControlError } from '../../model/errors.ts'
import type { Webhook, WebhookInput } from '../../model/webhook.ts'
import { deleteWebhook, getWebhook, listWebhooks, putWebhook } from '../../store/webhooks.ts'
import type { Ground, Memory, Observations, Operations } from '../context.ts'
import { guarded, Instant, json, paramsOf, TextOrNull, titled, withStatus } from '../schemas.ts'
import { notFound, type Resource, registerResource } from './resource.ts'

const counted = (description: string) =>
  Type.Integer({ description: `on this node since its start: ${description}` })

const Status = Type.Object({
  secret: Type.String({
    description:
      '`set`, or `none`; in the reply of the write that had a secret made the secret itself, which is never told again',
  }),
  state: Type.Enum(['active', 'stopped'], {
    description:
      '`stopped` once the receiver has answered 410, until the webhook is changed or the node starts again',
  }),
  delivered: counted('events that the receiver took'),
  failed: counted('events that were given up after the last attempt'),
  dropped: counted('events that gave way because too many waited'),
  queued: Type.Integer({ description: 'events that wait on this node' }),
  lastError: Type.Unsafe<{ at: Date; reason: string } | null>(
    Type.Union([Type.Object({ at: Instant, reason: Type.String() }), Type.Null()]),
  ),
})

const idle = { state: 'active', delivered: 0, failed: 0, dropped: 0, queued: 0, lastError: null } as const

const { secret: _, ...shown } = WebhookSchema.properties
const viewed = Type.Object(shown)

const Trial = titled(
  'WebhookTrial',
  Type.Object({
    delivered: Type.Boolean({ description: 'whether the receiver took it' }),
    reason: TextOrNull('why it did not; null when it did'),
    tookMs: Type.Integer({ description: 'how long the attempt took' }),
  }),
)

export function webhookRoutes(app: FastifyInstance, context: Ground & Observations & Operations): void {
  // No cache on the way may keep a secret.
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'GET') reply.header('cache-control', 'no-store')
  })
  const present = (webhook: Webhook) => ({
    ...formatWebhook(webhook),
    status: {
      secret: webhook.secret === null ? 'none' : 'set',
      ...(context.webhookStatus(webhook.name) ?? idle),
    },
  })
  const resource: Resource<string, WebhookInput, Webhook> = {
    kind: 'webhook',
    // They hear of everything.
    access: 'everything',
    url: '/v1/webhooks/:name',
    body: WebhookSchema,
    view: withStatus(viewed, Status),
    key: (params) => params.name!,
    get: getWebhook,
    put: async (write, webhook, condition) => {
      const { madeSecret, ...put } = await putWebhook(write, webhook, condition)
      return madeSecret === null ? put : { ...put, notice: { secret: madeSecret } }
    },
    delete: deleteWebhook,
    parse: parseWebhook,
    bodyOf: ({ value }) => formatWebhook(value),
    hide: hideOfWebhook,
    present: async (_tx, stored) => present((await stored).value),
    remembered: {
      get: (memory, name) => rememberedWebhooks(memory).get(name) ?? null,
      present: (_memory, webhook) => present(webhook),
      list: (memory) => rememberedWebhooks(memory).values(),
    },
    listing: {
      present: async (_tx, stored) => stored.map(({ value }) => present(value)),
      item: withStatus(viewed, Status, { name: Type.String() }),
      list: listWebhooks,
      nameOf: ({ name }) => name,
    },
  }
  registerResource(app, context, resource)
  registerTrial(app, context)
}

function registerTrial(app: FastifyInstance, context: Ground & Operations): void {
  const url = '/v1/webhooks/:name/test'
  const schema = guarded(
    { tag: 'webhook', id: 'testWebhook', summary: 'Sends a webhook one message, to see whether it arrives' },
    { 200: json('What became of it.', Trial) },
    [404, 409],
    {
      params: paramsOf(url),
      description:
        'By the node that is asked, at once and without a second attempt. The message says that it is a test; PagerDuty gets an ' +
        'incident that is opened and closed again. Nothing of it is in the record of events, nor counted in `status`.',
    },
  )
  app.post(url, { schema, config: { access: 'everything' } }, async (request) => {
    const { name } = request.params as { name: string }
    const stored = await context.database.read((tx) => getWebhook(tx, name))
    if (stored === null) throw notFound(`webhook ${name}`)
    return await context.tryWebhook(stored.value, request.actor)
  })
}

function rememberedWebhooks({ catalog, whole }: Memory): ReadonlyMap<string, Webhook> {
  if (whole) return catalog.webhooks
  throw new ControlError('unavailable', 'the database is not available, and the snapshot holds no webhooks')
}
