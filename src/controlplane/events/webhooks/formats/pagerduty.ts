/**
 * An incident of PagerDuty, by its Events API v2: what is wrong opens one, what is well again closes it. Events of one thing have one
 * key, so that however often it changes, and however many servers see it, it is one incident.
 *
 * Events that nobody has to get up for have no incident: what operators do, drains, steps of gradual changes, members that are not known
 * yet, and members that are held down, since nothing tells when a hold is over. Of what goes by feeds, a value that is missing has one;
 * that a member sheds or a pool is full has none, for then load goes where it was told to.
 */
import { createHash } from 'node:crypto'
import { type Gravity, gravityOf, type ToldEvent } from '../../../model/told-event.ts'
import { sentenceOf } from './digest.ts'

const longestKey = 255

const severities: Readonly<Record<Gravity, string>> = {
  good: 'info',
  info: 'info',
  warning: 'warning',
  error: 'error',
  critical: 'critical',
}

/** What tells an incident from others; null for an event that has none. */
export function incidentKey(event: ToldEvent): string | null {
  const subject = incidentSubject(event)
  if (subject === null) return null
  const key = `pooldns ${subject}`
  return key.length <= longestKey ? key : `pooldns ${createHash('sha256').update(key).digest('hex')}`
}

function incidentSubject(event: ToldEvent): string | null {
  const { kind, pool, member, address, service, to, node, change, what, webhook } = event
  if (kind === 'member')
    return to === 'unknown' ? null : `member ${pool}/${member} ${address ?? ''}`.trimEnd()
  if (kind === 'pool') return `pool ${pool}`
  if (kind === 'service') return `service ${service}`
  if (kind === 'feed') return `feed ${event.feed}`
  if (kind === 'steering') return what === 'stale' || what === 'fresh' ? `reading ${readingOf(event)}` : null
  if (kind === 'isolation') return `network ${node}`
  if (kind === 'certificate') return `certificate ${pool}/${member}`
  if (kind === 'gradual') return what === 'returned' || what === 'halted' ? `gradual ${change}` : null
  return kind === 'test' ? `test ${webhook}` : null
}

/** A member may go by several columns, each of which may be missing by itself. */
function readingOf({ pool, member, feed, entity, column }: ToldEvent): string {
  return `${pool}${member === undefined ? '' : `/${member}`} ${feed}/${column} ${entity}`
}

/** Whether the event ends its incident. */
function isEnd(event: ToldEvent): boolean {
  const { from, to } = event
  return gravityOf(event) === 'good' || (from === to && to === 'up')
}

/**
 * @param key the integration key
 * @param end of a test, whether it is its end; else the event says so
 */
export function incidentMessage(event: ToldEvent, key: string, server: string, end = isEnd(event)): object {
  const head = { routing_key: key, dedup_key: incidentKey(event)! }
  if (end) return { ...head, event_action: 'resolve' }
  const { pool, service, kind, at } = event
  return {
    ...head,
    event_action: 'trigger',
    client: 'pooldns',
    payload: {
      summary: sentenceOf(event),
      source: server,
      severity: severities[gravityOf(event)],
      timestamp: at,
      class: kind,
      ...(service === undefined && pool === undefined ? {} : { group: service ?? pool }),
      custom_details: event,
    },
  }
}
