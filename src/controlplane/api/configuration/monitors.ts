import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { formatMonitor, MonitorSchema, monitorSchemas, parseMonitor } from '../../document/monitor.ts'
import type { Monitor } from '../../model/monitor.ts'
import { deleteMonitor, getMonitor, listMonitors, putMonitor } from '../../store/monitors.ts'
import type { ApiContext } from '../context.ts'
import { eachWithStatus } from '../schemas.ts'
import { type Resource, registerListing, registerResource } from './resource.ts'

const resource: Resource<string, Monitor, Monitor> = {
  kind: 'monitor',
  url: '/v1/monitors/:name',
  params: Type.Object({ name: Type.String() }),
  body: MonitorSchema,
  view: eachWithStatus(monitorSchemas, null),
  key: (params) => params.name!,
  describe: (name) => `monitor ${name}`,
  get: getMonitor,
  put: (write, _name, monitor, condition) => putMonitor(write, monitor, condition),
  delete: deleteMonitor,
  parse: (name, body, problems) => parseMonitor(name, body, '', problems),
  format: formatMonitor,
  present: async (_tx, stored) => stored.map(({ value }) => formatMonitor(value)),
}

export function monitorRoutes(app: FastifyInstance, context: ApiContext): void {
  registerResource(app, context, resource)
  registerListing(app, context, resource, {
    url: '/v1/monitors',
    item: eachWithStatus(monitorSchemas, null, { name: Type.String() }),
    list: listMonitors,
    nameOf: (monitor) => monitor.name,
  })
}
