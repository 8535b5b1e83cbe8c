/**
 * The API, as the console asks it: by the session's cookie, which no script can read, and the field that says that it is the console
 * (`controlplane/api/console/session-cookie.ts`). Whatever is done here curl can do.
 */
import { batch, signal } from '@preact/signals'
import type { SessionReply } from '../controlplane/api/console/session-routes.ts'
import type { SignInReply } from '../controlplane/api/console/sign-in.ts'

/** Who is signed in; null for nobody, undefined while that is not known. */
export const session = signal<SessionReply | null | undefined>(undefined)
/** The identity provider; null for none. */
export const openid = signal<SignInReply['openid']>(null)
/** Why somebody is asked to sign in again. */
export const farewell = signal('')

/** Whether whoever is signed in may do this. */
export const may = (scope: 'write' | 'override') =>
  session.value?.scopes.some((each) => each === 'write' || each === scope) === true

/** What the server says is wrong (RFC 9457), or that it can't be reached (`status` 0). */
export class ApiError extends Error {
  readonly status: number
  readonly problems: readonly { readonly path: string; readonly message: string }[]

  constructor(status: number, detail: string, problems: ApiError['problems'] = []) {
    super(detail)
    this.status = status
    this.problems = problems
  }
}

/** In words for the page. */
export const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

let lastInput = Date.now()
const noteInput = () => {
  lastInput = Date.now()
}
for (const kind of ['pointerdown', 'keydown', 'wheel', 'touchstart'])
  addEventListener(kind, noteInput, { passive: true })

/** Somebody is at the page, or was within a minute. */
const presence = () => (Date.now() - lastInput < 60_000 && !document.hidden ? 'active' : 'idle')

export interface Asked extends Omit<RequestInit, 'body' | 'headers'> {
  readonly json?: unknown
  /** A master file. */
  readonly file?: Blob
  readonly headers?: Readonly<Record<string, string>>
  /** After so long it has failed; 15 s when left out, null for never. */
  readonly patienceMs?: number | null
}

/** Throws ApiError for whatever is no success. */
export async function ask(path: string, { json, file, headers, patienceMs = 15_000, ...rest }: Asked = {}) {
  const signals = [rest.signal, patienceMs === null ? null : AbortSignal.timeout(patienceMs)]
  let response: Response
  try {
    response = await fetch(path, {
      ...rest,
      signal: AbortSignal.any(signals.filter((each) => each !== null && each !== undefined)),
      cache: 'no-store',
      headers: {
        'pooldns-console': presence(),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(file === undefined ? {} : { 'content-type': 'text/dns' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(file === undefined ? {} : { body: file }),
    })
  } catch (error) {
    if (rest.signal?.aborted === true) throw error
    throw new ApiError(0, 'The server does not answer.')
  }
  if (response.ok) return response
  throw await problemOf(response, headers?.authorization === undefined)
}

async function problemOf(response: Response, bySession: boolean): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as {
    detail?: string
    errors?: ApiError['problems']
  } | null
  if (response.status === 401 && bySession) {
    const wasThere = session.peek() !== null && session.peek() !== undefined
    batch(() => {
      session.value = null
      farewell.value = wasThere
        ? 'You were signed out: nobody was here for a while, or the token has ended.'
        : ''
    })
  }
  return new ApiError(response.status, body?.detail ?? `status ${response.status}`, body?.errors)
}

export async function get<T>(path: string, options: Asked = {}): Promise<T> {
  return (await ask(path, options)).json() as Promise<T>
}

/**
 * What a write demands: that there is still what was read, or for null that there is nothing.
 *
 * Throws where a server answered out of its memory, while its database was away: that has no ETag.
 */
export function conditionOf(read: { readonly etag: string | null } | null): Record<string, string> {
  if (read === null) return { 'if-none-match': '*' }
  if (read.etag !== null) return { 'if-match': read.etag }
  throw new Error('This was read while the database was away: read it again before you change it.')
}

/** A path with parts that may hold anything. */
export function path(texts: TemplateStringsArray, ...parts: readonly (string | number)[]): string {
  return String.raw({ raw: texts }, ...parts.map((part) => encodeURIComponent(part)))
}

export async function signIn(token: string): Promise<void> {
  const found = await get<SessionReply>('/v1/session', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  })
  batch(() => {
    session.value = found
    farewell.value = ''
  })
}

export async function signOut(): Promise<void> {
  await ask('/v1/session', { method: 'DELETE' }).catch(() => undefined)
  session.value = null
}

/** Finds out who is signed in; goes on until the server answers. Nobody is refused by it, for browsers tell of refusals in red. */
export async function findSession(): Promise<void> {
  for (;;) {
    try {
      const found = await get<SignInReply>('/v1/sign-in')
      openid.value = found.openid
      session.value = found.session ? await get<SessionReply>('/v1/session') : null
      return
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
  }
}
