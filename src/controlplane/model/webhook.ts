import type { EventKind } from './event.ts'

/**
 * What a receiver takes.
 *
 * - `json`: events as the API has them, signed
 * - `slack`, `teams`: a message to people, by a webhook of Slack or a workflow of Teams
 * - `pagerduty`: an incident that is opened and closed, by PagerDuty's Events API
 * - `mail`: a message to people by SMTP
 */
export const webhookFormats = ['json', 'slack', 'teams', 'pagerduty', 'mail'] as const
export type WebhookFormat = (typeof webhookFormats)[number]

/**
 * Somebody who is told of events. It is known to the installation that it was written to and belongs to no document: a
 * document is applied elsewhere too and is kept where people can read it, and a webhook has a secret. So `export`, `apply`
 * and the snapshot leave webhooks alone.
 */
export interface WebhookSettings {
  readonly name: string
  /**
   * Absolute, http or https, without user and fragment; for mail `mailto:` and addresses. May hold a token of the receiver, so it
   * stays out of logs.
   */
  readonly url: string
  readonly format: WebhookFormat
  /** How long events are gathered after the first, to go as one message; 0: each goes by itself, at once. */
  readonly groupMs: number
  /** Null: every kind, those of later versions too. */
  readonly kinds: readonly EventKind[] | null
  /** Patterns of names of pools, `*` for any characters; null: every pool. Events of no pool are for everybody. */
  readonly pools: readonly string[] | null
  /** How long one attempt may take. */
  readonly timeoutMs: number
}

export interface Webhook extends WebhookSettings {
  /**
   * What messages are signed with, `whsec_` and 24 to 64 octets in base64; of PagerDuty the integration key. Null where the URL is
   * all that a receiver wants. Goes to the sender and nowhere else.
   */
  readonly secret: string | null
}

/** What a client writes. */
export interface WebhookInput extends WebhookSettings {
  /** Null keeps the one that there is, or has one made where that can be. */
  readonly secret: string | null
}

/** What this node has done for a webhook since its start. */
export interface WebhookStatus {
  /** `stopped` once the receiver has answered 410, until the webhook is changed or the node starts again. */
  readonly state: 'active' | 'stopped'
  readonly delivered: number
  /** Events that were given up after the last attempt, or by a 410. */
  readonly failed: number
  /** Events that gave way because too many waited. */
  readonly dropped: number
  /** Events that wait now, the one that is being delivered included. */
  readonly queued: number
  /** The last attempt that failed; null when none has. */
  readonly lastError: { readonly at: Date; readonly reason: string } | null
}

/** What becomes of a message that is sent to see whether it arrives. */
export interface WebhookTrial {
  readonly delivered: boolean
  /** Why it was not; null when it was. */
  readonly reason: string | null
  readonly tookMs: number
}
