/**
 * The checks that run, each once: members of several pools that are probed in the same way (address, port and all of the
 * monitor's settings but its name) share one check, its measurement included. A check lives as long as somebody
 * watches it. One that takes the place of another, because settings or the address of a machine changed, goes on with what
 * that one had measured (`Past`), at its position in the schedule.
 *
 * The guard counts a check for each pool of whose members one watches it.
 *
 * Bound: one check per member and part of its monitor, at most.
 */
import type { Family } from '../model/family.ts'
import { Check, type CheckContext, type Opinion, type Past, pastOf, probeKey, type Watcher } from './check.ts'
import type { GuardChange, SelfIsolationGuard, Suspicion } from './guard.ts'
import type { Measurement } from './monitor.ts'
import type { Probed } from './probes/probe-target.ts'
import { longestGapMs } from './scheduler.ts'

export interface CheckRegistryOptions extends Omit<CheckContext, 'counts'> {
  /** Null: every verdict counts. */
  readonly guard: SelfIsolationGuard<Measurement> | null
  /** The guard suspects this node's network, or (null) trusts it again. */
  readonly onSuspicion: (suspicion: Suspicion | null, whyTrusted?: string) => void
  /** The canaries are to be asked now. */
  readonly askCanaries?: () => void
}

const beginning = pastOf('unknown', null)

/** A check that somebody watches, until it is released. */
export interface Watched {
  readonly check: Check
  readonly release: () => void
}

/** A measurement from before the failures that are in doubt, and what is in its place meanwhile. */
interface Lent {
  readonly given: Measurement
  readonly taken: Measurement
  readonly opinion: Opinion
}

export class CheckRegistry {
  readonly #options: CheckRegistryOptions
  readonly #context: CheckContext
  readonly #checks = new Map<string, Check>()
  /** Who watches a check for each pool, longest first. Bounded by the watchers. */
  readonly #guarded = new Map<Check, Map<string, Set<Watcher>>>()
  /** What a hold gave back, until it ends. Bounded by the checks. */
  readonly #lent = new Map<string, Lent>()

  constructor(options: CheckRegistryOptions) {
    this.#options = options
    this.#context = { ...options, counts: (check, ok, atMs) => this.#counts(check, ok, atMs) }
  }

  /** How many probes there are. */
  get size(): number {
    return this.#checks.size
  }

  /** How many can't be made for want of an address of a family. */
  unjudged(family: Family): number {
    let count = 0
    for (const { lacks } of this.#checks.values()) if (lacks === family) count++
    return count
  }

  /**
   * Watches the check of what is to be probed, which begins if nobody watched it before.
   * @param past counts when it does
   */
  watch(probed: Probed, watcher: Watcher, past: Past = beginning): Watched {
    const key = probeKey(probed)
    const check = this.#checks.get(key) ?? new Check(this.#context, key, probed, past)
    this.#checks.set(key, check)
    // One for each call: two parts of a composite may be the same check.
    const own = { ...watcher }
    check.watchers.add(own)
    const guarded = this.#guarded.get(check) ?? new Map<string, Set<Watcher>>()
    this.#guarded.set(check, guarded)
    const ofPool = guarded.get(own.pool) ?? new Set<Watcher>()
    guarded.set(own.pool, ofPool.add(own))
    if (ofPool.size === 1) this.#guard(check, own)
    return { check, release: () => this.#release(check, own) }
  }

  /** What was given back counts after all, unless something was measured since. */
  #takeAgain(): void {
    for (const [key, { given, opinion, taken }] of this.#lent) {
      const check = this.#checks.get(key)
      if (check?.measurement === given) check.takeAgain(taken, opinion.reason)
    }
  }

  /** Does what the guard says. */
  apply(change: GuardChange<Measurement> | null): void {
    if (change === null) return
    if (change.to === 'trusting') {
      if (change.takeAgain) this.#takeAgain()
      this.#lent.clear()
      this.#options.onSuspicion(
        null,
        change.takeAgain ? 'canaries answer, so it is the members that fail' : undefined,
      )
      return
    }
    const { suspicion } = change
    this.#options.onSuspicion(suspicion)
    for (const { check: key, measurement: given } of change.giveBack) {
      const check = this.#checks.get(key)
      if (check === undefined) continue
      if (suspicion.holds) this.#lent.set(key, { given, taken: check.measurement, opinion: check.opinion })
      check.giveBack(given)
    }
    // Last: the answer of a canary ends it, and may come at once.
    if (suspicion.holds) this.#options.askCanaries?.()
  }

  #counts({ key, measurement }: Check, ok: boolean, atMs: number): boolean {
    const ruling = this.#options.guard?.verdict(key, ok, measurement, atMs)
    this.apply(ruling?.change ?? null)
    return ruling?.counts ?? true
  }

  #release(check: Check, watcher: Watcher): void {
    const { pool } = watcher
    const guarded = this.#guarded.get(check)
    const ofPool = guarded?.get(pool)
    if (guarded === undefined || ofPool === undefined) return
    const [first] = ofPool
    check.watchers.delete(watcher)
    ofPool.delete(watcher)
    if (watcher === first) {
      this.apply(this.#options.guard?.forget(pool, check.key) ?? null)
      const [next] = ofPool
      if (next === undefined) guarded.delete(pool)
      else this.#guard(check, next)
    }
    if (check.watchers.size > 0) return
    check.cancel()
    this.#guarded.delete(check)
    this.#checks.delete(check.key)
  }

  #guard(check: Check, { pool, member, witness = member }: Watcher): void {
    const { intervalMs, timeoutMs } = check.probed.monitor
    this.#options.guard?.watch(pool, check.key, longestGapMs(intervalMs) + timeoutMs, witness)
  }
}
