import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { ImageRrsets } from '../../compile/image-rrsets.ts'
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
import { bodyOf, type Page, type PageRequest } from '../../store/stored.ts'
import { ownerWarnings } from '../../store/zone-warnings.ts'
import { getZoneHead } from '../../store/zones.ts'
import type { Ground } from '../context.ts'
import { readCursor, readEither, writeCursor } from '../memory.ts'
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

const access = { kind: 'zone', param: 'apex' } as const

const resource: Resource<Key, Rrset, Rrset> = {
  kind: 'RRset',
  access,
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
  put: (write, rrset, condition, { apex }, body) => putRrset(write, apex, rrset, condition, body),
  delete: (write, { apex, owner, type }, condition) => deleteRrset(write, apex, owner, type, condition),
  parse: ({ apex, ...key }, body, path, problems) => parseRrset(apex, key, body, path, problems),
  present: async (_tx, stored) => bodyOf(await stored, formatRrset),
  remembered: {
    get: (memory, { apex, owner, type }) => {
      const zone = memory.catalog.zones.get(apex)
      return (zone && memory.rrsetsOf(zone)?.get(owner, type)) ?? null
    },
    present: (_memory, rrset) => formatRrset(rrset),
  },
  notice: async (tx, { apex, owner }) => {
    const warnings = await ownerWarnings(tx, apex, owner, maxWarnings)
    return warnings.length === 0 ? {} : { warnings: warnings.map(({ data: _, ...warning }) => warning) }
  },
}

export function rrsetRoutes(app: FastifyInstance, context: Ground): void {
  registerResource(app, context, resource)
  const url = '/v1/zones/:apex/rrsets'
  const replies = page('NamedRRset', ZoneRrsetSchema, ', in the order of owner and type')
  const taken = { params: paramsOf(url), querystring: PageQuery }
  const schema = guarded(
    { tag: 'RRset', id: 'listRRsets', summary: 'Lists the RRsets of a zone' },
    replies,
    [404],
    taken,
  )
  app.get(url, { schema, config: { access } }, async (request, reply) => {
    const apex = hostname((request.params as { apex: string }).apex, 'zone', 'apex')
    const wanted = pageRequest(context, request.query)
    const fromDatabase = () =>
      context.database.read(async (tx) => {
        if ((await getZoneHead(tx, apex)) === null) throw notFound(`zone ${apex}`)
        const page = await listRrsets(tx, apex, wanted)
        return pageReply(
          context,
          page,
          page.items.map(({ value }) => formatZoneRrset(value)),
        )
      })
    return readEither(context, reply, fromDatabase, (memory) => {
      const zone = memory.catalog.zones.get(apex)
      if (zone === undefined) throw notFound(`zone ${apex}`)
      const page = imagePage(memory.rrsetsOf(zone), wanted)
      return pageReply(context, page, page.items.map(formatZoneRrset))
    })
  })
}

/** A page of an image: in the order of the image, since sorting a large zone would keep everybody waiting. */
function imagePage(rrsets: ImageRrsets | null, { limit, cursor }: PageRequest): Page<Rrset> {
  const isPlace = (key: unknown): key is readonly [node: number, type: string] =>
    Array.isArray(key) && Number.isSafeInteger(key[0]) && key[0] >= 0 && typeof key[1] === 'string'
  const [node, after] = cursor === null || cursor === undefined ? [0, null] : readCursor(cursor, isPlace)
  const found: { readonly node: number; readonly rrset: Rrset }[] = []
  let passed = after === null
  for (const each of rrsets?.from(node) ?? []) {
    if (passed || each.node > node) found.push(each)
    passed ||= each.rrset.type === after
    if (found.length > limit) break
  }
  const items = found.slice(0, limit)
  const cursorAfter = (nth: number) => writeCursor([items[nth]!.node, items[nth]!.rrset.type])
  return {
    items: items.map(({ rrset }) => rrset),
    nextCursor: found.length > limit ? cursorAfter(items.length - 1) : null,
    cursorAfter,
  }
}
