import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { formatService, parseService, ServiceSchema } from '../../document/service.ts'
import { healthStates } from '../../model/observation.ts'
import type { Service } from '../../model/service.ts'
import { deleteService, getService, listServices, putService } from '../../store/services.ts'
import type { ApiContext } from '../context.ts'
import { withStatus } from '../schemas.ts'
import { hostname, type Resource, registerListing, registerResource } from './resource.ts'

const Status = Type.Object({
  state: Type.Enum([...healthStates]),
  pool: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'the pool that is served now' }),
  reason: Type.String(),
})

export function serviceRoutes(app: FastifyInstance, context: ApiContext): void {
  const present = (service: Service) => {
    const status = context.serviceStatus?.(service.name) ?? null
    return { ...formatService(service), ...(status === null ? {} : { status }) }
  }
  const resource: Resource<string, Service, Service> = {
    kind: 'service',
    url: '/v1/services/:name',
    params: Type.Object({ name: Type.String() }),
    body: ServiceSchema,
    view: withStatus(ServiceSchema, Type.Optional(Status)),
    key: (params) => hostname(params.name!, 'service', 'name'),
    describe: (name) => `service ${name}`,
    get: getService,
    put: (write, _name, service, condition) => putService(write, service, condition),
    delete: deleteService,
    parse: (name, body, problems) => parseService(name, body, '', problems),
    format: formatService,
    present: async (_tx, stored) => stored.map(({ value }) => present(value)),
  }
  registerResource(app, context, resource)
  registerListing(app, context, resource, {
    url: '/v1/services',
    item: withStatus(ServiceSchema, Type.Optional(Status), { name: Type.String() }),
    list: listServices,
    nameOf: (service) => service.name,
  })
}
