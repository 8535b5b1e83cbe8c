/**
 * What judges members on this node: probes, the checker with its guard and canaries, and the exchange of verdicts with other
 * nodes. Handed to the rest of the daemon as one thing; what it finds it announces.
 */
import type { Config } from '../config.ts'
import { Catalog, type Mark } from '../controlplane/catalog/catalog.ts'
import type { ProbeRecorder } from '../controlplane/feeds/probes/probe-recorder.ts'
import { Peers } from '../controlplane/fleet/peers.ts'
import { type Canaries, canaryPeriodMs, startCanaries } from '../controlplane/health/canaries.ts'
import { says } from '../controlplane/health/check.ts'
import { reportTtlMs } from '../controlplane/health/check-method.ts'
import { checkTargets } from '../controlplane/health/check-targets.ts'
import type { CheckTarget } from '../controlplane/health/checked-member.ts'
import { Checker } from '../controlplane/health/checker.ts'
import type { FollowedReadings } from '../controlplane/health/fed-check.ts'
import { SelfIsolationGuard } from '../controlplane/health/guard.ts'
import type { Measurement } from '../controlplane/health/monitor.ts'
import { addressPolicy } from '../controlplane/health/probes/address-policy.ts'
import { authority } from '../controlplane/health/probes/connection.ts'
import { lacksFamily } from '../controlplane/health/probes/own-addresses.ts'
import { createProber, type Probe, probe } from '../controlplane/health/probes/probe.ts'
import { birthKeys } from '../controlplane/model/births.ts'
import { formatMemberKey, type MemberKey } from '../controlplane/model/member-key.ts'
import { type MemberReport, stateAt } from '../controlplane/model/observation.ts'
import type { AddressPolicy } from '../controlplane/model/pool.ts'
import type { HostResolver } from '../controlplane/resolving/host-resolver.ts'
import type { FamilyAnswer } from '../controlplane/resolving/host-state.ts'
import { lookupBy } from '../controlplane/resolving/lookup.ts'
import { LastStates } from '../controlplane/serve/last-states.ts'
import type { MemberFacts } from '../controlplane/serve/planner.ts'
import { version } from '../version.ts'
import { failing, type Ground, type Hearing } from './announce.ts'
import type { Signing } from './signing.ts'

export class Health implements AsyncDisposable {
  readonly checker: Checker
  readonly peers: Peers
  readonly policy: AddressPolicy
  readonly #hosts: HostResolver
  readonly #readings: FollowedReadings
  readonly #probes: Pick<ProbeRecorder, 'add'> | null
  readonly #guard: SelfIsolationGuard<Measurement> | null
  readonly #canaries: Canaries | null
  readonly #lastStates = new LastStates()
  #catalog = Catalog.empty
  /** Revisions at which members were first known that are not from the start. Bounded by the members. */
  readonly #since = new Map<string, number>()
  /** So that nothing is gone through for each exchange, of which there is one a second. */
  #takesReports = false
  #verdicts = { ofNow: false, value: null as ReturnType<Checker['ownVerdicts']> }

  /**
   * @param served of the configuration by this node
   * @param signing has the zones that this node can't sign, and its leases on those whose keys are rolled over
   * @param probes takes down what they find; null where nobody does
   */
  constructor(
    ground: Ground,
    hosts: HostResolver,
    readings: FollowedReadings,
    served: () => Mark,
    signing: () => Pick<Signing, 'unsigned' | 'leases' | 'heard'>,
    probes: Pick<ProbeRecorder, 'add'> | null,
  ) {
    const { config } = ground
    this.#probes = probes
    this.#hosts = hosts
    this.#readings = readings
    this.policy = addressPolicy(config.probeAllow, { denied: config.probeDeny })
    const canaries = config.canaries.map(({ host, port }) => authority(host, port))
    this.#guard = config.guard ? new SelfIsolationGuard<Measurement>({}, canaries, canaryPeriodMs) : null
    this.checker = this.#startChecker(ground)
    this.peers = this.#makePeers(ground, served, signing)
    this.#canaries = this.#startCanaries(ground, canaries)
  }

  /** What plans go by. */
  readonly facts: MemberFacts = {
    measured: (pool, member, address) => {
      const health = this.checker.availability().get(pool)?.get(member)
      return health === undefined ? 'unknown' : stateAt(health, address)
    },
    lastKnown: (pool, member) => this.#lastStates.of(pool, member),
    vitals: (pool, member) => this.checker.vitals(pool, member),
    latencyMs: (pool, member, address) => this.checker.latencyMs(pool, member, address),
  }

  /** Why this node doubts its own network; null while it does not. */
  get suspicion(): string | null {
    return this.#guard?.suspicion?.reason ?? null
  }

  /** Takes a report on a member, for this node and the others. */
  report(report: MemberReport): void {
    this.checker.report(report, report)
    this.peers.add({ ...report, born: this.#bornOf(report) })
  }

  #bornOf(key: MemberKey): number | null {
    return this.#catalog.births.get(birthKeys.member(key)) ?? null
  }

  /** Takes reports from the database, but not those on members of the same names that are no more, or not here yet. */
  #hear(reports: readonly MemberReport[]): void {
    for (const report of reports) {
      const here = this.#bornOf(report)
      const born = report.born ?? here
      if (born === here) this.checker.report(report, report, true)
    }
  }

  readonly hears: Hearing<'health'> = {
    catalog: ({ before, catalog, ended, stored }) => {
      this.checker.forget(ended.members)
      this.#lastStates.forget(ended.members)
      if (stored !== null) {
        this.checker.restore(stored)
        this.#lastStates.restore(stored)
      }
      this.#catalog = catalog
      if (catalog.births !== before.births) this.#noteBirths(before, catalog)
      if (catalog.pools === before.pools && catalog.monitors === before.monitors) return
      this.#lastStates.retain(this.#watch())
    },
    resolved: ({ news }) => {
      if (news.length > 0) this.#watch()
    },
    transitions: ({ transitions }) => {
      for (const { pool, member, address, to } of transitions) {
        if (address === undefined) this.#lastStates.note({ pool, member, state: to })
      }
    },
    suspicion: () => this.peers.hint(),
    readings: () => this.checker.readingsChanged(),
  }

  /** Ends what asks before what judges. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#canaries?.[Symbol.asyncDispose]()
    await this.peers.stop()
    await this.checker.stop()
  }

  /** What came anew may have been reported on before it was known here, and other nodes may still judge what had its name. */
  #noteBirths(before: Catalog, { births, revision, pools }: Catalog): void {
    if (before.revision < 0) return
    const news = new Set<string>()
    for (const [key, born] of births) {
      if (before.births.get(key) !== born && key.startsWith('member ')) news.add(key.slice('member '.length))
    }
    for (const key of this.#since.keys()) if (!births.has(`member ${key}`)) this.#since.delete(key)
    for (const key of news) this.#since.set(key, revision)
    if (news.size > 0 && pools.size > 0) this.peers.readReportsAgain()
  }

  /** Says who is checked from now on. */
  #watch(): readonly CheckTarget[] {
    const targets = checkTargets(this.#catalog, (host) => this.#hosts.resolution(host))
    this.checker.setTargets(targets)
    this.#takesReports = targets.some(({ method }) => reportTtlMs(method) !== null)
    this.#verdicts.ofNow = false
    return targets
  }

  #startChecker({ config, announce, metrics, faults, descriptors }: Ground): Checker {
    return new Checker({
      probe: this.#prober(config),
      guard: this.#guard,
      concurrency: descriptors.probes,
      onError: (error) => faults.internal('probe', error),
      readings: this.#readings,
      votes: (pool, member) => this.peers.votes(pool, member),
      relayedUntil: () => this.peers.currentUntilMs,
      onVerdicts: () => {
        this.#verdicts.ofNow = false
        this.peers.hint()
      },
      onTransitions: (transitions, pools) => announce({ kind: 'transitions', transitions, pools }),
      onVitals: (pools) => announce({ kind: 'weights-changed', pools }),
      onProbe: (key, verdict) => {
        metrics.members.probe(key, verdict.durationMs, verdict.ok ? null : verdict.failure)
        if (says(verdict)) this.#probes?.add(key, verdict)
        else if (!verdict.ok) faults.own('probe', verdict.reason)
      },
      onSuspicion: (suspicion, whyTrusted = 'members answer again') =>
        announce({ kind: 'suspicion', suspicion, whyTrusted }),
      askCanaries: () => this.#canaries?.ask(),
      onHold: (key, hold, address) => announce({ kind: 'held', key, hold, address }),
      onCertificate: (health, news) => announce({ kind: 'certificate', health, news }),
    })
  }

  #prober({ resolvers, certificateDir }: Config): Probe {
    const lookup = lookupBy(resolvers)
    return createProber({
      policy: this.policy,
      certificates: certificateDir,
      lacks: lacksFamily,
      resolve: async (host, signal) => {
        const { a, aaaa } = await lookup(host, signal)
        const addresses = [a, aaaa].flatMap((answer) => (answer.kind === 'found' ? answer.addresses : []))
        if (addresses.length > 0) return addresses
        const failed = (a.kind === 'found' ? aaaa : a) as Exclude<FamilyAnswer, { kind: 'found' }>
        const own = failed.kind === 'failed' ? failed.own : undefined
        throw Object.assign(new Error(failed.reason), own === undefined ? {} : { code: own })
      },
    })
  }

  #makePeers(
    { announce, config, database, nodeId, log }: Ground,
    served: () => Mark,
    signing: () => Pick<Signing, 'unsigned' | 'leases' | 'heard'>,
  ): Peers {
    return new Peers({
      database,
      node: { id: nodeId, name: config.identity, version },
      served,
      unsigned: () => signing().unsigned,
      leases: { renew: () => signing().leases.renew() },
      suspect: () => this.suspicion !== null,
      verdicts: () => {
        if (!this.#verdicts.ofNow) this.#verdicts = { ofNow: true, value: this.checker.ownVerdicts() }
        return this.#verdicts.value
      },
      takesReports: () => this.#takesReports,
      onVotes: (members) => this.checker.reconsider(members),
      onReports: (reports) => this.#hear(reports),
      onCurrent: () => this.checker.reportsAreCurrent(),
      onNodes: () => {
        signing().heard(this.peers.nodes.length)
        announce({ kind: 'nodes' })
      },
      since: (pool, member) => this.#since.get(formatMemberKey({ pool, member })) ?? 0,
      onBad: (reason) => log.error({ reason }, 'a row of the database was left out'),
      onError: failing(log, 'verdicts were not exchanged with other nodes'),
    })
  }

  #startCanaries({ config, log, faults }: Ground, canaries: readonly string[]): Canaries | null {
    if (this.#guard === null || config.canaries.length === 0) return null
    return startCanaries(
      config.canaries,
      // Not under the policy: they are named by who runs this node, not by who may write its configuration.
      probe,
      (name, ok) => this.checker.canary(name, ok),
      {
        onSilence: () => log.warn({ canaries }, 'no canary has answered yet: they do not count'),
        onOwnFault: (reason) => faults.own('canary', reason),
        onError: (error) => faults.internal('canary', error),
      },
    )
  }
}
