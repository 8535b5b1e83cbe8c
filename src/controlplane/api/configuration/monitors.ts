import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { hideOfMonitor } from '../../document/hidden.ts'
import { formatMonitor, MonitorSchema, monitorSchemas, parseMonitor } from '../../document/monitor.ts'
import type { Monitor } from '../../model/monitor.ts'
import { deleteMonitor, getMonitor, listMonitors, putMonitor } from '../../store/monitors.ts'
import type { Ground } from '../context.ts'
import { eachWithStatus } from '../schemas.ts'
import { type Resource, registerResource } from './resource.ts'

const resource: Resource<string, Monitor, Monitor> = {
  kind: 'monitor',
  url: '/v1/monitors/:name',
  body: MonitorSchema,
  view: eachWithStatus(monitorSchemas, null),
  key: (params) => params.name!,
  get: getMonitor,
  put: putMonitor,
  delete: deleteMonitor,
  parse: parseMonitor,
  format: formatMonitor,
  hide: hideOfMonitor,
  present: async (_tx, stored) => formatMonitor((await stored).value),
  remembered: {
    get: ({ catalog }, name) => catalog.monitors.get(name) ?? null,
    present: (_memory, monitor) => formatMonitor(monitor),
    list: ({ catalog }) => catalog.monitors.values(),
  },
  listing: {
    present: async (_tx, stored) => stored.map(({ value }) => formatMonitor(value)),
    item: eachWithStatus(monitorSchemas, null, { name: Type.String() }),
    list: listMonitors,
    nameOf: ({ name }) => name,
  },
}

export function monitorRoutes(app: FastifyInstance, context: Ground): void {
  registerResource(app, context, resource)
}
