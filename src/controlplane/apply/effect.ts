/** What a plan would do to answers: which shares move, and who would be answered no more. */
import { setImmediate } from 'node:timers/promises'
import type { Catalog } from '../catalog/catalog.ts'
import { formatMemberKey } from '../model/member-key.ts'
import type { OverrideState } from '../model/override.ts'
import type { MemberPattern } from '../model/override-index.ts'
import { type AddressText, addressesOf } from '../model/pool.ts'
import { type Reach, within } from '../model/reach.ts'
import type { PreviewedService } from '../serve/preview.ts'
import type { Plan } from './apply.ts'
import { catalogAfter } from './catalog-after.ts'
import { type ServiceEffect, ServiceMoves } from './service-moves.ts'

/** How services are answered by a catalog; see `serve/preview.ts`. */
export type Previewing = (catalog: Catalog) => Promise<(service: string) => PreviewedService | null>

/** A member that would be answered no more, or with an address less. */
export interface LeavingMember {
  readonly pool: string
  readonly member: string
  /** The address that goes, while the member stays. */
  readonly address?: AddressText
  /** When caches would have forgotten it, in seconds from then on: the largest TTL of the services that answer with it. */
  readonly safeAfterSeconds: number
}

export interface Effect {
  readonly services: readonly ServiceEffect[]
  /** Services beyond those that are listed of which answers move. */
  readonly moreServices: number
  /** Services that the change may concern and that nobody has looked at, for there are too many. */
  readonly unseenServices: number
  readonly leaving: readonly LeavingMember[]
}

/** What an operator would say of members; null takes it back. */
export type OverrideWish = MemberPattern & { readonly state: OverrideState | null }

/** Services that are looked at; more would keep everybody waiting. */
const mostServices = 2_000
const mostListed = 200
/** Ranges of location maps that are walked through: some seconds of it. */
const mostRanges = 10_000_000
/** After so long others get a turn; one service may take longer. */
const turnMs = 20

/**
 * @param served what this node answers by
 * @param reach of whoever asks: nothing else is told
 */
export async function effectOf(
  plan: Plan,
  served: Catalog,
  previewing: Previewing,
  reach: Reach | null,
): Promise<Effect> {
  const planned = catalogAfter(plan, served)
  const names = affected(plan, served, planned)
  const { ttls, leaving, ...effect } = await effectBetween({ served, planned, names }, previewing, reach)
  const isPool = within(reach, 'pool')
  return {
    ...effect,
    leaving: [...leaving.values(), ...leavingAddresses(plan, served, planned, ttls, leaving)]
      .filter(({ pool }) => isPool(pool))
      .slice(0, mostListed),
  }
}

/**
 * What words of operators would do to answers, said one after the other.
 *
 * @param served what this node answers by
 * @param reach of whoever asks: nothing else is told
 */
export async function effectOfOverrides(
  words: readonly OverrideWish[],
  served: Catalog,
  now: Date,
  previewing: Previewing,
  reach: Reach | null,
): Promise<Effect> {
  const overrides = new Map(served.overrides)
  for (const { pool, member, state } of words) {
    const key = formatMemberKey({ pool, member })
    if (state === null) overrides.delete(key)
    else overrides.set(key, { pool, member, state, until: null, reason: '', actor: '', since: now })
  }
  const planned = served.with({ overrides, services: served.services })
  const names = new Set<string>()
  for (const pool of served.poolsMatching(words)) for (const name of served.servicesOf(pool)) names.add(name)
  const all = [...new Set([...names, ...served.withOuterServices(names)])].sort()
  const {
    ttls: _,
    leaving,
    ...effect
  } = await effectBetween({ served, planned, names: all }, previewing, reach)
  const isPool = within(reach, 'pool')
  const listed = [...leaving.values()].filter(({ pool }) => isPool(pool)).slice(0, mostListed)
  return { ...effect, leaving: listed }
}

interface Change {
  readonly served: Catalog
  readonly planned: Catalog
  /** Of the services that it concerns. */
  readonly names: readonly string[]
}

async function effectBetween(
  { served, planned, names }: Change,
  previewing: Previewing,
  reach: Reach | null,
) {
  const isService = within(reach, 'service')
  const [before, after] = [await previewing(served), await previewing(planned)]
  const services: ServiceEffect[] = []
  const moving = new Set<string>()
  const leaving = new Map<string, LeavingMember>()
  const staying = new Set<string>()
  const ttls = new Map<string, number>()
  const moves = new ServiceMoves()
  let [seen, unseen] = [0, 0]
  for await (const name of inTurns(names.slice(0, mostServices))) {
    if (moves.ranges > mostRanges) break
    seen++
    const [was, is] = [before(name), after(name)]
    const found = isService(name) ? moves.of(name, was, is) : []
    if (found === null) unseen++
    else if (found.length > 0) moving.add(name)
    if (services.length < mostListed) services.push(...(found ?? []))
    for (const key of answered(is)) staying.add(key)
    for (const key of answered(was)) {
      note(leaving, key, was!.ttlSeconds)
      ttls.set(key, Math.max(was!.ttlSeconds, ttls.get(key) ?? 0))
    }
  }
  for (const key of staying) leaving.delete(key)
  // Of those that nobody has looked at, too: somebody may switch off what is told to leave.
  for await (const name of inTurns(othersWith(leaving.values(), planned, new Set(names.slice(0, seen))))) {
    for (const key of answered(after(name))) leaving.delete(key)
  }
  const listed = services.slice(0, mostListed)
  return {
    services: listed,
    moreServices: moving.size - new Set(listed.map(({ service }) => service)).size,
    unseenServices: names.slice(seen).filter(isService).length + unseen,
    leaving,
    ttls,
  }
}

/**
 * Addresses that members of the pools that change would have no more.
 *
 * @param ttls of the members that are answered
 * @param leaving members that go whole
 */
function* leavingAddresses(
  { target }: Plan,
  served: Catalog,
  planned: Catalog,
  ttls: ReadonlyMap<string, number>,
  leaving: ReadonlyMap<string, LeavingMember>,
): Generator<LeavingMember> {
  for (const { name: pool } of target.pools) {
    const members = planned.pools.get(pool)?.members ?? []
    const after = new Map(members.map((member) => [member.name, member]))
    for (const before of served.pools.get(pool)?.members ?? []) {
      const key = `${pool}/${before.name}`
      const [is, safeAfterSeconds] = [after.get(before.name), ttls.get(key)]
      if (is === undefined || safeAfterSeconds === undefined || leaving.has(key)) continue
      const kept = new Set(addressesOf(is))
      for (const address of addressesOf(before)) {
        if (!kept.has(address)) yield { pool, member: before.name, address, safeAfterSeconds }
      }
    }
  }
}

async function* inTurns(names: readonly string[]): AsyncGenerator<string> {
  let since = performance.now()
  for (const name of names) {
    yield name
    if (performance.now() - since < turnMs) continue
    await setImmediate()
    since = performance.now()
  }
}

/** Services that the change does not concern, and that may be answered with these members all the same. */
function othersWith(members: Iterable<LeavingMember>, planned: Catalog, concerned: ReadonlySet<string>) {
  const names = new Set<string>()
  for (const { pool } of members) for (const name of planned.servicesOf(pool)) names.add(name)
  return [...names, ...planned.withOuterServices(names)].filter((name) => !concerned.has(name))
}

function note(leaving: Map<string, LeavingMember>, key: string, ttlSeconds: number): void {
  const [pool, member] = key.split('/') as [string, string]
  const before = leaving.get(key)?.safeAfterSeconds ?? 0
  leaving.set(key, { pool, member, safeAfterSeconds: Math.max(before, ttlSeconds) })
}

function answered(service: PreviewedService | null): Set<string> {
  const all = service === null ? [] : [...service.ipv4.members, ...service.ipv6.members]
  return new Set(all.map(({ pool, member }) => `${pool}/${member}`))
}

function affected({ target }: Plan, served: Catalog, planned: Catalog): string[] {
  const pools = new Set([
    ...target.pools.map(({ name }) => name),
    ...served.poolsJudgedBy(target.monitors.map(({ name }) => name)),
  ])
  const names = new Set(target.services.map(({ name }) => name))
  for (const catalog of [served, planned]) {
    for (const pool of pools) for (const name of catalog.servicesOf(pool)) names.add(name)
    for (const name of catalog.withOuterServices(names)) names.add(name)
  }
  return [...names].sort()
}
