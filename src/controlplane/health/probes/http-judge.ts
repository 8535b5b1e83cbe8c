import { isUtf8 } from 'node:buffer'
import type { HttpMonitor } from '../../model/monitor.ts'
import { type Fault, fault, type Passed, type SaidWeight } from '../verdict.ts'
import { ContentDecoder, codingOf } from './content-coding.ts'
import type { HeaderFields } from './http-framing.ts'
import { saidWeight, weightAt } from './member-weight.ts'
import type { PatternMatcher } from './pattern-matcher.ts'
import { expectsNothing, type Look, TextSearch } from './text-expectation.ts'

export interface Redirection {
  readonly status: number
  readonly location: string
}

/** RFC 9110 section 15.4, those that name a new target by Location. */
const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** What a response is judged with, and who is told. */
export interface JudgeOptions {
  readonly patterns: PatternMatcher
  readonly stop: AbortSignal
  /** As much has come as counts; what comes of it follows. */
  readonly onEnough: () => void
  readonly finish: (result: Passed | Fault | Redirection) => void
}

/**
 * Judges one response while it arrives.
 *
 * A response counts when all of it, or the first 64 KiB of its body, have come. Judging by the headers alone would call a
 * member healthy that sends headers and then stalls.
 */
export function judgeResponse(
  { expectBody, expectCodes, followRedirects, weight }: HttpMonitor,
  { patterns, stop, onEnough, finish }: JudgeOptions,
) {
  const wantsJson = weight?.kind === 'json'
  const body = new TextSearch(expectBody, wantsJson)
  let said: SaidWeight | null = null
  let ended = false
  const tell = (look: Look | Fault): void => {
    if ('failure' in look) {
      finish(look)
      return
    }
    const { missing, unwanted } = look
    const complaint = missing ?? unwanted
    if (complaint === null && wantsJson) said = weightAt(weight.pointer, body.text.toString())
    finish(complaint === null ? { weight: said } : fault('body', `body ${complaint}`))
  }
  const text = {
    data(octets: Buffer): void {
      if (ended) return
      body.take(octets)
      if (body.full) text.end()
    },
    end(): void {
      if (ended) return
      ended = true
      onEnough()
      const look = body.look(patterns, stop)
      if (look instanceof Promise) void look.then(tell)
      else tell(look)
    },
    unreadable: (why: string) => finish(fault('body', `body ${why}`)),
  }
  let decoder: ContentDecoder | null = null
  return {
    body,
    head(status: number, fields: HeaderFields): void {
      if (weight?.kind === 'header') said = saidWeight(single(fields, weight.name.toLowerCase()))
      const location = single(fields, 'location')
      const redirects = redirectCodes.has(status) && typeof location === 'string'
      const coding = wantsJson || !expectsNothing(expectBody) ? codingOf(fields) : null
      if (coding !== null) decoder = new ContentDecoder(coding, text)
      // Where redirects are followed, one is not judged.
      if (redirects && followRedirects > 0) finish({ status, location: asUtf8(location) })
      else if (!expectCodes.some(({ from, to }) => from <= status && status <= to)) {
        finish(fault('status', `status ${status}`))
      }
    },
    data: (octets: Buffer) => (decoder ?? text).data(octets),
    end: () => (decoder ?? text).end(),
    /** Judges no more. */
    stop: () => decoder?.stop(),
  }
}

/** The value of a field that is there once; what is there again and again says nothing, and is all of it. */
function single(fields: HeaderFields, name: string): unknown {
  const values = fields.get(name)
  return values?.length === 1 ? values[0] : values
}

/** A text of single octets as what most servers mean by it, if it can be that. */
function asUtf8(text: string): string {
  const octets = Buffer.from(text, 'latin1')
  return isUtf8(octets) ? octets.toString() : text
}
