/**
 * Who asks, and whether they may. One admin token comes from the configuration, others from the store; both are
 * compared by their SHA-256, so that neither the comparison nor a leaked table tells a secret. The admin token needs
 * no database, so that an operator is never locked out by an outage; the others are good while it is away if they were before
 * (`admission/known-tokens.ts`).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { isUnavailable } from '../model/errors.ts'
import { noteTokenUse, type Token, type TokenScope, useResolutionMs } from '../store/tokens.ts'
import type { KnownTokens } from './admission/known-tokens.ts'
import type { TokenWatch } from './admission/token-watch.ts'
import { clientAddress } from './clients/client-address.ts'
import type { WrongTokens } from './clients/wrong-tokens.ts'
import type { Ground } from './context.ts'
import { HttpError } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, for the logs: `admin`, `token:<name>`, or empty while nobody is known. */
    actor: string
    /** Whether who asks may write, and so sees all that there is of the configuration. */
    mayWrite: boolean
    /** SHA-256 of the token in hexadecimal digits, by which it can be watched; null for the admin, and on routes that are open. */
    tokenHash: string | null
  }
  interface FastifyInstance {
    readonly wrongTokens: WrongTokens
    readonly tokenWatch: TokenWatch
    readonly knownTokens: KnownTokens
  }
}

/** A hook that lets a request pass which carries a token with the scope of its method: `read` to GET, else `write`. */
export function requireToken(context: Ground): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const scope: TokenScope = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'write'
    await authenticate(context, request, [scope])
  }
}

/** A hook that lets a request pass which carries a token that may report on members. */
export function requireReporter(context: Ground): (request: FastifyRequest) => Promise<void> {
  return (request) => authenticate(context, request, ['report', 'write'])
}

/**
 * A hook that lets nobody pass but the admin. No scope gives this right: a token that could make tokens would outlive
 * its own end.
 */
export function requireAdmin(context: Ground): (request: FastifyRequest) => Promise<void> {
  const requireAny = requireToken(context)
  return async (request) => {
    await requireAny(request)
    if (request.actor === 'admin') return
    throw refusal(403, 'this needs the admin token', ', error="insufficient_scope"')
  }
}

/** @param challenge the rest of what RFC 6750 has a refusal say */
function refusal(status: 401 | 403, detail: string, challenge = ''): HttpError {
  const headers = { 'www-authenticate': `Bearer realm="pooldns"${challenge}` }
  return new HttpError(status, status === 401 ? 'unauthorized' : 'forbidden', detail, { headers })
}

function wrongToken(request: FastifyRequest): HttpError {
  const seconds = request.server.wrongTokens.note(clientAddress(request))
  if (seconds === 0) return refusal(401, 'the token is not known', ', error="invalid_token"')
  const detail = 'too many wrong tokens come from this address, and this one is not known either'
  const headers = { 'retry-after': String(seconds), connection: 'close' }
  return new HttpError(429, 'too-many-requests', detail, { headers })
}

/** Notes in the request who asks. Throws 401 and 403. */
async function authenticate(
  context: Ground,
  request: FastifyRequest,
  scopes: readonly [TokenScope, ...TokenScope[]],
): Promise<void> {
  const secret = /^bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1]
  if (secret === undefined) throw refusal(401, 'this needs a token: Authorization: Bearer <token>')
  const hash = createHash('sha256').update(secret).digest()
  if (timingSafeEqual(hash, context.adminTokenHash)) {
    request.mayWrite = true
    request.actor = 'admin'
    request.holder = { name: 'admin', rank: 'admin' }
    return
  }
  const token = await request.server.knownTokens.find(secret)
  if (token === null) throw wrongToken(request)
  // Also when it is refused: the log of requests says who was.
  request.actor = `token:${token.name}`
  request.mayWrite = token.scopes.includes('write')
  if (!scopes.some((scope) => token.scopes.includes(scope))) {
    const [scope] = scopes
    const challenge = `, error="insufficient_scope", scope="${scope}"`
    throw refusal(403, `token ${token.name} lacks the scope ${scope}`, challenge)
  }
  request.tokenHash = hash.toString('hex')
  request.holder = { name: request.actor, rank: request.mayWrite ? 'writer' : 'reader' }
  await noteUse(context, token)
}

async function noteUse({ now, database }: Ground, { name, lastUsedAt }: Token): Promise<void> {
  const at = now()
  if (!database.up || (lastUsedAt !== null && at.getTime() - lastUsedAt.getTime() < useResolutionMs)) return
  // That it was used is not worth a refusal.
  await database
    .record((tx) => noteTokenUse(tx, name, at))
    .catch((error: unknown) => {
      if (!isUnavailable(error)) throw error
    })
}
