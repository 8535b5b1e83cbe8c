/** The HTTP API of a running daemon, for the commands that can't, or shouldn't, open its database. */
import { UsageError } from '../config.ts'
import { ControlError, type Problem } from '../controlplane/model/errors.ts'

export interface ApiServer {
  readonly origin: string
  readonly token: string
}

/** From flags and environment; null when no server is named. @throws UsageError */
export function readApiServer(
  flags: { readonly server?: string | undefined; readonly token?: string | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): ApiServer | null {
  const origin = flags.server ?? environment.POOLDNS_SERVER ?? ''
  if (origin === '') return null
  const source = flags.server === undefined ? 'POOLDNS_SERVER' : '--server'
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) {
    throw new UsageError(
      `${source}: ${JSON.stringify(origin)} is not accepted; it takes a URL http://host:port`,
    )
  }
  const token = flags.token ?? environment.POOLDNS_ADMIN_TOKEN ?? ''
  if (token === '') throw new UsageError(`${source} needs a token: --token or POOLDNS_ADMIN_TOKEN`)
  return { origin: origin.replace(/\/+$/, ''), token }
}

/**
 * One request.
 *
 * @throws ControlError with the problems that the server tells
 */
export async function askApi(server: ApiServer, path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${server.token}`)
  let response: Response
  try {
    response = await fetch(server.origin + path, { ...init, headers, redirect: 'error' })
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    throw new Error(
      `${server.origin}: ${cause instanceof Error ? cause.message || cause.name : String(cause)}`,
    )
  }
  if (response.ok) return response
  const text = await response.text()
  const { detail, errors } = parseProblem(text)
  throw new ControlError('invalid', `${server.origin}: ${response.status} ${detail ?? response.statusText}`, {
    problems: errors ?? [],
  })
}

function parseProblem(text: string): { detail?: string; errors?: Problem[] } {
  try {
    return JSON.parse(text) as { detail?: string; errors?: Problem[] }
  } catch {
    return {}
  }
}
