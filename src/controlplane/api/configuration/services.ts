import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { spellingOfPart } from '../../catalog/spellings.ts'
import { formatService, parseService, ServiceSchema } from '../../document/service.ts'
import { healthStates } from '../../model/observation.ts'
import type { ServiceOverride } from '../../model/override.ts'
import type { Service } from '../../model/service.ts'
import { namedByService } from '../../rules/reach.ts'
import type { Tx } from '../../store/database.ts'
import { serviceOverridesOf } from '../../store/service-overrides.ts'
import { deleteService, getService, hiddenServices, listServices, putService } from '../../store/services.ts'
import { bodyOf, type Stored } from '../../store/stored.ts'
import type { Ground, Observations } from '../context.ts'
import { presentServiceOverride, ServiceOverrideView } from '../operations/service-overrides.ts'
import { TextOrNull, withStatus } from '../schemas.ts'
import { hostname, type Resource, registerResource } from './resource.ts'

const Status = Type.Object({
  state: Type.Enum([...healthStates]),
  pool: TextOrNull('the pool that is served now'),
  reason: Type.String(),
  override: Type.Unsafe<Static<typeof ServiceOverrideView> | null>(
    Type.Union([ServiceOverrideView, Type.Null()], {
      description: "the operator's word on it, which counts where other services name it",
    }),
  ),
})

export function serviceRoutes(app: FastifyInstance, context: Ground & Observations): void {
  const present = (
    { value: service, written }: Pick<Stored<Service>, 'value' | 'written'>,
    hidden: string | undefined,
    override: ServiceOverride | undefined,
  ) => {
    const status =
      hidden === undefined
        ? context.serviceStatus(service.name)
        : ({ state: 'down', pool: null, reason: hidden } as const)
    const said = override === undefined ? null : presentServiceOverride(override)
    return {
      ...(written ?? formatService(service)),
      ...(status && { status: { ...status, override: said } }),
    }
  }
  const statusOf = async (tx: Tx, names: readonly string[]) => {
    const [hidden, overrides] = await Promise.all([
      hiddenServices(tx, names),
      serviceOverridesOf(tx, names, context.now()),
    ])
    return (stored: Stored<Service>) => {
      const { name } = stored.value
      return present(stored, hidden.get(name), overrides.get(name))
    }
  }
  const resource: Resource<string, Service, Service> = {
    kind: 'service',
    access: { kind: 'service', param: 'name' },
    url: '/v1/services/:name',
    body: ServiceSchema,
    view: withStatus(ServiceSchema, Type.Partial(Status)),
    key: (params) => hostname(params.name!, 'service', 'name'),
    get: getService,
    put: (write, service, condition, _name, body) => putService(write, service, condition, body),
    delete: deleteService,
    parse: parseService,
    bodyOf: (stored) => bodyOf(stored, formatService),
    named: namedByService,
    effective: (service) => formatService(service, true),
    present: async (tx, stored, name) => {
      const [status, there] = await Promise.all([statusOf(tx, [name]), stored])
      return status(there)
    },
    remembered: {
      get: ({ catalog }, name) => catalog.services.get(name) ?? null,
      present: ({ catalog }, service) => {
        const override = catalog.overrideOfService(service.name, context.now()) ?? undefined
        return present({ value: service, written: spellingOfPart(service) }, undefined, override)
      },
      list: ({ catalog }) => catalog.services.values(),
    },
    listing: {
      present: async (tx, stored) => {
        const status = await statusOf(
          tx,
          stored.map(({ value }) => value.name),
        )
        return stored.map(status)
      },
      item: withStatus(ServiceSchema, Type.Optional(Status), { name: Type.String() }),
      list: listServices,
      nameOf: ({ name }) => name,
    },
  }
  registerResource(app, context, resource)
}
