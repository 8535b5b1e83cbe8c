/** The body of a webhook. It is written like a fragment of the document, and belongs to none: see `webhook.ts`. */
import Type, { type Static } from 'typebox'
import type { Problem } from '../model/errors.ts'
import { eventKinds } from '../model/event.ts'
import type { WebhookInput, WebhookSettings } from '../model/webhook.ts'
import { formatDuration } from './duration.ts'
import { checkName, Duration, durationMs, Text, Words } from './fields.ts'
import { compileCheck } from './schema-check.ts'

const Url = Text(
  'an http or https URL of at most 2048 characters, without user, password and fragment',
  (text) => text.length <= 2048 && isUrl(text),
)

function isUrl(text: string): boolean {
  const url = /^https?:\/\/[\x21-\x7e]+$/i.test(text) ? URL.parse(text) : null
  return url !== null && url.username === '' && url.password === '' && !text.includes('#')
}

const secretDescription = 'whsec_ and then 24 to 64 octets in base64, as Standard Webhooks writes secrets'

// The message does not show what was sent: a secret that is almost right is a secret too.
const Secret = Type.Refine(
  Type.String({ description: secretDescription, writeOnly: true }),
  (value) => isSecret(value),
  () => `must be ${secretDescription}`,
)

function isSecret(text: string): boolean {
  const key = Buffer.from(text.slice(6), 'base64')
  return text === `whsec_${key.toString('base64')}` && key.length >= 24 && key.length <= 64
}

const PoolPattern = Text(
  'the name of a pool, of lower-case letters, digits, ".", "_" or "-", with * for any characters',
  (text) => /^[a-z0-9._*-]{1,63}$/.test(text),
)

export const WebhookSchema = Type.Object(
  {
    url: Url,
    secret: Type.Optional(Secret),
    kinds: Type.Optional(
      Type.Array(Words(eventKinds), {
        minItems: 1,
        maxItems: eventKinds.length,
        uniqueItems: true,
        description: 'kinds of events, none of them twice; all when left out',
      }),
    ),
    pools: Type.Optional(
      Type.Array(PoolPattern, {
        minItems: 1,
        maxItems: 100,
        description: 'which pools the events are of, all when left out; events of no pool come in any case',
      }),
    ),
    timeout: Type.Optional(Duration(100, 60_000)),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with the fields of a webhook' },
)
export type WebhookBody = Static<typeof WebhookSchema>

const check = compileCheck(WebhookSchema)

const defaultTimeoutMs = 15_000

/** The webhook that a body describes; null, and every problem reported, when it is not one. */
export function parseWebhook(
  name: string,
  input: unknown,
  path: string,
  problems: Problem[],
): WebhookInput | null {
  const before = problems.length
  checkName(name, path, problems)
  problems.push(...check(input, path))
  if (problems.length > before) return null
  const { url, secret = null, kinds = null, pools = null, timeout } = input as WebhookBody
  return {
    name,
    url,
    secret,
    kinds,
    pools,
    timeoutMs: timeout === undefined ? defaultTimeoutMs : durationMs(timeout),
  }
}

/** Never with the secret. */
export function formatWebhook({
  url,
  kinds,
  pools,
  timeoutMs,
}: WebhookSettings): Omit<WebhookBody, 'secret'> {
  return {
    url,
    ...(kinds === null ? {} : { kinds: [...kinds] }),
    ...(pools === null ? {} : { pools: [...pools] }),
    timeout: formatDuration(timeoutMs),
  }
}
