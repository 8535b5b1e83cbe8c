/**
 * Who asks, and whether they may. One admin token comes from the configuration, others from the store; both are
 * compared by their SHA-256, so that neither the comparison nor a leaked table tells a secret. The admin token needs
 * no database, so that an operator is never locked out by an outage.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { findToken, noteTokenUse, type TokenScope } from '../store/tokens.ts'
import type { ApiContext } from './context.ts'
import { HttpError } from './errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, for the audit log: `admin`, `token:<name>`, or empty on routes that are open. */
    actor: string
  }
}

/** Uses of a token are written down once in this time. */
const useResolutionMs = 60_000

/** A hook that lets a request pass which carries a token with the scope of its method: `read` to GET, else `write`. */
export function requireToken(context: ApiContext): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const scope: TokenScope = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'write'
    request.actor = await authenticate(context, request.headers.authorization, [scope])
  }
}

/** A hook that lets a request pass which carries a token with one of these scopes. */
export function requireScope(
  context: ApiContext,
  ...scopes: readonly [TokenScope, ...TokenScope[]]
): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    request.actor = await authenticate(context, request.headers.authorization, scopes)
  }
}

/**
 * A hook that lets nobody pass but the admin. No scope gives this right: a token that could make tokens would outlive
 * its own end.
 */
export function requireAdmin(context: ApiContext): (request: FastifyRequest) => Promise<void> {
  const requireAny = requireToken(context)
  return async (request) => {
    await requireAny(request)
    if (request.actor === 'admin') return
    throw new HttpError(403, 'forbidden', 'this needs the admin token', {
      headers: { 'www-authenticate': 'Bearer realm="pooldns", error="insufficient_scope"' },
    })
  }
}

async function authenticate(
  context: ApiContext,
  header: string | undefined,
  scopes: readonly [TokenScope, ...TokenScope[]],
): Promise<string> {
  const secret = /^bearer +([^\s]+) *$/i.exec(header ?? '')?.[1]
  if (secret === undefined) {
    throw new HttpError(401, 'unauthorized', 'this needs a token: Authorization: Bearer <token>', {
      headers: { 'www-authenticate': 'Bearer realm="pooldns"' },
    })
  }
  const hash = createHash('sha256').update(secret).digest()
  if (timingSafeEqual(hash, context.adminTokenHash)) return 'admin'
  const token = await context.database.read((tx) => findToken(tx, secret))
  if (token === null) {
    throw new HttpError(401, 'unauthorized', 'the token is not known', {
      headers: { 'www-authenticate': 'Bearer realm="pooldns", error="invalid_token"' },
    })
  }
  if (!scopes.some((scope) => token.scopes.includes(scope))) {
    const [scope] = scopes
    throw new HttpError(403, 'forbidden', `token ${token.name} lacks the scope ${scope}`, {
      headers: { 'www-authenticate': `Bearer realm="pooldns", error="insufficient_scope", scope="${scope}"` },
    })
  }
  const now = context.now()
  if (token.lastUsedAt === null || now.getTime() - token.lastUsedAt.getTime() >= useResolutionMs) {
    await context.database.record((tx) => noteTokenUse(tx, token.name, now))
  }
  return `token:${token.name}`
}
