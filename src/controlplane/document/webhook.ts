/** The body of a webhook. It is written like a fragment of the document, and belongs to none: see `webhook.ts`. */
import { eventKinds } from '../model/event.ts'
import { canonicalHost } from '../model/host-name.ts'
import type { WebhookInput, WebhookSettings } from '../model/webhook.ts'
import { Checked, Duration, parseNamed, Text, Unshown, Words } from './fields.ts'
import {
  type Body,
  converted,
  fieldsOf,
  ignored,
  list,
  type ParseNamed,
  type RecordForm,
  record,
} from './forms.ts'

// Receivers have their secrets in URLs. Schemes have no case (RFC 3986 section 3.1); the rest is as its receiver wrote it.
const Url = converted(
  Unshown(
    'an http or https URL of at most 2048 characters, without user, password and fragment',
    (text) => text.length <= 2048 && isUrl(text),
  ),
  (text) => text.replace(/^https?/i, (scheme) => scheme.toLowerCase()),
  (url) => url,
)

export function isUrl(text: string): boolean {
  const url = /^https?:\/\/[\x21-\x7e]+$/i.test(text) ? URL.parse(text) : null
  return (
    url !== null &&
    canonicalHost(url) !== null &&
    url.username === '' &&
    url.password === '' &&
    !text.includes('#')
  )
}

const secretDescription = 'whsec_ and then 24 to 64 octets in base64, as Standard Webhooks writes secrets'

// The message does not show what was sent: a secret that is almost right is a secret too.
const Secret = Checked({ description: secretDescription, writeOnly: true }, (text) =>
  isSecret(text) ? null : `must be ${secretDescription}`,
)

function isSecret(text: string): boolean {
  const key = Buffer.from(text.slice(6), 'base64')
  return text === `whsec_${key.toString('base64')}` && key.length >= 24 && key.length <= 64
}

const PoolPattern = Text(
  'the name of a pool, of lower-case letters, digits, ".", "_" or "-", with * for any characters',
  (text) => /^[a-z0-9._*-]{1,63}$/.test(text),
)

const webhook = fieldsOf<WebhookInput>()
const form: RecordForm<Omit<WebhookInput, 'name'>> = record(
  {
    url: webhook.required('url', Url),
    secret: webhook.optional('secret', Secret, null),
    kinds: webhook.optional(
      'kinds',
      list(Words(eventKinds), {
        minItems: 1,
        maxItems: eventKinds.length,
        uniqueItems: true,
        description: 'kinds of events, none of them twice; all when left out',
      }),
      null,
    ),
    pools: webhook.optional(
      'pools',
      list(PoolPattern, {
        minItems: 1,
        maxItems: 100,
        description: 'which pools the events are of, all when left out; events of no pool come in any case',
      }),
      null,
    ),
    timeout: webhook.shown('timeoutMs', Duration(100, 60_000), 15_000),
    status: ignored,
  },
  { title: 'Webhook', description: 'an object with the fields of a webhook' },
)
export const WebhookSchema = form.schema

export const parseWebhook: ParseNamed<WebhookInput> = (...given) => parseNamed(form, ...given)

/** Never with the secret. */
export function formatWebhook(webhook: WebhookSettings): Body {
  return form.format({ ...webhook, secret: null })
}
