import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { spellingOfPart } from '../../catalog/spellings.ts'
import { hideOfMonitor } from '../../document/hidden.ts'
import { formatMonitor, MonitorSchema, monitorSchemas, parseMonitor } from '../../document/monitor.ts'
import type { Monitor } from '../../model/monitor.ts'
import { namedByMonitor } from '../../rules/reach.ts'
import { deleteMonitor, getMonitor, listMonitors, putMonitor } from '../../store/monitors.ts'
import { bodyOf, type Stored } from '../../store/stored.ts'
import type { Ground } from '../context.ts'
import { eachWithStatus } from '../schemas.ts'
import { type Resource, registerResource } from './resource.ts'

const asWritten = (stored: Stored<Monitor>) => bodyOf(stored, formatMonitor)

/** Secrets stand in what holds by a monitor, too. */
function hideShown(body: object): object {
  const { status, ...shown } = body as { readonly status?: { readonly effective: object } }
  const hidden = hideOfMonitor(shown)
  return status === undefined ? hidden : { ...hidden, status: { effective: hideOfMonitor(status.effective) } }
}

const resource: Resource<string, Monitor, Monitor> = {
  kind: 'monitor',
  access: { kind: 'monitor', param: 'name' },
  url: '/v1/monitors/:name',
  body: MonitorSchema,
  view: eachWithStatus('View', monitorSchemas, null),
  key: (params) => params.name!,
  get: getMonitor,
  put: (write, monitor, condition, _name, body) => putMonitor(write, monitor, condition, body),
  delete: deleteMonitor,
  parse: parseMonitor,
  bodyOf: asWritten,
  named: namedByMonitor,
  effective: (monitor) => formatMonitor(monitor, true),
  hide: hideShown,
  present: async (_tx, stored) => asWritten(await stored),
  remembered: {
    get: ({ catalog }, name) => catalog.monitors.get(name) ?? null,
    present: (_memory, monitor) => spellingOfPart(monitor) ?? formatMonitor(monitor),
    list: ({ catalog }) => catalog.monitors.values(),
  },
  listing: {
    present: async (_tx, stored) => stored.map(asWritten),
    item: eachWithStatus('Item', monitorSchemas, null, { name: Type.String() }),
    list: listMonitors,
    nameOf: ({ name }) => name,
  },
}

export function monitorRoutes(app: FastifyInstance, context: Ground): void {
  registerResource(app, context, resource)
}
