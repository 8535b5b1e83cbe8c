import { createHmac } from 'node:crypto'

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
