import { effectiveOverride, OverrideIndex } from '../model/override-index.ts'
import { answeringPools } from '../rules/graph.ts'
import type { SafeTime } from '../serve/handed-out.ts'
import type { SnapshotBase } from './snapshot.ts'

type Base = Pick<SnapshotBase, 'pools' | 'services' | 'overrides' | 'handedOut'>

/**
 * What a node that starts has to assume that clients still have, by the snapshot. When it ended is not known, only that it
 * was before `startedAt`, and a killed node answered to the last. So a member that was answered when the snapshot was written
 * counts as answered until the start. So does one that nothing but its health may have kept out: it may have come back
 * after that, as snapshots are up to a minute behind health. An operator's word is a change of the configuration, which is written
 * at once; a member that one kept out, and that was safe, is so still.
 */
export function handedOutBefore(base: Base, startedAt: Date): SafeTime[] {
  const after = (ttlSeconds: number) => new Date(startedAt.getTime() + ttlSeconds * 1000)
  const written = base.handedOut.flatMap(({ ttlSeconds, safeAt, ...of }) => [
    ...(safeAt === null ? [] : [{ ...of, safeAt }]),
    ...(ttlSeconds === null ? [] : [{ ...of, safeAt: after(ttlSeconds) }]),
  ])
  return [...written, ...mayHaveComeBack(base, startedAt, after)]
}

function mayHaveComeBack(
  { pools, services, overrides }: Base,
  startedAt: Date,
  after: (ttlSeconds: number) => Date,
): SafeTime[] {
  const poolsOf = answeringPools(
    new Map(pools.map((pool) => [pool.name, pool])),
    new Map(services.map((service) => [service.name, service])),
  )
  const ttls = new Map<string, number>()
  for (const service of services) {
    for (const pool of poolsOf(service.name)) {
      ttls.set(pool, Math.max(service.ttlSeconds, ttls.get(pool) ?? 0))
    }
  }
  const index = new OverrideIndex(overrides)
  return pools.flatMap(({ name: pool, members }) => {
    const ttlSeconds = ttls.get(pool)
    if (ttlSeconds === undefined) return []
    const safeAt = after(ttlSeconds)
    return members.flatMap(({ name: member }) => {
      const state = effectiveOverride(index, pool, member, startedAt)?.state
      return state === 'drain' || state === 'down' ? [] : [{ pool, member, safeAt }]
    })
  })
}
