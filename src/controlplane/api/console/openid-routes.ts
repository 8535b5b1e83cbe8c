/**
 * Signing in to the console by an identity provider: what a browser goes through.
 *
 * The browser leaves for the provider with a cookie that holds its half of the flow, sealed, and comes back with a code. Whatever goes
 * wrong is in the log; the page is told one word of it, since an address may be sent to anybody.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Lane } from '../admission/lane.ts'
import { workIn } from '../admission/places.ts'
import { clientAddress } from '../clients/client-address.ts'
import { clientNetwork } from '../clients/client-network.ts'
import type { Ground } from '../context.ts'
import { HttpError } from '../errors.ts'
import { callbackPath, OpenidSignIn, SignInError, type SignInFlow } from './openid.ts'
import { Seal } from './seal.ts'
import { cookieName, cookieText, isSecureOrigin } from './session-cookie.ts'
import { beginPath, type SignInFailure } from './sign-in.ts'

/** People look for their telephones. */
const flowLastsMs = 10 * 60_000
/** Most of the work is to wait for the provider. */
const places = { places: 16, byHolder: 4, keptForWriters: 0, keptForAdmin: 0, patienceMs: 10_000 }

export function openidRoutes(app: FastifyInstance, context: Ground): void {
  const { identityProvider: provider = null } = context
  if (provider === null) return
  const signIn = new OpenidSignIn(provider, context.now)
  const flows = new FlowCookies(context, provider.origin)
  workIn(app, new Lane('sign-ins in work', places), (request) => ({
    name: clientNetwork(clientAddress(request)),
    rank: 'reader',
  }))
  const options = { schema: { hide: true }, config: { access: 'open' } } as const

  const fail = (request: FastifyRequest, reply: FastifyReply, why: SignInFailure, detail: string) => {
    // Whoever comes without a flow may be anybody who asks for the address.
    const level = why === 'stale' ? 'info' : 'warn'
    context.log[level]({ client: clientAddress(request), why, detail }, 'nobody was signed in to the console')
    return reply.redirect(`/console?sign-in=${why}`, 303)
  }
  const failed = (request: FastifyRequest, reply: FastifyReply, error: unknown) => {
    if (error instanceof SignInError) return fail(request, reply, error.reason, error.message)
    throw error
  }

  app.get(beginPath, options, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    try {
      const { url, flow } = await signIn.begin()
      flows.keep(request, reply, flow)
      return reply.redirect(url.href, 303)
    } catch (error) {
      return failed(request, reply, error)
    }
  })

  app.get(callbackPath, options, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const flow = flows.take(request, reply)
    if (flow === null)
      return fail(request, reply, 'stale', 'it was begun elsewhere, more than ten minutes ago, or twice')
    try {
      const { name, rights } = await signIn.finish(queryOf(request), flow)
      if (rights === null)
        return fail(request, reply, 'rights', `${name} is in none of the groups that may do anything here`)
      const who = { person: name, group: rights.group }
      const acts = rights.scopes.some((scope) => scope === 'write' || scope === 'override')
      const secure = isSecureOrigin(provider.origin)
      const session = app.sessions.begin(request, reply, { who, acts, secure }, context.now())
      // A name has at most 120 characters and a group 200.
      if (session === null) throw new Error('the session is too long for a cookie')
      context.log.info({ actor: `person:${name}`, group: rights.group }, 'signed in to the console')
      return reply.redirect('/console', 303)
    } catch (error) {
      return failed(request, reply, error)
    }
  })
}

function queryOf({ url }: FastifyRequest): string {
  const at = url.indexOf('?')
  return at < 0 ? '' : url.slice(at + 1)
}

/** The browser's half of a flow. It comes along when the provider sends the browser back, so it is not as strict as a session's. */
class FlowCookies {
  readonly #seal: Seal
  readonly #now: () => Date
  readonly #secure: boolean

  constructor({ adminTokenHash, now }: Pick<Ground, 'adminTokenHash' | 'now'>, origin: string) {
    this.#seal = new Seal(adminTokenHash, 'sign-ins by OpenID Connect, 1')
    this.#now = now
    this.#secure = isSecureOrigin(origin)
  }

  keep(request: FastifyRequest, reply: FastifyReply, flow: SignInFlow): void {
    const sealed = this.#seal.seal(flow, this.#name(request))
    if (sealed === null) throw new HttpError(500, 'internal', 'the sign-in is too long for a cookie')
    this.#set(request, reply, sealed, flowLastsMs / 1000)
  }

  /** Null when there is none, or it has run out. It is good once. */
  take(request: FastifyRequest, reply: FastifyReply): SignInFlow | null {
    const text = cookieText(request, this.#name(request))
    if (text === null) return null
    this.#set(request, reply, '', 0)
    const flow = this.#seal.open(text, this.#name(request)) as SignInFlow | undefined
    const age = flow === undefined ? Number.POSITIVE_INFINITY : this.#now().getTime() - flow.begunAt
    return age < flowLastsMs ? flow! : null
  }

  #name(request: FastifyRequest): string {
    return `${cookieName(request)}-openid`
  }

  #set(request: FastifyRequest, reply: FastifyReply, value: string, seconds: number): void {
    const secure = this.#secure ? '; Secure' : ''
    reply.header(
      'set-cookie',
      `${this.#name(request)}=${value}; Path=${beginPath}; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`,
    )
  }
}
