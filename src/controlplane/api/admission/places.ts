/** Has the routes of a part of the API wait for a place in a lane before they begin. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Holder, Lane } from './lane.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, to be counted by; null on routes that ask for no token. */
    holder: Holder | null
  }
  interface FastifyContextConfig {
    /** The route has a lane of its own. */
    ownLane?: boolean
  }
}

/**
 * The handlers of the routes that `app` registers from now on run when they have a place, which they have until they are done,
 * whether or not somebody still waits for the reply. The body has been read by then: what waits for a slow client takes no
 * place.
 */
export function workIn(
  app: FastifyInstance,
  lane: Lane,
  holderOf: (request: FastifyRequest) => Holder = tokenHolder,
): void {
  app.addHook('onRoute', (route) => {
    if (route.config?.ownLane === true) return
    const { handler } = route
    route.handler = async function (request, reply) {
      using _place = await lane.enter(holderOf(request), goneSignal(reply))
      return await handler.call(this, request, reply)
    }
  })
}

/** Who asks on a route that needs a token. */
export function tokenHolder({ holder }: FastifyRequest): Holder {
  if (holder === null) throw new Error('a route without a token is counted by its token')
  return holder
}

/** Aborts when nobody waits for the reply any more. */
export function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  if (raw.closed) gone.abort()
  else raw.once('close', () => gone.abort())
  return gone.signal
}
