/**
 * What people are told of events that came together: what it comes to in a line, then the events themselves, the worst first. A storm
 * is one message of bounded length, whatever it was of.
 */
import { cutReason } from '../../../model/reason.ts'
import {
  type Gravity,
  gravities,
  gravityOf,
  newsOf,
  subjectOf,
  type ToldEvent,
} from '../../../model/told-event.ts'

export interface Digest {
  /** One line, of 200 characters at most. */
  readonly title: string
  /** That of the worst event. */
  readonly gravity: Gravity
  readonly lines: readonly DigestLine[]
  /** Events that have no line. */
  readonly more: number
  /** Who tells it, and since when. */
  readonly footer: string
}

export interface DigestLine {
  readonly gravity: Gravity
  /** Without control characters, of 240 characters at most. */
  readonly text: string
}

/** Lines of a message: what is read on a telephone. */
const mostLines = 20
const longestLine = 240
/** What mail programs and telephones show of it, and some. */
const longestTitle = 200

/** @param server what the server calls itself */
export function digestOf(events: readonly ToldEvent[], server: string): Digest {
  // Of equals the first comes first.
  const sorted = events.toSorted((a, b) => rank(b) - rank(a))
  const lines = sorted
    .slice(0, mostLines)
    .map((event) => ({ gravity: gravityOf(event), text: lineOf(event) }))
  return {
    title: cut(events.length === 1 ? sentenceOf(events[0]!) : sumOf(sorted), longestTitle),
    gravity: gravityOf(sorted[0]!),
    lines,
    more: events.length - lines.length,
    footer: `pooldns ${server}, ${events[0]!.at}`,
  }
}

const rank = (event: ToldEvent) => gravities.indexOf(gravityOf(event))

/** What stands before the subject where the kind does not say what it is. */
const prefixes: Readonly<Record<string, string>> = {
  isolation: 'network of ',
  gradual: 'gradual ',
  drained: 'drained member ',
  hold: 'member ',
  test: '',
}

/** What an event says, without why: `member web/a up → down`. */
export function sentenceOf(event: ToldEvent): string {
  const prefix = prefixes[event.kind] ?? `${event.kind} `
  return cut(`${prefix}${subjectOf(event)} ${newsOf(event).replace(' -> ', ' → ')}`, longestLine)
}

function lineOf(event: ToldEvent): string {
  const { reason = '' } = event
  return cut(reason === '' ? sentenceOf(event) : `${sentenceOf(event)}: ${reason}`, longestLine)
}

/** `42 events: 40 member down, 1 pool degraded, 1 service down`, the worst first. */
function sumOf(sorted: readonly ToldEvent[]): string {
  const counts = new Map<string, number>()
  for (const { kind, to, what = '' } of sorted) {
    const name = [kind, to ?? what].join(' ').trimEnd()
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const parts = Array.from(counts, ([name, count]) => `${count} ${name}`)
  return `${sorted.length} events: ${parts.join(', ')}`
}

const acting = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]+/gu

/** One line, whatever a peer put into it. */
function cut(text: string, most: number): string {
  return cutReason(text.replace(acting, ' ').trim(), most)
}
