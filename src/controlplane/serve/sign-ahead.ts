/**
 * Signs ahead what services would be answered with if one member went, or came back, so that no answer waits for a signature when that happens:
 * from a verdict to the answers there are 10 ms.
 *
 * For each member of each pool that a service may be answered from, the service is planned as it would be with that member in another
 * state, by the code that plans; what of that is not signed yet is asked for. It is done whenever services were planned, in slices of this
 * thread's time, so that a verdict waits for one slice at the most; and not while they are planned again and again, as when many members
 * fail together: most of it would be of no use with the next verdict, and take time from what that needs.
 *
 * What is not signed ahead: that several members change at once, other addresses of hosts, an operator's word, other weights where answers
 * are drawn beforehand. Then what is signed of the plan is answered with until the rest has come, or the plan before while nothing of it is.
 *
 * Nor is what other windows, draws or buckets of one of more than `severalSets` need, where half of them are there: when one member of a large
 * pool goes, those without it answer, and to have the others ready for each member would take several times as many signatures as the service
 * is answered with, of which the next change makes most useless.
 *
 * Of a service with more RRsets than `mostSets` only that is signed without which it would have no answer, where another pool may take
 * over. It needs no more: when one member goes, the sets without it are there, with the shares that they are to have, and the others follow
 * in some milliseconds. Rejected: to sign each set with each that may come in the place of one of its members, several times as many as
 * the service is answered with.
 *
 * Bounded: by the services, and `mostSets` of each.
 */
import { few, firstRrsets, setsOfLeaves } from '../../dataplane/image/answer-sets.ts'
import type { PlanTrees } from '../../dataplane/image/plan-tree.ts'
import type { Catalog, CatalogService } from '../catalog/catalog.ts'
import type { HealthState } from '../model/observation.ts'
import type { Pool } from '../model/pool.ts'
import type { ServiceBook } from '../signing/service-book.ts'

/** A member in another state than it is in. */
export interface OtherState {
  readonly pool: string
  readonly member: string
  readonly state: HealthState
}

export interface SignAheadOptions {
  readonly catalog: () => Catalog
  readonly measured: (pool: string, member: string) => HealthState
  /** How services would be answered. */
  readonly foresee: (other: OtherState) => (service: string) => PlanTrees
  /** Null for one that is not signed. */
  readonly bookOf: (service: string) => ServiceBook | null
  readonly ask: (book: ServiceBook, keys: Iterable<string>) => void
  readonly onError: (error: unknown) => void
}

/** After the last service that was planned, and after the first at the latest: the answers go before. */
const settleMs = 50
const longestSettleMs = 1000
/** How long this thread is at it, and lets others be. */
const sliceMs = 2
const restMs = 8
const mostSets = 1024
/** Of more than these, as of windows of a large pool, half are enough to answer with for some milliseconds. */
const severalSets = 16

/** How a service would be answered. */
class Foreseen {
  readonly trees: PlanTrees
  #sets: readonly (readonly string[])[] | undefined

  constructor(trees: PlanTrees) {
    this.trees = trees
  }

  get sets(): readonly (readonly string[])[] {
    this.#sets ??= setsOfLeaves(this.trees)
    return this.#sets
  }
}

/** Equal for services that are answered with the same RRsets, whoever asks and whatever was before. What is wrong in it is signed later. */
function likeness({ name, zone: _zone, ...service }: CatalogService): string {
  const { steer, whenAllDown } = service
  const isOwn = steer === 'geo' || steer === 'nearest' || whenAllDown === 'last-known'
  return isOwn ? name : JSON.stringify(service)
}

/** Whether a leaf can be answered from what is signed of it until the rest is. What is signed stays. */
function isEnough(book: ServiceBook, all: readonly string[]): boolean {
  if (all.length <= severalSets) return false
  const known = all.filter((key) => book.knows(key))
  if (2 * known.length < all.length) return false
  book.lacking(known)
  return true
}

export class SignAhead implements Disposable {
  readonly #options: SignAheadOptions
  /** Services that have been planned since they were last looked at. Bounded by the services. */
  readonly #marked = new Set<string>()
  #pass: Iterator<void> | null = null
  #timer: NodeJS.Timeout | undefined
  /** When nothing has been planned for long enough, and until when that is waited for. */
  #settledAtMs = 0
  #latestAtMs = 0
  #ended = false

  constructor(options: SignAheadOptions) {
    this.#options = options
  }

  /** How many services are still to be looked at. */
  get waiting(): number {
    return this.#marked.size
  }

  /** Says that a service was planned. */
  mark(service: string): void {
    const nowMs = performance.now()
    if (this.#timer === undefined) this.#latestAtMs = nowMs + longestSettleMs
    this.#settledAtMs = nowMs + settleMs
    this.#marked.add(service)
    this.#wait(settleMs)
  }

  [Symbol.dispose](): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  #wait(ms: number): void {
    if (this.#ended) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#slice()
    }, ms).unref()
  }

  #slice(): void {
    const nowMs = performance.now()
    const settlesInMs = Math.min(this.#settledAtMs, this.#latestAtMs) - nowMs
    if (settlesInMs > 0) {
      this.#wait(settlesInMs)
      return
    }
    const until = nowMs + sliceMs
    try {
      this.#pass ??= this.#look()
      while (performance.now() < until) {
        if (this.#pass.next().done !== true) continue
        this.#pass = null
        if (this.#marked.size > 0) this.#wait(settleMs)
        return
      }
    } catch (error) {
      this.#pass = null
      this.#options.onError(error)
    }
    this.#wait(restMs)
  }

  /** Looks at what is marked, a service and a state at each step. */
  *#look(): Generator<void, void> {
    const catalog = this.#options.catalog()
    const services = [...this.#marked]
    this.#marked.clear()
    const planned = services.flatMap((name) => {
      const book = catalog.services.has(name) ? this.#options.bookOf(name) : null
      return book === null ? [] : [{ name, book }]
    })
    const byPool = new Map<string, typeof planned>()
    for (const each of planned) {
      const pools = catalog.poolsOf(each.name)
      if (each.book.size > mostSets && pools.size === 1) continue
      for (const pool of pools) {
        const there = byPool.get(pool)
        if (there === undefined) byPool.set(pool, [each])
        else there.push(each)
      }
    }
    for (const [name, there] of byPool) {
      const pool = catalog.pools.get(name)
      for (const other of pool === undefined ? [] : this.#others(pool)) yield* this.#signed(other, there)
    }
    // One that was planned again meanwhile is looked at again.
    for (const { name, book } of planned) if (!this.#marked.has(name)) book.prune()
  }

  *#signed(
    other: OtherState,
    services: readonly { readonly name: string; readonly book: ServiceBook }[],
  ): Generator<void, void> {
    const { catalog, foresee, ask } = this.#options
    // What was planned by is not there any more.
    if (!catalog().pools.has(other.pool)) return
    let treesOf = foresee(other)
    let { revision } = catalog()
    /** What services that are alike come to. Bounded by the services. */
    const made = new Map<string, Foreseen>()
    for (const { name, book } of services) {
      yield
      if (catalog().revision !== revision) {
        treesOf = foresee(other)
        revision = catalog().revision
        made.clear()
      }
      const service = catalog().services.get(name)
      if (service === undefined) continue
      const key = likeness(service)
      const foreseen = made.get(key) ?? new Foreseen(treesOf(name))
      made.set(key, foreseen)
      const sets =
        book.size > mostSets
          ? [firstRrsets(foreseen.trees, (key) => book.knows(key), few)]
          : foreseen.sets.filter((all) => !isEnough(book, all))
      for (const each of sets) ask(book, book.lacking(each, mostSets))
    }
  }

  /** The states that members may get into next. */
  #others({ name: pool, monitor, members }: Pool): OtherState[] {
    if (monitor === null) return []
    return members.flatMap(({ name: member }) => {
      const now = this.#options.measured(pool, member)
      return (['up', 'down'] as const).flatMap((state) => (state === now ? [] : [{ pool, member, state }]))
    })
  }
}
