/**
 * Interim responses (RFC 9110 section 15.2) that come without end: Node reads each of them, up to a request's time limit, and the main
 * thread has little time for anything else.
 */
import type { ClientRequest } from 'node:http'

/** As many as a probe reads. */
const mostInterim = 8

/** Ends a request with an error when more of them come. */
export function limitInterim(request: ClientRequest): void {
  let count = 0
  request.on('information', () => {
    count++
    if (count === mostInterim + 1) request.destroy(new Error(`more than ${mostInterim} interim responses`))
  })
}
