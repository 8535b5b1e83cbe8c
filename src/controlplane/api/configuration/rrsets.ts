import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import {
  formatRrset,
  formatZoneRrset,
  parseRrset,
  parseRrsetKey,
  RrsetSchema,
  ZoneRrsetSchema,
} from '../../document/zone.ts'
import type { Rrset } from '../../model/zone.ts'
import { deleteRrset, getRrset, listRrsets, putRrset } from '../../store/rrsets.ts'
import { ownerWarnings } from '../../store/zone-warnings.ts'
import { getZoneHead } from '../../store/zones.ts'
import type { Ground } from '../context.ts'
import { guarded, PageQuery, page, pageReply, pageRequest, paramsOf, withStatus } from '../schemas.ts'
import { hostname, notFound, type Resource, registerResource, valid } from './resource.ts'
import { maxWarnings, WarningSchema } from './zones.ts'

interface Key {
  readonly apex: string
  /** Relative to the apex, `@` for the apex. */
  readonly owner: string
  readonly type: string
}

const Status = Type.Object({
  warnings: Type.Array(WarningSchema, {
    description: 'in the reply to a PUT: what is allowed at this name and yet most likely a mistake',
  }),
})

const resource: Resource<Key, Rrset, Rrset> = {
  kind: 'RRset',
  url: '/v1/zones/:apex/rrsets/:owner/:type',
  params: Type.Object({
    apex: Type.String(),
    owner: Type.String({ description: 'relative to the apex, @ for the apex, or absolute with a final dot' }),
    type: Type.String({ description: 'mnemonic such as A or MX' }),
  }),
  body: RrsetSchema,
  view: withStatus(RrsetSchema, Type.Optional(Status)),
  key: (params) => {
    const apex = hostname(params.apex!, 'zone', 'apex')
    const key = { owner: params.owner!, type: params.type! }
    return { apex, ...valid('the name of the RRset', (problems) => parseRrsetKey(apex, key, problems)) }
  },
  describe: ({ apex, owner, type }) => `RRset ${owner} ${type} of zone ${apex}`,
  get: (tx, { apex, owner, type }) => getRrset(tx, apex, owner, type),
  put: (write, rrset, condition, { apex }) => putRrset(write, apex, rrset, condition),
  delete: (write, { apex, owner, type }, condition) => deleteRrset(write, apex, owner, type, condition),
  parse: ({ apex, ...key }, body, path, problems) => parseRrset(apex, key, body, path, problems),
  present: async (_tx, stored) => stored.map(({ value }) => formatRrset(value)),
  notice: async (tx, { apex, owner }) => {
    const warnings = await ownerWarnings(tx, apex, owner, maxWarnings)
    return warnings.length === 0 ? {} : { warnings: warnings.map(({ data: _, ...warning }) => warning) }
  },
}

export function rrsetRoutes(app: FastifyInstance, context: Ground): void {
  registerResource(app, context, resource)
  const url = '/v1/zones/:apex/rrsets'
  const replies = page(ZoneRrsetSchema, ', in the order of owner and type')
  const taken = { params: paramsOf(url), querystring: PageQuery }
  const schema = guarded('RRset', 'Lists the RRsets of a zone', replies, [404], taken)
  app.get(url, { schema }, async (request) => {
    const apex = hostname((request.params as { apex: string }).apex, 'zone', 'apex')
    return context.database.read(async (tx) => {
      if ((await getZoneHead(tx, apex)) === null) throw notFound(`zone ${apex}`)
      const page = await listRrsets(tx, apex, pageRequest(context, request.query))
      const bodies = page.items.map(({ value }) => formatZoneRrset(value))
      return pageReply(context, page, bodies)
    })
  })
}
