/** One attempt to deliver a message of a webhook, by the way that its format goes. */
import { createHmac } from 'node:crypto'
import type { AddressPolicy } from '../../model/pool.ts'
import type { Webhook } from '../../model/webhook.ts'
import { type AttemptResult, attempt } from './attempt.ts'
import type { Message } from './formats/formats.ts'
import type { Mailer } from './mailer.ts'

export interface Ways {
  /** Of the addresses that requests go to. */
  readonly policy: AddressPolicy
  readonly mailer: Mailer
  readonly now: () => Date
}

/** Never rejects. @param id of the message, the same for each attempt */
export async function deliver(
  webhook: Webhook,
  message: Message,
  id: string,
  { policy, mailer, now }: Ways,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const { url, secret, timeoutMs } = webhook
  if (message.kind === 'letter') {
    const to = url.slice('mailto:'.length).split(',')
    return mailer.send({ to, letter: message.letter, id, timeoutMs }, signal)
  }
  const { body, isSigned } = message
  const headers = isSigned ? signatureHeaders(secret!, id, now(), body) : {}
  return attempt({ url, headers, body, timeoutMs }, policy, signal)
}

/**
 * The headers that say who sent a message (Standard Webhooks 1.0, "Webhook headers" and "Signature scheme"): HMAC-SHA256 over
 * id, time of the attempt and body, joined by dots, with the octets that the secret stands for.
 *
 * @param secret `whsec_` and base64
 * @param id of the message, the same for each attempt; without a dot
 */
export function signatureHeaders(secret: string, id: string, at: Date, body: string): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const digest = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${digest}` }
}
