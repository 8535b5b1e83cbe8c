/**
 * Several servers, their members and their database in virtual time. After each step it holds:
 *
 * - who has been dead for long enough is not answered, while somebody is there who is not; but for a server that doubts its network;
 * - who has been there for long enough is answered;
 * - whom an operator has taken out is not answered, while somebody else is there;
 *
 * and at the end, once all is well again for a while: nobody doubts, everybody is up and answered, on every server alike.
 *
 * The database is an edge: it carries overrides and, once a second, what servers have measured, of which each hears the rest. What
 * is older than ten seconds has run out, as in `fleet/peers.ts`, whose clock is that of the database and can't be turned.
 */
import { Catalog } from '../../src/controlplane/catalog/catalog.ts'
import { longestGapMs } from '../../src/controlplane/health/scheduler.ts'
import { formatMemberKey, type MemberKey } from '../../src/controlplane/model/member-key.ts'
import type { NodeVerdicts } from '../../src/controlplane/model/observation.ts'
import type { Override } from '../../src/controlplane/model/override.ts'
import { poolChoice } from '../controlplane/model/defaults.ts'
import { member, monitor, pool, service } from '../controlplane/store/suite/samples.ts'
import { HandClock } from '../controlplane/timing/hand-clock.ts'
import { SimulatedNode, serviceName } from './node.ts'
import type { Scenario, Step } from './scenario.ts'

const intervalMs = 10_000
const timeoutMs = 1000
const exchangeMs = 1000
const staleMs = 10_000

interface Row {
  readonly verdicts: NodeVerdicts
  readonly suspect: boolean
  readonly atMs: number
}

export class Simulation implements AsyncDisposable {
  readonly #clock = new HandClock()
  readonly #nodes: readonly SimulatedNode[]
  readonly #members: readonly MemberKey[]
  /** Since when each is as it is; by key. */
  readonly #alive = new Map<string, { alive: boolean; sinceMs: number }>()
  /** Nodes that can't reach a member, and since when that is so or not; by node and key. */
  readonly #paths = new Map<string, { open: boolean; sinceMs: number }>()
  readonly #rows = new Map<SimulatedNode, Row>()
  readonly #heardAtMs = new Map<SimulatedNode, number>()
  #database = true
  #catalog: Catalog
  /** When something last happened that delays everybody. */
  #disturbedMs = 0
  readonly #networkSinceMs = new Map<SimulatedNode, number>()
  /** Until what is so has been noticed by whoever goes by it. */
  readonly #settleMs: number

  constructor({ pools, nodes, canaries, rise, fall }: Scenario) {
    const longest = Math.max(rise, fall) + 1
    this.#settleMs = longest * (longestGapMs(intervalMs) + timeoutMs) + staleMs + 2 * exchangeMs
    this.#catalog = catalogOf(pools, { rise, fall })
    this.#members = [...this.#catalog.pools.values()].flatMap(({ name, members }) =>
      members.map((one) => ({ pool: name, member: one.name })),
    )
    for (const key of this.#members) this.#alive.set(formatMemberKey(key), { alive: true, sinceMs: 0 })
    this.#nodes = Array.from({ length: nodes }, (_, index) => {
      const isAlive = (poolName: string, name: string) =>
        this.#reached(index, formatMemberKey({ pool: poolName, member: name })).alive
      return new SimulatedNode({ index, clock: this.#clock, canaries, isAlive })
    })
    for (const node of this.#nodes) {
      this.#networkSinceMs.set(node, 0)
      node.adopt(this.#catalog)
    }
    this.#exchangeAgain()
  }

  /** @returns what does not hold, or null */
  async run(steps: readonly Step[]): Promise<string | null> {
    await this.#clock.advance(this.#settleMs + 1)
    for (const [index, step] of steps.entries()) {
      await this.#do(step)
      const broken = this.#broken()
      if (broken !== null) return `after step ${index} (${JSON.stringify(step)}): ${broken}`
    }
    await this.#heal()
    const broken = this.#broken() ?? this.#brokenInTheEnd()
    return broken === null ? null : `at the end: ${broken}`
  }

  async #do(step: Step): Promise<void> {
    const nowMs = this.#clock.nowMs()
    switch (step.what) {
      case 'wait':
        await this.#clock.advance(step.seconds * 1000)
        break
      case 'member': {
        const one = this.#alive.get(formatMemberKey(this.#members[step.nth % this.#members.length]!))!
        if (one.alive !== step.alive) Object.assign(one, { alive: step.alive, sinceMs: nowMs })
        break
      }
      case 'network': {
        const node = this.#nodes[step.node % this.#nodes.length]!
        if (node.network !== step.up) this.#networkSinceMs.set(node, nowMs)
        node.network = step.up
        break
      }
      case 'path': {
        const key = formatMemberKey(this.#members[step.nth % this.#members.length]!)
        const node = step.node % this.#nodes.length
        const before = this.#paths.get(`${node} ${key}`)
        if ((before?.open ?? true) !== step.open)
          this.#paths.set(`${node} ${key}`, { open: step.open, sinceMs: nowMs })
        break
      }
      case 'database':
        if (this.#database !== step.up) this.#disturbedMs = nowMs
        this.#database = step.up
        break
      case 'override':
        if (this.#database) this.#override(this.#members[step.nth % this.#members.length]!, step)
        break
      case 'clock':
        this.#nodes[step.node % this.#nodes.length]!.offsetMs += step.seconds * 1000
        break
      case 'stall':
        this.#clock.stall(step.seconds * 1000)
        this.#disturbedMs = this.#clock.nowMs()
        break
    }
  }

  /** Whether a node reaches a member that is there, and since when. */
  #reached(node: number, key: string): { readonly alive: boolean; readonly sinceMs: number } {
    const { alive, sinceMs } = this.#alive.get(key)!
    const path = this.#paths.get(`${node} ${key}`)
    if (path === undefined) return { alive, sinceMs }
    return { alive: alive && path.open, sinceMs: Math.max(sinceMs, path.sinceMs) }
  }

  /** What a node should come to, if it says anything by now: what it sees itself, or what most see. */
  #expected(node: number, { pool: poolName, member: name }: MemberKey): { alive: boolean; sinceMs: number } {
    const key = formatMemberKey({ pool: poolName, member: name })
    const agreed = this.#database && this.#catalog.pools.get(poolName)!.quorum === 'majority'
    const words = agreed
      ? this.#nodes.map((_, index) => this.#reached(index, key))
      : [this.#reached(node, key)]
    const dead = words.filter(({ alive }) => !alive).length
    return {
      alive: 2 * dead <= words.length && dead < words.length,
      sinceMs: Math.max(...words.map((word) => word.sinceMs)),
    }
  }

  #override(key: MemberKey, { state, seconds }: Extract<Step, { what: 'override' }>): void {
    const overrides = new Map(this.#catalog.overrides)
    const since = this.#nodes[0]!.now()
    const until = seconds === null ? null : new Date(since.getTime() + seconds * 1000)
    if (state === null) overrides.delete(formatMemberKey(key))
    else {
      const override: Override = { ...key, state, until, reason: '', actor: 'admin', since }
      overrides.set(formatMemberKey(key), override)
    }
    const { revision } = this.#catalog
    this.#catalog = new Catalog({ ...this.#catalog, revision: revision + 1, overrides })
  }

  #exchangeAgain(): void {
    this.#clock.after(exchangeMs, () => {
      for (const node of this.#nodes) this.#exchange(node)
      this.#exchangeAgain()
    })
  }

  #exchange(node: SimulatedNode): void {
    const nowMs = this.#clock.nowMs()
    if (!this.#database || !node.network) {
      if (node.heard.length > 0 && nowMs - (this.#heardAtMs.get(node) ?? 0) >= staleMs) node.hear([])
      return
    }
    this.#heardAtMs.set(node, nowMs)
    const verdicts = node.checker.ownVerdicts() ?? {}
    this.#rows.set(node, { verdicts, suspect: node.guard.suspicion !== null, atMs: nowMs })
    if (node.catalog !== this.#catalog) node.adopt(this.#catalog)
    const others = [...this.#rows].filter(
      ([other, { suspect, atMs }]) => other !== node && !suspect && nowMs - atMs < staleMs,
    )
    node.hear(others.map(([, row]) => row.verdicts))
  }

  async #heal(): Promise<void> {
    const nowMs = this.#clock.nowMs()
    for (const one of this.#alive.values()) Object.assign(one, { alive: true, sinceMs: nowMs })
    for (const path of this.#paths.values()) Object.assign(path, { open: true, sinceMs: nowMs })
    for (const node of this.#nodes) {
      node.network = true
      this.#networkSinceMs.set(node, nowMs)
    }
    this.#database = true
    this.#disturbedMs = nowMs
    this.#catalog = new Catalog({
      ...this.#catalog,
      revision: this.#catalog.revision + 1,
      overrides: new Map(),
    })
    await this.#clock.advance(2 * this.#settleMs)
  }

  #broken(): string | null {
    for (const [index, node] of this.#nodes.entries()) {
      const broken = this.#brokenOn(node, index)
      if (broken !== null) return `node ${index}: ${broken}`
    }
    return null
  }

  #brokenOn(node: SimulatedNode, index: number): string | null {
    const isCalm = (sinceMs: number) => this.#clock.nowMs() - sinceMs > this.#settleMs
    // Whoever is asked by majority is judged by all.
    const judges = this.#nodes.every((one) => one.network && isCalm(this.#networkSinceMs.get(one)!))
    if (!judges || !isCalm(this.#disturbedMs)) return null
    const doubts = this.#nodes.some(
      ({ guard, trustingSinceMs }) => guard.suspicion !== null || !isCalm(trustingSinceMs),
    )
    const answer = node.answer()
    const settled = this.#members.map((key) => {
      const { alive, sinceMs } = this.#expected(index, key)
      const override = node.catalog.overrides.get(formatMemberKey(key))
      const stands = override !== undefined && (override.until === null || override.until > node.now())
      const forced = stands ? override.state : null
      // Who doubts has no vote.
      const votes = !doubts || this.#catalog.pools.get(key.pool)!.quorum === 'own'
      return { name: formatMemberKey(key), alive, forced, sure: isCalm(sinceMs) && votes }
    })
    const there = settled.filter(
      ({ alive, forced, sure }) => forced === 'up' || (forced === null && alive && sure),
    )
    for (const { name } of there) if (!answer.has(name)) return `${name} is there, and not answered`
    if (there.length === 0) return null
    for (const { name, alive, forced, sure } of settled) {
      if (!answer.has(name)) continue
      if (forced === 'down' || forced === 'drain') return `${name} is taken out, and answered`
      if (forced === null && !alive && sure && !doubts) return `${name} is dead, and answered`
    }
    return null
  }

  #brokenInTheEnd(): string | null {
    const all = this.#members.map(formatMemberKey).join()
    for (const [index, node] of this.#nodes.entries()) {
      if (node.guard.suspicion !== null) return `node ${index} still doubts: ${node.guard.suspicion.reason}`
      for (const { pool: poolName, member: name } of this.#members) {
        const state = node.stateOf(poolName, name)
        if (state !== 'up') return `node ${index}: ${poolName}/${name} is ${state}`
      }
      const answered = [...node.answer()].sort().join()
      if (answered !== all) return `node ${index} answers ${answered}`
    }
    return null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node[Symbol.asyncDispose]()
  }
}

function catalogOf(pools: Scenario['pools'], judging: Pick<Scenario, 'rise' | 'fall'>): Catalog {
  const made = pools.map(({ members, quorum }, index) =>
    pool(
      `p${index}`,
      Array.from({ length: members }, (_, nth) => member(`m${nth}`, `192.0.${index}.${nth + 1}`)),
      { monitor: 'web', quorum },
    ),
  )
  const www = service(serviceName, [], {
    steer: 'weighted',
    choices: made.map(({ name }) => poolChoice(name)),
  })
  return new Catalog({
    revision: 1,
    monitors: new Map([['web', monitor('web', { intervalMs, timeoutMs, ...judging })]]),
    pools: new Map(made.map((one) => [one.name, one])),
    services: new Map([[serviceName, { ...www, zone: 'example.test' }]]),
    zones: new Map(),
    overrides: new Map(),
  })
}
