/** The list of all that operators say: of members, by name and by patterns, and then of services. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { isStanding, type Override, type ServiceOverride } from '../../model/override.ts'
import type { MemberPattern } from '../../model/override-index.ts'
import { within } from '../../model/reach.ts'
import { pageOverrides } from '../../store/overrides.ts'
import { pageServiceOverrides } from '../../store/service-overrides.ts'
import type { Page, PageRequest } from '../../store/stored.ts'
import type { Ground, Observations } from '../context.ts'
import { pageOf, readCursor, readEither, writeCursor } from '../memory.ts'
import { guarded, PageQuery, page, pageReply, pageRequest } from '../schemas.ts'
import { heldInMemory, heldMembers, OverrideView, presentOverride } from './override-view.ts'
import { presentServiceOverride, ServiceOverrideView } from './service-overrides.ts'

export const MemberItem = Type.Object(
  { pool: Type.String(), member: Type.String(), ...OverrideView.properties },
  { title: 'OverrideItem' },
)
export const ServiceItem = Type.Object(
  { service: Type.String(), ...ServiceOverrideView.properties },
  { title: 'ServiceOverrideItem' },
)

type Held = (override: Override) => readonly MemberPattern[]

export function overrideListRoute(app: FastifyInstance, context: Ground & Observations): void {
  const order = ', those of members in the order of pools and members, and then those of services'
  const replies = page('Override', Type.Union([MemberItem, ServiceItem]), order)
  const schema = guarded(
    { tag: 'override', id: 'listOverrides', summary: 'Lists every override' },
    replies,
    [],
    { querystring: PageQuery },
  )
  app.get('/v1/overrides', { schema, config: { access: 'within' } }, async (request, reply) => {
    const now = context.now()
    const wanted = { ...pageRequest(context, request.query), reach: request.reach }
    const replyWith = (listed: Page<Override | ServiceOverride>, held: Held) => {
      const bodies = listed.items.map((each) =>
        'service' in each
          ? { service: each.service, ...presentServiceOverride(each) }
          : { pool: each.pool, member: each.member, ...presentOverride(context, each, held(each)) },
      )
      return pageReply(context, listed, bodies)
    }
    const fromDatabase = () =>
      context.database.read(async (tx) => {
        const members = isOfServices(wanted) ? noPage : await pageOverrides(tx, wanted, now)
        const rest = restOf(wanted, members)
        const services = rest === null ? noPage : await pageServiceOverrides(tx, rest, now)
        return replyWith(joined(wanted, members, services), await heldMembers(tx, members.items, now))
      })
    return readEither(context, reply, fromDatabase, (memory) => {
      const { catalog } = memory
      const [ofPools, isService] = [within(request.reach, 'pool'), within(request.reach, 'service')]
      const standing = [...catalog.overrides.values()].filter(
        (one) => isStanding(one, now) && ofPools(one.pool),
      )
      const members = isOfServices(wanted)
        ? noPage
        : pageOf(standing, ({ pool, member }) => [pool, member], wanted)
      const rest = restOf(wanted, members)
      const ofServices = catalog.serviceOverrides.filter(
        (one) => isStanding(one, now) && isService(one.service),
      )
      const services = rest === null ? noPage : pageOf(ofServices, ({ service }) => [service], rest)
      return replyWith(joined(wanted, members, services), heldInMemory(memory, members.items, now))
    })
  })
}

const noPage: Page<never> = { items: [], nextCursor: null, cursorAfter: () => '' }
/** Before every service: none has such a name. */
const firstService = writeCursor([''])

/** A cursor is the key of an item, of which a service's has one part. */
function isOfServices({ cursor }: PageRequest): boolean {
  if (cursor === null || cursor === undefined) return false
  return readCursor(cursor, (key): key is readonly unknown[] => Array.isArray(key)).length === 1
}

/** What is asked of services behind a page of members; null for nothing. One at least: whether there is any is to be known. */
function restOf(wanted: PageRequest, members: Page<unknown>): PageRequest | null {
  if (isOfServices(wanted)) return wanted
  if (members.nextCursor !== null) return null
  return { ...wanted, cursor: null, limit: Math.max(1, wanted.limit - members.items.length) }
}

function joined<A, B>({ limit }: PageRequest, members: Page<A>, services: Page<B>): Page<A | B> {
  const first = members.items.length
  if (first === limit && services.items.length > 0) return { ...members, nextCursor: firstService }
  return {
    items: [...members.items, ...services.items],
    nextCursor: members.nextCursor ?? services.nextCursor,
    cursorAfter: (nth) => (nth < first ? members.cursorAfter(nth) : services.cursorAfter(nth - first)),
  }
}
