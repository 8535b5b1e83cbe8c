import type { FastifyRequest } from 'fastify'
import type { Client } from './trusted-proxies.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, behind the proxies that are trusted; set before anything else, and null where no route was looked for. */
    client: Client | null
  }
}

/** The client's address; an IPv4 client of a socket for both families as plain IPv4; empty when it is not known. */
export function clientAddress(request: FastifyRequest): string {
  return request.client?.address ?? ''
}
