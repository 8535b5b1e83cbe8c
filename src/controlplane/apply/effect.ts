/** What a plan would do to answers: which shares move, and who would be answered no more. */
import type { Catalog } from '../catalog/catalog.ts'
import { type Reach, within } from '../model/reach.ts'
import type { PreviewedService, PreviewedShares } from '../serve/preview.ts'
import type { Plan } from './apply.ts'
import { catalogAfter } from './catalog-after.ts'

/** How services are answered by a catalog; see `serve/preview.ts`. */
export type Previewing = (catalog: Catalog) => Promise<(service: string) => PreviewedService | null>

/** A share that moves, of the answers to one service. */
export interface ShareChange {
  readonly pool: string
  /** From 0 to 1. */
  readonly before: number
  readonly after: number
}

export interface ServiceEffect {
  readonly service: string
  /** Whose answers: `A`, `AAAA`, or both where it is the same for them. */
  readonly types: readonly ('A' | 'AAAA')[]
  /** Of clients of an area alone: its pools, in order of preference. */
  readonly area?: readonly string[]
  readonly pools: readonly ShareChange[]
}

/** A member that would be answered no more. */
export interface LeavingMember {
  readonly pool: string
  readonly member: string
  /** When caches would have forgotten it, in seconds from then on: the largest TTL of the services that answer with it. */
  readonly safeAfterSeconds: number
}

export interface Effect {
  readonly services: readonly ServiceEffect[]
  /** Services beyond those that are listed. */
  readonly moreServices: number
  readonly leaving: readonly LeavingMember[]
}

/** Services that are looked at; more would keep everybody waiting. */
const mostServices = 2_000
const mostListed = 200
/** A share that moves by less is no news. */
const leastMove = 0.0005

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
  const [isService, isPool] = [within(reach, 'service'), within(reach, 'pool')]
  const planned = catalogAfter(plan, served)
  const names = affected(plan, served, planned)
  const [before, after] = [await previewing(served), await previewing(planned)]
  const services: ServiceEffect[] = []
  const leaving = new Map<string, LeavingMember>()
  const staying = new Set<string>()
  for (const name of names.slice(0, mostServices)) {
    const [was, is] = [before(name), after(name)]
    if (isService(name)) services.push(...moves(name, was, is))
    for (const key of answered(is)) staying.add(key)
    for (const key of answered(was)) note(leaving, key, was!.ttlSeconds)
  }
  return {
    services: services.slice(0, mostListed),
    moreServices: Math.max(0, services.length - mostListed),
    leaving: [...leaving]
      .flatMap(([key, member]) => (staying.has(key) || !isPool(member.pool) ? [] : [member]))
      .slice(0, mostListed),
  }
}

function note(leaving: Map<string, LeavingMember>, key: string, ttlSeconds: number): void {
  const [pool, member] = key.split('/') as [string, string]
  const before = leaving.get(key)?.safeAfterSeconds ?? 0
  leaving.set(key, { pool, member, safeAfterSeconds: Math.max(before, ttlSeconds) })
}

function answered(service: PreviewedService | null): Set<string> {
  const all = service === null ? [] : [...service.ipv4, ...service.ipv6]
  return new Set(all.flatMap(({ members }) => members.map(({ pool, member }) => `${pool}/${member}`)))
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

function moves(service: string, was: PreviewedService | null, is: PreviewedService | null): ServiceEffect[] {
  const ipv4 = movesOf(was?.ipv4 ?? [], is?.ipv4 ?? [])
  const ipv6 = movesOf(was?.ipv6 ?? [], is?.ipv6 ?? [])
  const same = JSON.stringify(ipv4) === JSON.stringify(ipv6)
  const told = (types: ServiceEffect['types'], found: typeof ipv4) =>
    found.map((each) => ({ service, types, ...each }))
  return same ? told(['A', 'AAAA'], ipv4) : [...told(['A'], ipv4), ...told(['AAAA'], ipv6)]
}

/** By area, where both sides have areas; areas of the same preference are the same. */
function movesOf(was: readonly PreviewedShares[], is: readonly PreviewedShares[]) {
  const keyOf = ({ area }: PreviewedShares) => JSON.stringify(area)
  const before = new Map(was.map((shares) => [keyOf(shares), shares]))
  const after = new Map(is.map((shares) => [keyOf(shares), shares]))
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const pools = poolMoves(before.get(key), after.get(key))
    const area = JSON.parse(key) as readonly string[] | null
    return pools.length === 0 ? [] : [{ ...(area === null ? {} : { area }), pools }]
  })
}

function poolMoves(was: PreviewedShares | undefined, is: PreviewedShares | undefined): ShareChange[] {
  const before = byPool(was)
  const after = byPool(is)
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((pool) => {
    const change = { pool, before: round(before.get(pool)), after: round(after.get(pool)) }
    return Math.abs(change.after - change.before) < leastMove ? [] : [change]
  })
}

function byPool(shares: PreviewedShares | undefined): Map<string, number> {
  const pools = new Map<string, number>()
  for (const { pool, share } of shares?.members ?? []) pools.set(pool, (pools.get(pool) ?? 0) + share)
  return pools
}

const round = (share = 0) => Math.round(share * 10_000) / 10_000
