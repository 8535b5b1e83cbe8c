/** What HTTP itself demands of a request before it has a route. */
import type { IncomingMessage } from 'node:http'
import { HttpError } from '../errors.ts'

/** Why a request is not worth a route; null when it is. */
export function refusalOf({ headers, rawHeaders, httpVersion }: IncomingMessage): HttpError | null {
  // RFC 9112 section 3.2.
  const hosts = rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) {
    const detail = hosts === 0 ? 'the request has no Host' : 'the request has more than one Host'
    return new HttpError(400, 'bad-request', detail)
  }
  const { expect } = headers
  if (expect !== undefined && httpVersion === '1.1' && !/^100-continue$/i.test(expect)) {
    return new HttpError(417, 'expectation-failed', 'nothing but 100-continue can be expected')
  }
  return null
}

/** Whether the client waits for a word before it sends the body (RFC 9110 section 10.1.1). */
export function expectsContinue({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.expect !== undefined && httpVersion === '1.1'
}
