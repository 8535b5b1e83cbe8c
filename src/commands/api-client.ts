/** The HTTP API of a running daemon, for the commands that can't, or shouldn't, open its database. */
import { Agent, fetch, Headers, type RequestInit, type Response } from 'undici'
import { secretOf, UsageError } from '../config.ts'
import { ControlError, type Problem } from '../controlplane/model/errors.ts'
import { withoutAdvice } from '../controlplane/model/reason.ts'
import { trustSystemAuthorities } from '../trust.ts'

/** The flags of the commands that may go by a running server. */
export const serverFlags = { server: { type: 'string' }, token: { type: 'string' } } as const

/**
 * Waits for as long as a server works: an import of millions of RRs is answered when it is served, later than the five minutes after
 * which Node's own `fetch` gives up.
 */
const patientAgent = new Agent({ headersTimeout: 0, bodyTimeout: 0 })

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
   * @throws ControlError with the problems that the server tells
   */
  async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${this.token}`)
    const how = { ...init, headers, redirect: 'error', dispatcher: patientAgent } as const
    const response = await fetch(this.origin + path, how).catch((error: unknown) => {
      throw new Error(`${this.origin}: ${causeOf(error)}`)
    })
    if (response.ok) return response
    const { detail, errors } = parseProblem(await response.text())
    const message = `${this.origin}: ${response.status} ${detail ?? response.statusText}`
    throw new ControlError('invalid', message, { problems: errors ?? [] })
  }
}

/** The server that flags or the environment name; null when none is named. @throws UsageError */
export function namedServer(
  flags: { readonly server?: string | undefined; readonly token?: string | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): ApiClient | null {
  const origin = flags.server ?? environment.POOLDNS_SERVER ?? ''
  if (origin === '') return null
  const source = flags.server === undefined ? 'POOLDNS_SERVER' : '--server'
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) {
    throw new UsageError(
      `${source}: ${JSON.stringify(origin)} is not accepted; it takes a URL http://host:port`,
    )
  }
  if (origin.startsWith('https:')) trustSystemAuthorities()
  // Node writes a title over the command line, so that `ps` doesn't go on showing a token that stands there.
  if (flags.token !== undefined) process.title = 'pooldns'
  const token =
    flags.token || secretOf('POOLDNS_TOKEN', environment) || secretOf('POOLDNS_ADMIN_TOKEN', environment)
  if (token === undefined) {
    throw new UsageError(`${source} needs a token: POOLDNS_TOKEN or POOLDNS_TOKEN_FILE, or --token`)
  }
  return new ApiClient(origin, token)
}

/** The flags of a command that speaks to several. */
export const serversFlags = { ...serverFlags, server: { type: 'string', multiple: true } } as const

/** Every server that flags or the environment name, at least one. @throws UsageError */
export function namedServers(
  flags: { readonly server?: readonly string[] | undefined; readonly token?: string | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): ApiClient[] {
  const given = flags.server ?? (environment.POOLDNS_SERVER ?? '').split(',').map((text) => text.trim())
  const servers = given.flatMap((server) => namedServer({ server, token: flags.token }, environment) ?? [])
  if (servers.length === 0)
    throw new UsageError('which servers: --server URL, once or several times, or POOLDNS_SERVER')
  return servers
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
