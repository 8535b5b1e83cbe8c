/**
 * What is known of a body before it is read, and refused by: that it is too large for its route, that it is coded, that there
 * is no room for it. The limit of a route is small unless it says otherwise.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { HttpError } from '../errors.ts'
import type { Lane } from './lane.ts'
import { goneSignal } from './places.ts'
import { expectsContinue } from './requests.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body goes to the disk as it comes. */
    spooled?: boolean
  }
}

/** Octets of a body, unless a route says otherwise: enough for a report, an override, a token or a use of a tool. */
export const smallBody = 4 * 1024

/** Bodies up to this are not worth counting: there is one for each connection. */
const freeOctets = 64 * 1024

/** Looks at bodies when their clients have been let in and nothing is read yet. */
export function guardBodies(app: FastifyInstance, room: Lane): void {
  app.addHook('preParsing', async (request, reply, payload) => {
    const { headers } = request
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return payload
    const { bodyLimit, config } = request.routeOptions
    const octets = Number(headers['content-length'] ?? Number.NaN)
    if (octets > bodyLimit) throw bodyTooLarge(bodyLimit)
    refuseCoded(request)
    const cost = Number.isNaN(octets) ? bodyLimit : octets
    if (cost > freeOctets && request.holder !== null && config.spooled !== true) {
      const place = await room.enter(request.holder, goneSignal(reply), cost)
      reply.raw.once('close', () => place[Symbol.dispose]())
      if (reply.raw.closed) place[Symbol.dispose]()
    }
    if (expectsContinue(request.raw)) reply.raw.writeContinue()
    return payload
  })
}

export function bodyTooLarge(limit: number): HttpError {
  return new HttpError(413, 'too-large', `the body is larger than the ${limit} octets that this route takes`)
}

/** Nothing is unpacked here, so there are no bombs either. */
function refuseCoded({ headers }: FastifyRequest): void {
  const coding = headers['content-encoding']
  if (coding === undefined || /^\s*(identity)?\s*$/i.test(coding)) return
  throw new HttpError(415, 'unsupported-media-type', 'the body must not be coded (Content-Encoding)', {
    headers: { 'accept-encoding': 'identity' },
  })
}
