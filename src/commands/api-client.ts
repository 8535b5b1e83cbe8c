/** The HTTP API of a running daemon, for the commands that can't, or shouldn't, open its database. */
import { Agent, fetch, Headers, type RequestInit, Response } from 'undici'
import { commandAgent } from '../controlplane/api/author.ts'
import { ControlError, type Problem } from '../controlplane/model/errors.ts'
import { withoutAdvice } from '../controlplane/model/reason.ts'
import { version } from '../version.ts'

/**
 * Waits for as long as a server works: an import of millions of RRs is answered when it is served, later than the five minutes after
 * which Node's own `fetch` gives up.
 */
const patientAgent = new Agent({ headersTimeout: 0, bodyTimeout: 0 })

/** What a server has answered in the place of what was asked for. */
export class RefusedByServer extends ControlError {
  readonly status: number
  /** Seconds after which it may be tried again; null where the server says nothing of it. */
  readonly retryAfter: number | null

  constructor(response: Response, message: string, problems: readonly Problem[]) {
    super(response.status === 412 ? 'stale' : 'invalid', message, { problems })
    this.status = response.status
    const seconds = response.headers.get('retry-after')
    this.retryAfter = seconds !== null && /^\d{1,4}$/.test(seconds) ? Number(seconds) : null
  }
}

/** No answer came: nobody was there, or the connection ended before. */
export class NotAnswered extends Error {
  override readonly name = 'NotAnswered'
  /** Without what may have come of the request. */
  readonly reason: string

  constructor(reason: string, mayBeDone: boolean) {
    super(mayBeDone ? `${reason}; ${unknownOutcome}` : reason)
    this.reason = reason
  }
}

export class ApiClient {
  readonly origin: string
  readonly token: string

  constructor(origin: string, token: string) {
    this.origin = origin.replace(/\/+$/, '')
    this.token = token
  }

  /**
   * One request.
   *
   * @throws RefusedByServer with the problems that the server tells, NotAnswered
   */
  async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${this.token}`)
    headers.set('user-agent', `${commandAgent}/${version}`)
    const how = { ...init, headers, redirect: 'error', dispatcher: patientAgent } as const
    const response = await fetch(this.origin + path, how).catch((error: unknown) => {
      const mayBeDone = isChange(path, init) && isBroken(error)
      throw new NotAnswered(`${this.origin}: ${causeOf(error)}`, mayBeDone)
    })
    if (response.ok) return isChange(path, init) ? await this.#whole(response) : response
    const { detail, errors } = parseProblem(await response.text().catch(() => ''))
    const message = `${this.origin}: ${response.status} ${detail ?? response.statusText}`
    throw new RefusedByServer(response, message, errors ?? [])
  }

  /** The reply to a change, to its end: where that never comes, it was done all the same. */
  async #whole(response: Response): Promise<Response> {
    if (response.body === null) return response
    try {
      return new Response(await response.arrayBuffer(), response)
    } catch (error) {
      throw new Error(
        `${this.origin}: it was done, and the reply broke off: ${causeOf(error)}; "pooldns history" tells`,
        { cause: error },
      )
    }
  }
}

/** Each change is one transaction. */
const unknownOutcome = 'whether it was done is not known: all of it was, or nothing; "pooldns history" tells'

const isChange = (path: string, { method = 'GET' }: RequestInit) =>
  method !== 'GET' && !/[?&]dryRun=true\b/.test(path)

/** Whether the connection ended when it stood already, so that a server may have heard the request. */
function isBroken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** `fetch` says no more than that it failed; why stands in its cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? withoutAdvice(cause.message) || cause.name : String(cause)
}

function parseProblem(text: string): { detail?: string; errors?: Problem[] } {
  try {
    return JSON.parse(text) as { detail?: string; errors?: Problem[] }
  } catch {
    return {}
  }
}
