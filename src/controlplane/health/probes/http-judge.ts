import type { Dispatcher } from 'undici'
import type { HttpMonitor } from '../../model/monitor.ts'
import { type Fault, fault, type Passed } from '../verdict.ts'
import { valueAt, weightPercent } from './member-weight.ts'
import { TextSearch } from './text-expectation.ts'

export interface Redirection {
  readonly status: number
  readonly location: string
}

/** RFC 9110 section 15.4, those that name a new target by Location. */
const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Judges one response while it arrives.
 *
 * A response counts when all of it, or the first 64 KiB of its body, have come. Judging by the headers alone would call a
 * member healthy that sends headers and then stalls.
 */
export function judgeResponse(
  { expectBody, expectCodes, followRedirects, weight }: HttpMonitor,
  finish: (result: Passed | Fault | Redirection) => void,
) {
  const body = new TextSearch(expectBody, weight?.kind === 'json')
  let said: unknown
  const end = (): void => {
    const complaint = body.missing() ?? body.unwanted()
    if (complaint === null && weight?.kind === 'json') said = valueAt(weight.pointer, body.text.toString())
    finish(complaint === null ? { weightPercent: weightPercent(said) } : fault('body', `body ${complaint}`))
  }
  return {
    start(status: number, headers: Dispatcher.ResponseData['headers']): void {
      if (status < 200) return // an interim response; the final one follows (RFC 9110 section 15.2)
      if (weight?.kind === 'header') said = headers[weight.name.toLowerCase()]
      const { location } = headers
      const redirects = redirectCodes.has(status) && typeof location === 'string'
      // Where redirects are followed, one is not judged.
      if (redirects && followRedirects > 0) finish({ status, location })
      else if (!expectCodes.some(({ from, to }) => from <= status && status <= to)) {
        finish(fault('status', `status ${status}`))
      }
    },
    data(chunk: Buffer): void {
      body.take(chunk)
      if (body.full) end()
    },
    end,
  }
}
