/** Requests as traces, where somebody traces: not those that probes and Prometheus make all day long. */
import type { FastifyInstance } from 'fastify'
import type { RequestTrace, Tracing } from '../../telemetry/tracing.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null where nobody traces it. */
    trace: RequestTrace | null
  }
}

/** @param untraced paths that are left out */
export function traceRequests(app: FastifyInstance, tracing: Tracing, untraced: ReadonlySet<string>): void {
  app.addHook('onRequest', async (request) => {
    const { url } = request.routeOptions
    if (url !== undefined && untraced.has(url)) return
    request.trace = tracing.request(request.method, request.headers)
  })
  app.addHook('onResponse', async (request, reply) => {
    request.trace?.end(request.routeOptions.url ?? null, reply.statusCode, request.actor)
  })
}
