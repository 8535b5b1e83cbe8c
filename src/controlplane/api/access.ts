/**
 * Who asks, and whether they may. One admin token comes from the configuration, others from the store; both are
 * compared by their SHA-256, so that neither the comparison nor a leaked table tells a secret. The admin token needs
 * no database, so that an operator is never locked out by an outage; the others are good while it is away if they were before
 * (`admission/known-tokens.ts`).
 *
 * ## Scopes
 * A token has scopes, which say what it may do, and may have limits (`model/reach.ts`), which say to what. Every route says in its
 * `config.access` what it shows and changes, and a server with one that does not say so does not start. For a token with limits:
 *
 * - `everything`: refused, as it is about all of the server;
 * - `within`: the handler shows and changes only what `request.reach` includes;
 * - a kind and a parameter: refused, before anything is looked up, unless the name in the URL is reached.
 *
 * What is not reached is refused alike, whether it is there or not. What errors say is looked through in `discretion.ts`.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { readHostname } from '../document/fields.ts'
import type { GroupRights } from '../model/identity-provider.ts'
import { type Named, Reach, type ReachKind } from '../model/reach.ts'
import { hasExpired, type TokenScope, tokenScopes } from '../model/token.ts'
import type { KnownTokens } from './admission/known-tokens.ts'
import type { TokenWatch, WatchedToken } from './admission/token-watch.ts'
import { clientAddress } from './clients/client-address.ts'
import type { WrongTokens } from './clients/wrong-tokens.ts'
import { lastEndOf, type Session, type SignedIn } from './console/sealed-session.ts'
import type { Sessions } from './console/sessions.ts'
import type { Ground } from './context.ts'
import { HttpError } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, for the logs: `admin`, `token:<name>`, `person:<name>`, or empty while nobody is known. */
    actor: string
    /** Whether who asks may write, and so sees all that there is of the configuration. */
    mayWrite: boolean
    /** What it is asked with, to be watched; null for the admin's token, and on routes that are open. */
    token: WatchedToken | null
    /** What the token is limited to; null for everything. */
    reach: Reach | null
    /** The scopes of whoever asks, all of them for the admin; null while nobody is known. */
    scopes: readonly TokenScope[] | null
    /** The session of the console that it came by; null where it brought its token itself. */
    session: Session | null
  }
  interface FastifyContextConfig {
    /** What the route shows and changes; every route says so. */
    access?: Access
    /** The scopes any of which a change by it needs; `write` when left out. */
    changing?: readonly [TokenScope, ...TokenScope[]]
    /** With `dryRun=true` it takes no lock and changes nothing, and needs `read` alone: what comments a pull request need not be able to change anything. */
    plans?: true
  }
  interface FastifyInstance {
    readonly wrongTokens: WrongTokens
    readonly tokenWatch: TokenWatch
    readonly knownTokens: KnownTokens
    readonly sessions: Sessions
  }
}

/** What a route shows and changes: see the opening comment. `open` and `admin` ask for no scope. */
export type Access = 'open' | 'admin' | 'everything' | 'within' | NamedAccess

export interface NamedAccess {
  readonly kind: ReachKind
  /** The parameter of the path that has its name. */
  readonly param: string
}

/** Has a server with a route that does not say what it shows and changes fail to start. */
export function demandAccess(app: FastifyInstance): void {
  /** Bound: the routes of the API. */
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  app.addHook('onReady', async () => {
    const missing = routes.flatMap(({ method, url, config }) =>
      config?.access === undefined ? [`${method} ${url}`] : [],
    )
    if (missing.length > 0) throw new Error(`routes without config.access: ${missing.join(', ')}`)
  })
}

/** A hook that lets a request pass which carries a token with a scope for what it does (`read` where that is no change, else `write`) and what the route shows. */
export function requireToken(context: Ground): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    await authenticate(context, request, scopesFor(request))
    checkReach(request)
  }
}

/** Any of these is enough. */
function scopesFor({ method, query, routeOptions }: FastifyRequest): readonly [TokenScope, ...TokenScope[]] {
  const { plans = false, changing = ['write'] } = routeOptions.config
  if (method === 'GET' || method === 'HEAD') return ['read']
  // Nothing has checked the query yet: what is not said in just this way is a change.
  const isDry = plans && (query as Readonly<Record<string, unknown>>).dryRun === 'true'
  return isDry ? ['read', ...changing] : changing
}

/** A hook that lets a request pass which carries a token of any scope. */
export function requireAnyToken(context: Ground): (request: FastifyRequest) => Promise<void> {
  return (request) => authenticate(context, request, tokenScopes)
}

function checkReach({ reach, actor, params, routeOptions }: FastifyRequest): void {
  if (reach === null) return
  const { access } = routeOptions.config
  if (access === 'within') return
  const token = actor.replace(':', ' ')
  if (typeof access !== 'object') {
    throw outOfReach(`${token} has limits, and this is about all of the server`)
  }
  const { kind, param } = access
  const given = (params as Readonly<Record<string, string>>)[param] ?? ''
  const name = kind === 'service' || kind === 'zone' ? domainOf(given) : given
  if (name === null || !reach.includes({ kind, name })) throw beyondReach(actor, { kind, name: given })
}

/** As in the model; null for none. */
function domainOf(text: string): string | null {
  return text === '@' ? '.' : readHostname(text, '', [])
}

/** The refusal of something that whoever asks has named. */
export function beyondReach(actor: string, { kind, name }: Named): HttpError {
  return outOfReach(`${actor.replace(':', ' ')} does not reach ${kind} ${name}`)
}

export function outOfReach(detail: string): HttpError {
  return refusal(403, detail, ', error="insufficient_scope"')
}

/**
 * A hook that lets nobody pass but the admin. No scope gives this: a token that could make tokens would outlive
 * its own end.
 */
export function requireAdmin(context: Ground): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    await authenticate(context, request, tokenScopes)
    if (request.actor === 'admin') return
    throw outOfReach('this needs the admin token')
  }
}

/** @param challenge the rest of what RFC 6750 has a refusal say */
function refusal(status: 401 | 403, detail: string, challenge = ''): HttpError {
  const headers = { 'www-authenticate': `Bearer realm="pooldns"${challenge}` }
  return new HttpError(status, status === 401 ? 'unauthorized' : 'forbidden', detail, { headers })
}

/** @param what is wrong with it, behind "is" or "has" */
function wrongToken(request: FastifyRequest, what: 'is not known' | 'has expired'): HttpError {
  const seconds = request.server.wrongTokens.note(clientAddress(request))
  if (seconds === 0) return refusal(401, `the token ${what}`, ', error="invalid_token"')
  const detail = `too many wrong tokens come from this address, and this one ${what}`
  const headers = { 'retry-after': String(seconds), connection: 'close' }
  return new HttpError(429, 'too-many-requests', detail, { headers })
}

/** What it says for itself. Whoever brings a token is asked for no other, so a command is never taken for the console. */
export function bearerToken({ headers }: FastifyRequest): string | null {
  return /^bearer +([^\s]+) *$/i.exec(headers.authorization ?? '')?.[1] ?? null
}

/** By what the console has had the browser keep. */
function signedIn(context: Ground, request: FastifyRequest): SignedIn {
  const { authorization } = request.headers
  const session = authorization === undefined ? request.server.sessions.of(request, context.now()) : null
  if (session === null) throw refusal(401, 'this needs a token: Authorization: Bearer <token>')
  request.session = session
  return session.who
}

/** Notes in the request who asks. Throws 401 and 403. */
async function authenticate(
  context: Ground,
  request: FastifyRequest,
  scopes: readonly TokenScope[],
): Promise<void> {
  const token = bearerToken(request)
  const who = token === null ? signedIn(context, request) : { token }
  if ('token' in who) await authenticateToken(context, request, who.token, scopes)
  else authenticatePerson(context, request, who, scopes)
}

async function authenticateToken(
  context: Ground,
  request: FastifyRequest,
  secret: string,
  scopes: readonly TokenScope[],
): Promise<void> {
  const hash = createHash('sha256').update(secret).digest()
  if (timingSafeEqual(hash, context.adminTokenHash)) {
    request.mayWrite = true
    request.scopes = tokenScopes
    request.actor = 'admin'
    request.holder = { name: 'admin', rank: 'admin' }
    return
  }
  const token = await request.server.knownTokens.find(secret)
  if (token === null) throw wrongToken(request, 'is not known')
  if (hasExpired(token, context.now())) throw wrongToken(request, 'has expired')
  grant(request, `token:${token.name}`, token, scopes)
  request.token = { hash: hash.toString('hex'), expiresAt: token.expiresAt }
  await request.server.knownTokens.noteUse(token, context.now())
}

function authenticatePerson(
  { identityProvider }: Ground,
  request: FastifyRequest,
  { person, group }: Extract<SignedIn, { person: string }>,
  scopes: readonly TokenScope[],
): void {
  const rights = identityProvider?.groups.find((each) => each.group === group)
  if (rights === undefined) throw refusal(401, `the group ${group} may do nothing here any more`)
  grant(request, `person:${person}`, rights, scopes)
  request.token = { hash: null, expiresAt: new Date(lastEndOf(request.session!)) }
}

/** Notes what may be done by whoever asks. Throws 403 when that is none of `asked`. */
function grant(
  request: FastifyRequest,
  actor: string,
  { scopes, limits }: Pick<GroupRights, 'scopes' | 'limits'>,
  asked: readonly TokenScope[],
): void {
  // Also when it is refused: the log of requests says who was.
  request.actor = actor
  request.scopes = scopes
  request.mayWrite = scopes.includes('write')
  request.reach = limits === null ? null : new Reach(limits)
  if (!asked.some((scope) => scopes.includes(scope))) {
    const [scope] = asked
    const challenge = `, error="insufficient_scope", scope="${scope}"`
    throw refusal(403, `${actor.replace(':', ' ')} lacks the scope ${scope}`, challenge)
  }
  const acts = request.mayWrite || scopes.includes('override')
  request.holder = { name: actor, rank: acts ? 'writer' : 'reader' }
}
