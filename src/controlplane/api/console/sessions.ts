/** Which session a request came by, and what becomes of it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Ground } from '../context.ts'
import { endOf, type Session, SessionSeal } from './sealed-session.ts'
import { consoleField, cookieName, isSecure, sessionText, setCookie } from './session-cookie.ts'

/** A session is written anew once in so long at the most. */
const resolutionMs = 60_000

/** Has requests come by a session, and sessions go on while somebody is at the page. */
export function keepSessions(app: FastifyInstance, { adminTokenHash, now }: Ground): void {
  const sessions = new Sessions(adminTokenHash)
  app.decorate('sessions', sessions)
  app.decorateRequest('session', null)
  app.decorateRequest('scopes', null)
  app.addHook('onSend', async (request, reply, payload) => {
    sessions.renew(request, reply, now())
    return payload
  })
}

export class Sessions {
  readonly #seal: SessionSeal

  /** @param adminTokenHash SHA-256 of the admin token */
  constructor(adminTokenHash: Uint8Array) {
    this.#seal = new SessionSeal(adminTokenHash)
  }

  /** Null for a request without one that is good. */
  of(request: FastifyRequest, now: Date): Session | null {
    const text = sessionText(request)
    return text === null ? null : this.#seal.open(text, cookieName(request), now.getTime())
  }

  /** Has the browser keep who is at the page. Null for what is too long for that. */
  begin(
    request: FastifyRequest,
    reply: FastifyReply,
    begun: Pick<Session, 'who' | 'acts' | 'secure'>,
    now: Date,
  ): Session | null {
    const at = now.getTime()
    const session = { ...begun, begunAt: at, usedAt: at }
    return this.#keep(request, reply, session) ? session : null
  }

  /** Notes that somebody is at the page. */
  renew(request: FastifyRequest, reply: FastifyReply, now: Date): void {
    const { session, headers } = request
    if (session === null || headers[consoleField] !== 'active') return
    if (now.getTime() - session.usedAt < resolutionMs) return
    this.#keep(request, reply, { ...session, usedAt: now.getTime() })
  }

  end(request: FastifyRequest, reply: FastifyReply): void {
    reply.header('set-cookie', setCookie(request, '', isSecure(request)))
  }

  #keep(request: FastifyRequest, reply: FastifyReply, session: Session): boolean {
    const sealed = this.#seal.seal(session, cookieName(request))
    if (sealed === null) return false
    reply.header('set-cookie', setCookie(request, sealed, session.secure))
    return true
  }
}

/** As JSON. */
export function endText(session: Session): string {
  return new Date(endOf(session)).toISOString()
}
