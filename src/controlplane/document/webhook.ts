/** The body of a webhook. It is written like a fragment of the document, and belongs to none: see `webhook.ts`. */
import { eventKinds } from '../model/event.ts'
import { canonicalHost } from '../model/host-name.ts'
import {
  type WebhookFormat,
  type WebhookInput,
  type WebhookSettings,
  webhookFormats,
} from '../model/webhook.ts'
import { Checked, Duration, hostText, parseNamed, Text, Unshown, Words } from './fields.ts'
import {
  type Body,
  converted,
  fieldsOf,
  ignored,
  list,
  type ParseNamed,
  type RecordForm,
  type Report,
  record,
} from './forms.ts'

const mostMailAddresses = 20

// Receivers have their secrets in URLs. Schemes have no case (RFC 3986 section 3.1); the rest is as its receiver wrote it.
const Url = converted(
  Unshown(
    'an http or https URL of at most 2048 characters, without user, password and fragment, or for mail ' +
      `mailto: and up to ${mostMailAddresses} addresses with commas between`,
    (text) => text.length <= 2048 && (isUrl(text) || isMailto(text)),
  ),
  (text) => text.replace(/^(?:https?|mailto)/i, (scheme) => scheme.toLowerCase()),
  (url) => url,
)

/** RFC 6068 without what it encodes: header fields are not for others to set, and addresses that need it are rare. */
function isMailto(text: string): boolean {
  const addresses = /^mailto:/i.test(text) ? text.slice('mailto:'.length).split(',') : []
  return addresses.length <= mostMailAddresses && addresses.length > 0 && addresses.every(isMailAddress)
}

/** The dot-atoms of RFC 5322 section 3.4.1, within the lengths of RFC 5321 section 4.5.3.1. */
export function isMailAddress(text: string): boolean {
  const [, local = '', domain = ''] = /^([\w.!#$&'*+/=^`{|}~-]{1,64})@([\w.-]{1,255})$/.exec(text) ?? []
  return !/^\.|\.\.|\.$/.test(local) && hostText(domain) !== null
}

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

const secretDescription =
  'whsec_ and then 24 to 64 octets in base64, as Standard Webhooks writes secrets, or the integration key of PagerDuty, ' +
  'of 32 letters and digits'

// The message does not show what was sent: a secret that is almost right is a secret too.
const Secret = Checked({ description: secretDescription, writeOnly: true }, (text) =>
  isSigningSecret(text) || isIntegrationKey(text) ? null : `must be ${secretDescription}`,
)

function isSigningSecret(text: string): boolean {
  const key = Buffer.from(text.slice(6), 'base64')
  return text === `whsec_${key.toString('base64')}` && key.length >= 24 && key.length <= 64
}

function isIntegrationKey(text: string): boolean {
  return /^[A-Za-z0-9]{32}$/.test(text)
}

/** Null for a secret that the format has a use for, or none; else what is wrong with it. */
function problemOfSecret(format: WebhookFormat, secret: string): string | null {
  if (format === 'json')
    return isSigningSecret(secret) ? null : 'must begin with whsec_ where the format is json'
  if (format === 'pagerduty')
    return isIntegrationKey(secret) ? null : 'must be the integration key of PagerDuty'
  return `has no use where the format is ${format}: leave it out`
}

/** What people read is gathered: a hundred members that fail at once are one message. */
const groupedMs = 5_000
const groupOf = (format: WebhookFormat | undefined) =>
  format === 'slack' || format === 'teams' || format === 'mail' ? groupedMs : 0

function check({ url, format = 'json', secret }: Partial<WebhookInput>, report: Report): void {
  const isMail = url?.startsWith('mailto:')
  if (isMail === true && format !== 'mail') report('is for the format mail', 'url')
  if (isMail === false && format === 'mail')
    report('must be mailto: and addresses where the format is mail', 'url')
  const problem = secret === null || secret === undefined ? null : problemOfSecret(format, secret)
  if (problem !== null) report(problem, 'secret')
}

const PoolPattern = Text(
  'the name of a pool, of lower-case letters, digits, ".", "_" or "-", with * for any characters',
  (text) => /^[a-z0-9._*-]{1,63}$/.test(text),
)

const webhook = fieldsOf<WebhookInput>()
const form: RecordForm<Omit<WebhookInput, 'name'>> = record(
  {
    url: webhook.required('url', Url),
    format: webhook.optional('format', Words(webhookFormats), 'json'),
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
    group: webhook.optional('groupMs', Duration(0, 600_000), ({ format }) => groupOf(format)),
    timeout: webhook.shown('timeoutMs', Duration(100, 60_000), 15_000),
    status: ignored,
  },
  { check, title: 'Webhook', description: 'an object with the fields of a webhook' },
)
export const WebhookSchema = form.schema

export const parseWebhook: ParseNamed<WebhookInput> = (...given) => parseNamed(form, ...given)

/** Never with the secret. */
export function formatWebhook(webhook: WebhookSettings): Body {
  return form.format({ ...webhook, secret: null })
}
