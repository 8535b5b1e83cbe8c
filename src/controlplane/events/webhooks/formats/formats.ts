/** What a message is made of, by the format of its webhook: which of the events that wait go into it, and what it says. */
import type { ToldEvent } from '../../../model/told-event.ts'
import type { Webhook, WebhookSettings } from '../../../model/webhook.ts'
import { digestOf } from './digest.ts'
import { type Letter, letterOf } from './mail.ts'
import { incidentKey, incidentMessage } from './pagerduty.ts'
import { slackMessage } from './slack.ts'
import { teamsMessage } from './teams.ts'

/** Events of one message. The rest has the next. */
export const mostTogether = 500
/** Octets of the events of one message. */
const mostOctets = 1024 * 1024

/** By HTTP or by mail. */
export type Message =
  | { readonly kind: 'post'; readonly body: string; readonly isSigned: boolean }
  | { readonly kind: 'letter'; readonly letter: Letter }

/** Whether a webhook's format has something to say of an event. */
export function tellsOf({ format }: WebhookSettings, event: ToldEvent): boolean {
  return format !== 'pagerduty' || incidentKey(event) !== null
}

/**
 * Those that go with the first, itself included. PagerDuty takes one event at a time: what waits of the same thing goes by the last
 * that happened to it.
 *
 * @param waiting events as JSON, at least one
 */
export function together<Waiting extends { readonly body: string }>(
  { format, groupMs }: WebhookSettings,
  waiting: readonly Waiting[],
): readonly Waiting[] {
  if (format === 'pagerduty') {
    const key = keyOf(waiting[0]!)
    return waiting.slice(0, mostTogether).filter((one) => keyOf(one) === key)
  }
  if (groupMs === 0) return waiting.slice(0, 1)
  let octets = 0
  const fits = ({ body }: Waiting) => {
    octets += body.length
    return octets <= mostOctets
  }
  const [first, ...others] = waiting.slice(0, mostTogether)
  const end = others.findIndex((one) => !fits(one))
  return [first!, ...(end < 0 ? others : others.slice(0, end))]
}

const keyOf = ({ body }: { readonly body: string }) => incidentKey(JSON.parse(body) as ToldEvent)

/**
 * The message of events that go together.
 *
 * @param bodies events as JSON, at least one
 * @param server what this server calls itself
 */
export function messageOf(webhook: Webhook, bodies: readonly string[], server: string): Message {
  const { format, groupMs, secret } = webhook
  if (format === 'json') {
    // As each came: what a receiver gets is what the API shows.
    const body = groupMs === 0 ? bodies[0]! : `{"events":[${bodies.join(',')}]}`
    return { kind: 'post', body, isSigned: true }
  }
  const events = bodies.map((body) => JSON.parse(body) as ToldEvent)
  if (format === 'pagerduty') return posted(incidentMessage(events.at(-1)!, secret!, server))
  const digest = digestOf(events, server)
  if (format === 'mail') return { kind: 'letter', letter: letterOf(digest) }
  return posted(format === 'slack' ? slackMessage(digest) : teamsMessage(digest))
}

/** What is sent to see whether it arrives; of PagerDuty an incident that is opened, and closed again. */
export function trialMessages(webhook: Webhook, event: ToldEvent, server: string): readonly Message[] {
  const { format, secret } = webhook
  if (format !== 'pagerduty') return [messageOf(webhook, [JSON.stringify(event)], server)]
  return [false, true].map((end) => posted(incidentMessage(event, secret!, server, end)))
}

function posted(value: object): Message {
  return { kind: 'post', body: JSON.stringify(value), isSigned: false }
}
