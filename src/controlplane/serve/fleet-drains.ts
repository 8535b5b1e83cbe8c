/**
 * When a drained member is safe to work on whichever node its clients ask: each node hands out answers of its own, and one that has
 * not heard of a drain yet goes on with the member.
 *
 * A drain has come to be with some revision, at the latest that of the catalog in which it is first seen here. As long as a live node
 * says that it serves less than that, the member counts as answered by it. From the moment when none does any more, the largest TTL of the
 * services that lead to the member has to pass.
 *
 * A node that has not been heard of for some seconds is not live: whether it still answers nobody can tell. Of a word that waits for the
 * database the others can't know.
 *
 * Bounded by the members that are drained.
 */
import type { Catalog } from '../catalog/catalog.ts'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import type { NodeRecord } from '../model/observation.ts'
import type { HandedOutState } from './handed-out.ts'

type OtherNode = Pick<NodeRecord, 'id' | 'revision'>

interface Drain {
  /** Null while the database has not been told. */
  readonly revision: number | null
  readonly ttlSeconds: number
  /** It was there before the start: when nobody lags by then, nobody has lately, as far as is known. */
  readonly isOld: boolean
  /** Since when all that live serve it, UNIX time; null while one does not. */
  readonly servedAtMs: number | null
}

export class FleetDrains {
  readonly #others: () => readonly OtherNode[]
  readonly #now: () => Date
  #drains: ReadonlyMap<string, Drain> = new Map()

  /** @param others the live nodes but this one, as they were heard of last */
  constructor(others: () => readonly OtherNode[], now: () => Date) {
    this.#others = others
    this.#now = now
  }

  /**
   * Says which members are drained now, by name.
   *
   * @param isFirst they were so before the start
   */
  watch(drained: Iterable<MemberKey>, catalog: Catalog, isFirst: boolean): void {
    const now = this.#now()
    const before = this.#drains
    this.#drains = new Map(
      Array.from(drained, ({ pool, member }) => {
        const key = formatMemberKey({ pool, member })
        const override = catalog.overrideOf(pool, member, now)
        const known = before.get(key)
        // A database that was restored counts from an earlier one on.
        const since = Math.min(known?.revision ?? catalog.revision, catalog.revision)
        const revision = override?.pending === true ? null : since
        const ttls = catalog.servicesOf(pool).map((name) => catalog.services.get(name)!.ttlSeconds)
        const ttlSeconds = Math.max(known?.ttlSeconds ?? 0, ...ttls)
        return [
          key,
          { revision, ttlSeconds, isOld: known?.isOld ?? isFirst, servedAtMs: known?.servedAtMs ?? null },
        ]
      }),
    )
  }

  /** Forgets members that are no more: others of their names are drained anew. */
  forget(ended: Iterable<MemberKey>): void {
    const left = new Map(this.#drains)
    for (const key of ended) left.delete(formatMemberKey(key))
    this.#drains = left
  }

  /** Says that others have been heard of. */
  look(): void {
    const others = this.#others()
    const lowest = others.reduce((least, { revision }) => Math.min(least, revision), Number.POSITIVE_INFINITY)
    const nowMs = this.#now().getTime()
    this.#drains = new Map(
      Array.from(this.#drains, ([key, drain]) => {
        // Also one that was heard of no more for a while, and comes back with what it had.
        const isServed = drain.revision !== null && drain.revision <= lowest
        if (!isServed) return [key, { ...drain, isOld: false, servedAtMs: null }]
        if (drain.servedAtMs !== null) return [key, drain]
        return [key, { ...drain, servedAtMs: drain.isOld ? 0 : nowMs }]
      }),
    )
  }

  /** What clients of all nodes have of a member. @param here those of this one */
  state(pool: string, member: string, here: HandedOutState): HandedOutState {
    const drain = this.#drains.get(formatMemberKey({ pool, member }))
    const others = this.#others()
    if (drain === undefined || here.answered || others.length === 0) return here
    const { revision, servedAtMs, ttlSeconds, isOld } = drain
    if (servedAtMs === null) {
      const behind = others.filter((node) => revision === null || node.revision < revision)
      if (behind.length > 0) return { answered: true, safeAt: null, answeredBy: behind.map(({ id }) => id) }
    }
    const servedMs = servedAtMs ?? (isOld ? 0 : this.#now().getTime())
    const safeAtMs = Math.max(here.safeAt?.getTime() ?? 0, servedMs === 0 ? 0 : servedMs + ttlSeconds * 1000)
    return { ...here, safeAt: safeAtMs === 0 ? null : new Date(safeAtMs) }
  }
}
