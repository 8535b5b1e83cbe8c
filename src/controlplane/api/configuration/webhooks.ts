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
import type { Ground, Memory, Observations } from '../context.ts'
import { Instant, withStatus } from '../schemas.ts'
import { type Resource, registerResource } from './resource.ts'

const counted = (description: string) =>
  Type.Integer({ description: `on this node since its start: ${description}` })

const Status = Type.Object({
  secret: Type.String({
    description:
      '`set`; in the reply of the write that had a secret made the secret itself, which is never told again',
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

export function webhookRoutes(app: FastifyInstance, context: Ground & Observations): void {
  // No cache on the way may keep a secret.
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'GET') reply.header('cache-control', 'no-store')
  })
  const present = (webhook: Webhook) => ({
    ...formatWebhook(webhook),
    status: { secret: 'set', ...(context.webhookStatus(webhook.name) ?? idle) },
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
}

function rememberedWebhooks({ catalog, whole }: Memory): ReadonlyMap<string, Webhook> {
  if (whole) return catalog.webhooks
  throw new ControlError('unavailable', 'the database is not available, and the snapshot holds no webhooks')
}
