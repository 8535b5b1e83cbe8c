import type { FastifyRequest } from 'fastify'

/** The client's address; an IPv4 client of a socket for both families as plain IPv4. */
export function clientAddress(request: FastifyRequest): string {
  return request.ip.replace(/^::ffff:(?=\d+\.)/i, '')
}
