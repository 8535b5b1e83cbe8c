import type { GuardSettings } from '../../../src/controlplane/health/guard.ts'
import type { HealthState } from '../../../src/controlplane/model/observation.ts'

interface Said {
  readonly atMs: number
  readonly ok: boolean
  /** Before it was said. */
  readonly state: HealthState
}

interface Heard {
  readonly pools: readonly string[]
  readonly said: Said[]
}

/**
 * The self-isolation guard without a counter: it remembers every verdict and judges each time by going through all of
 * them.
 */
export class GuardModel {
  readonly #settings: GuardSettings
  readonly #windowMs: number
  readonly #members = new Map<string, Heard>()
  readonly #canaries: Map<string, boolean | null>
  #canariesDecide = false
  readonly #canaryPeriodMs: number
  suspectSinceMs: number | null = null
  #holds = false
  #acquittedUntilMs = Number.NEGATIVE_INFINITY

  constructor(
    settings: GuardSettings,
    periods: readonly number[],
    canaries: readonly string[],
    canaryPeriodMs: number,
  ) {
    this.#settings = settings
    this.#canaries = new Map(canaries.map((name) => [name, null]))
    this.#canaryPeriodMs = canaryPeriodMs
    const sorted = periods.toSorted((left, right) => left - right)
    const half = sorted.find((period) => sorted.filter((one) => one <= period).length * 2 >= sorted.length)
    this.#windowMs = Math.min(settings.maxWindowMs, Math.max(settings.windowMs, half ?? 0))
  }

  /** @returns whether it counts, and who is given back when it begins a suspicion */
  verdict(
    pools: readonly string[],
    member: string,
    said: Said,
  ): { counts: boolean; giveBack: string[] | null } {
    const heard = this.#members.get(member) ?? { pools, said: [] }
    this.#members.set(member, heard)
    heard.said.push(said)
    if (said.ok && said.atMs < this.#acquittedUntilMs && this.#well(said.atMs))
      this.#acquittedUntilMs = Number.NEGATIVE_INFINITY
    const mayHold = said.atMs >= this.#acquittedUntilMs
    if (this.suspectSinceMs === null && !said.ok && mayHold && this.#struck(said.atMs)) {
      this.suspectSinceMs = said.atMs
      this.#holds = this.#canariesDecide
      if (this.#holds) for (const name of this.#canaries.keys()) this.#canaries.set(name, null)
      return { counts: false, giveBack: this.#lost(said.atMs, this.#windowMs) }
    }
    const membersDecide = !this.#canariesDecide || this.#holds
    if (membersDecide && this.suspectSinceMs !== null && said.ok && this.#well(said.atMs)) this.#trust()
    const spared = this.suspectSinceMs !== null && !said.ok && said.state !== 'down'
    return { counts: !spared, giveBack: null }
  }

  canary(name: string, ok: boolean, atMs: number): string[] | null {
    this.#canaries.set(name, ok)
    if (ok) {
      this.#canariesDecide = true
      if (!this.#holds) this.#trust()
      else {
        // What members failed by goes on to count.
        this.suspectSinceMs = null
        this.#holds = false
        this.#acquittedUntilMs = atMs + Math.max(this.#windowMs, this.#canaryPeriodMs)
      }
    } else if ([...this.#canaries.values()].every((one) => one === false) && this.#holds) {
      this.#holds = false
    } else if (
      this.#canariesDecide &&
      this.suspectSinceMs === null &&
      [...this.#canaries.values()].every((one) => one === false)
    ) {
      this.suspectSinceMs = atMs
      return this.#lost(atMs, Math.max(this.#windowMs, this.#canaryPeriodMs))
    }
    return null
  }

  /** Whoever fails begins as if it had never said anything. */
  #trust(): void {
    if (this.suspectSinceMs === null) return
    this.suspectSinceMs = null
    this.#holds = false
    for (const { said } of this.#members.values()) if (said.at(-1)?.ok === false) said.length = 0
  }

  /** The first failure since the last success. */
  #firstFailure({ said }: Heard): Said | undefined {
    return said[said.findLastIndex(({ ok }) => ok) + 1]
  }

  #lost(atMs: number, horizonMs: number): string[] {
    return [...this.#members].flatMap(([member, heard]) => {
      const first = this.#firstFailure(heard)
      return first === undefined || first.state === 'down' || first.atMs < atMs - horizonMs ? [] : [member]
    })
  }

  #counts(atMs: number) {
    const blowMs = (this.suspectSinceMs ?? atMs) - this.#windowMs
    const heard = [...this.#members.values()].filter(
      ({ said }) => said.length > 0 && said.at(-1)!.atMs >= atMs - this.#windowMs,
    )
    const kinds = heard.map((one) => {
      const first = this.#firstFailure(one)
      const kind =
        first === undefined ? 'ok' : first.state === 'up' && first.atMs >= blowMs ? 'struck' : 'failing'
      return { pools: one.pools, kind }
    })
    const witnesses = kinds.filter(({ kind }) => kind !== 'failing')
    const inPools = witnesses.flatMap(({ pools, kind }) => pools.map((pool) => ({ pool, kind })))
    const pools = [...Map.groupBy(inPools, ({ pool }) => pool).values()]
    const most = pools.filter((pool) => pool.filter(({ kind }) => kind === 'struck').length * 2 > pool.length)
    const struck = witnesses.filter(({ kind }) => kind === 'struck').length
    return { all: kinds.length, witnesses: witnesses.length, struck, pools: pools.length, most: most.length }
  }

  /** Canaries tell of few members as well as of many. */
  get #least() {
    return this.#canariesDecide ? { minMembers: 1, minPools: 1 } : this.#settings
  }

  #struck(atMs: number): boolean {
    const { share, leastOfAll } = this.#settings
    const { minMembers, minPools } = this.#least
    const { all, witnesses, struck, pools, most } = this.#counts(atMs)
    const enough = struck >= minMembers && most >= minPools && struck >= leastOfAll * all
    return enough && struck >= share * witnesses && most >= share * pools
  }

  #well(atMs: number): boolean {
    const { share } = this.#settings
    const { minMembers, minPools } = this.#least
    const { witnesses, struck, pools } = this.#counts(atMs)
    return witnesses >= minMembers && pools >= minPools && struck < (share / 2) * witnesses
  }
}
