import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { spellingOfPart } from '../../catalog/spellings.ts'
import type { ImageRrsets } from '../../compile/image-rrsets.ts'
import {
  formatWholeHead,
  formatZoneHead,
  formatZoneRrset,
  parseZone,
  ZoneSchema,
} from '../../document/zone.ts'
import type { Zone } from '../../model/zone.ts'
import type { Tx } from '../../store/database.ts'
import { countRrsets, listFewRrsets } from '../../store/rrsets.ts'
import { bodyOf, type Stored } from '../../store/stored.ts'
import { givenWarnings } from '../../store/zone-warnings.ts'
import { deleteZone, getZoneHead, listZones, putZone, type ZoneState } from '../../store/zones.ts'
import type { Ground } from '../context.ts'
import { withStatus } from '../schemas.ts'
import { hostname, type Resource, registerResource } from './resource.ts'

/** Octets of a zone's body. */
const zoneBodyLimit = 16 * 1024 * 1024

/** Most RRsets that GET of a zone shows; beyond, they are read page by page under `/rrsets`. */
const shownRrsets = 10_000

/** Most warnings in a reply. */
export const maxWarnings = 100

export const WarningSchema = Type.Object(
  {
    owner: Type.String(),
    type: Type.String(),
    message: Type.String(),
    line: Type.Optional(Type.Integer({ description: 'in the master file that was put' })),
    column: Type.Optional(Type.Integer()),
  },
  { title: 'ZoneWarning' },
)

const { rrsets: _, ...headFields } = ZoneSchema.properties
export const ZoneHeadSchema = { properties: headFields }
const serial = { serial: Type.Integer({ description: 'the serial of the SOA' }) }
const Status = Type.Object({
  ...serial,
  rrsets: Type.Integer({ description: 'how many RRsets the zone has' }),
  warnings: Type.Optional(
    Type.Array(WarningSchema, {
      description: 'in the reply to a PUT: what is allowed and yet most likely a mistake',
    }),
  ),
})

const resource: Resource<string, Zone, ZoneState> = {
  kind: 'zone',
  access: { kind: 'zone', param: 'apex' },
  url: '/v1/zones/:apex',
  body: ZoneSchema,
  view: withStatus(ZoneSchema, Status),
  bodyLimit: zoneBodyLimit,
  key: (params) => hostname(params.apex!, 'zone', 'apex'),
  get: getZoneHead,
  put: async (write, zone, condition, _apex, body) => {
    const put = await putZone(write, zone, condition, body)
    const warnings = givenWarnings(write.tx, zone.apex, zone.rrsets, maxWarnings)
    const notice = warnings.then((given) => ({ warnings: given.map(({ data: _, ...warning }) => warning) }))
    return { ...put, notice }
  },
  effective: formatWholeHead,
  delete: deleteZone,
  parse: parseZone,
  present: presentWhole,
  remembered: {
    get: ({ catalog }, apex) => catalog.zones.get(apex) ?? null,
    present: (memory, zone, apex) =>
      apex === null
        ? presentHead({ value: zone, written: spellingOfPart(zone) })
        : presentRemembered(zone, memory.rrsetsOf(zone)),
    list: ({ catalog }) => catalog.zones.values(),
  },
  listing: {
    present: async (_tx, stored) => stored.map(presentHead),
    item: withStatus(ZoneHeadSchema, Type.Object(serial), { name: Type.String() }),
    list: listZones,
    nameOf: ({ apex }) => apex,
  },
}

async function presentWhole(tx: Tx, stored: PromiseLike<Stored<ZoneState>>, apex: string): Promise<object> {
  const [head, rrsets, few] = await Promise.all([
    stored,
    countRrsets(tx, apex),
    listFewRrsets(tx, apex, shownRrsets),
  ])
  return {
    ...bodyOf(head, formatZoneHead),
    ...(rrsets <= shownRrsets && { rrsets: few.map((rrset) => formatZoneRrset(rrset)) }),
    status: { serial: head.value.serial, rrsets },
  }
}

function presentHead(head: Pick<Stored<ZoneState>, 'value' | 'written'>): object {
  return { ...(head.written ?? formatZoneHead(head.value)), status: { serial: head.value.serial } }
}

function presentRemembered(zone: ZoneState, rrsets: ImageRrsets | null): object {
  const count = rrsets?.count ?? 0
  const shown = count > shownRrsets ? null : Array.from(rrsets?.from(0) ?? [], ({ rrset }) => rrset)
  return {
    ...(spellingOfPart(zone) ?? formatZoneHead(zone)),
    ...(shown && { rrsets: shown.map(formatZoneRrset) }),
    status: { serial: zone.serial, rrsets: count },
  }
}

export function zoneRoutes(app: FastifyInstance, context: Ground): void {
  registerResource(app, context, resource)
}
