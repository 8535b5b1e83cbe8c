/**
 * What looks at a member: an observer for each of its addresses, since one may be dead while the others work, or a single
 * one where there is nothing to tell apart. A member is up while one of its addresses is.
 *
 * Addresses come and go, by the configuration and by what a host resolves to. One that stays keeps its observer. Of a host that
 * was given other addresses the new ones go on, in their order, from where the old ones were, as the host itself does; what there
 * are more of begins as unknown. So does an address that somebody wrote: it may be another machine.
 *
 * Bound: an observer for each address of the member.
 */
import { isDeepStrictEqual } from 'node:util'
import type { HealthState, ProbeFlaps } from '../model/observation.ts'
import type { AddressText } from '../model/pool.ts'
import { toReason } from '../model/reason.ts'
import type { PresentedCertificate } from './certificate-watch.ts'
import type { Opinion, Past } from './check.ts'
import { type AddressCheck, type CheckMethod, machineOf } from './check-method.ts'
import type { Observer } from './observer.ts'

/** What an address is said to be. */
export interface AddressOpinion extends Opinion {
  readonly address: AddressText
}

type Before = ReadonlyMap<string, Past>
/** Makes an observer that goes on from what another one had measured. */
export type Observe = (method: CheckMethod, before: Before) => Observer

const nothing: Before = new Map()

export class ObservedAddresses implements Disposable {
  readonly #observe: Observe
  #checks: readonly AddressCheck[]
  /** One for each check, in their order. Each verdict asks them, so nothing is made for that. */
  #observers: readonly Observer[]

  /** @param restored what is known of each from before the start */
  constructor(checks: readonly AddressCheck[], observe: Observe, restored: (check: AddressCheck) => Before) {
    this.#observe = observe
    this.#checks = checks
    this.#observers = checks.map((check) => observe(check.method, restored(check)))
  }

  /** Goes on with other checks: other settings, other addresses. */
  change(checks: readonly AddressCheck[]): void {
    const before = this.#checks.map((check, index) => ({ ...check, observer: this.#observers[index]! }))
    const isLeft = ({ address }: AddressCheck) => !checks.some((check) => check.address === address)
    const left = before.filter(isLeft)
    let next = 0
    this.#checks = checks
    this.#observers = checks.map((check) => {
      const same = before.find(({ address }) => address === check.address)
      if (same !== undefined && isDeepStrictEqual(same.method, check.method)) return same.observer
      const old = same ?? (left[0]?.address === null ? left[0] : left[next++])
      const goesOn = old !== undefined && (same !== undefined || isSameMachine(old, check))
      // Made before the old one goes, so that a check that both watch goes on.
      return this.#observe(check.method, goesOn ? old.observer.recall() : nothing)
    })
    const kept = new Set(this.#observers)
    for (const { observer } of before) if (!kept.has(observer)) observer[Symbol.dispose]()
  }

  /** What all of it comes to. */
  get opinion(): Opinion {
    const { byAddress } = this
    return byAddress === null ? this.#observers[0]!.opinion : together(byAddress)
  }

  /** What this node may say to others, who count it: what it can't ask now for want of an address is unknown to it. */
  get vote(): HealthState {
    if (!this.#observers.some(({ isBlind }) => isBlind)) return this.opinion.state
    const votes = this.#checks.map(({ address }, index) => {
      const { isBlind, opinion } = this.#observers[index]!
      return {
        address: address!,
        state: isBlind ? ('unknown' as const) : opinion.state,
        reason: opinion.reason,
      }
    })
    return together(votes).state
  }

  /** What each address comes to; null where there is nothing to tell apart. */
  get byAddress(): readonly AddressOpinion[] | null {
    if (this.#observers.length === 1) return null
    return this.#checks.map(({ address }, index) => ({
      address: address!,
      ...this.#observers[index]!.opinion,
    }))
  }

  /** Whether it has had its say everywhere. */
  get heard(): boolean {
    return this.#observers.every(({ heard }) => heard)
  }

  /** Whether verdicts count towards a change of a state. */
  get near(): boolean {
    return this.#observers.some(({ near }) => near)
  }

  /** What share of its weight the member wants, the least that is asked for where it is up; null when nothing says. */
  get weightPercent(): number | null {
    if (this.#observers.length === 1) return this.#observers[0]!.weightPercent
    const up = this.#observers.filter(({ opinion }) => opinion.state === 'up')
    const asked = (up.length > 0 ? up : this.#observers).flatMap(({ weightPercent }) => weightPercent ?? [])
    return asked.length === 0 ? null : Math.min(...asked)
  }

  /** Smoothed time of the probes of an address, or (null) the mean of all; null without samples. */
  latencyMs(address: AddressText | null): number | null {
    const index = this.#checks.length === 1 ? -1 : this.#checks.findIndex((one) => one.address === address)
    if (index >= 0) return this.#observers[index]!.latencyMs
    const times = this.#observers.flatMap(({ latencyMs }) => latencyMs ?? [])
    return times.length === 0 ? null : times.reduce((sum, time) => sum + time, 0) / times.length
  }

  /** What is to be remembered of the falls of its probes. */
  get flaps(): readonly ProbeFlaps[] {
    return this.#checks.flatMap(({ address }, index) =>
      this.#observers[index]!.flaps.map(([path, flaps]) => ({ address, path, ...flaps })),
    )
  }

  /** What its probes have been shown last. */
  get certificates(): readonly PresentedCertificate[] {
    return this.#observers.flatMap(({ certificates }) => certificates)
  }

  /** Whether that is all. */
  get seenCertificates(): boolean {
    return this.#observers.every(({ seenCertificates }) => seenCertificates)
  }

  /** Whether it answers again, and waits for an operator to let it come back. */
  get waits(): boolean {
    return this.#observers.some(({ waits }) => waits)
  }

  /** Whether it is held down somewhere for changing too often. */
  get held(): boolean {
    return this.#observers.some(({ held }) => held)
  }

  /** When the first value of a feed that it goes by is too old, as time of day; null when none will be. */
  get fedUntilMs(): number | null {
    const times = this.#observers.flatMap(({ fedUntilMs }) => fedUntilMs ?? [])
    return times.length === 0 ? null : Math.min(...times)
  }

  failBack(): void {
    for (const observer of this.#observers) observer.failBack()
  }

  [Symbol.dispose](): void {
    for (const observer of this.#observers) observer[Symbol.dispose]()
  }
}

function isSameMachine(before: AddressCheck, after: AddressCheck): boolean {
  const [from, to] = [machineOf(before.method), machineOf(after.method)]
  return from === null || to === null || from === to
}

/** More would be a list and not a reason. */
const mostNamed = 3

function together(opinions: readonly AddressOpinion[]): Opinion {
  const up = opinions.filter(({ state }) => state === 'up')
  const others = opinions.filter(({ state }) => state !== 'up')
  if (others.length === 0) return { state: 'up', reason: up[0]!.reason }
  const named = others.slice(0, mostNamed).map(({ address, reason }) => `${address}: ${reason}`)
  const more = others.length > mostNamed ? [`and ${others.length - mostNamed} more`] : []
  const reason = [`${up.length} of ${opinions.length} addresses up`, ...named, ...more].join('; ')
  const isDown = others.every(({ state }) => state === 'down')
  const state = up.length > 0 ? 'up' : isDown ? 'down' : 'unknown'
  return { state, reason: toReason(reason) }
}
