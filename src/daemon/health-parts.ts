/**
 * What judges members on this node: probes, the checker with its guard and canaries, and the exchange of verdicts with other nodes.
 * Handed to the rest of the daemon as one thing; where what it finds goes is the daemon's matter.
 */
import type { Config } from '../config.ts'
import { Peers } from '../controlplane/fleet/peers.ts'
import { canaryName, canaryPeriodMs, startCanaries } from '../controlplane/health/canaries.ts'
import { reportTtlMs } from '../controlplane/health/check-method.ts'
import type { CheckTarget } from '../controlplane/health/checked-member.ts'
import { type Checker, type CheckerOptions, startChecker } from '../controlplane/health/checker.ts'
import { SelfIsolationGuard } from '../controlplane/health/guard.ts'
import type { Measurement } from '../controlplane/health/monitor.ts'
import { AddressPolicy } from '../controlplane/health/probes/address-policy.ts'
import { createProber } from '../controlplane/health/probes/probe.ts'
import type { MemberReport } from '../controlplane/model/observation.ts'
import type { FamilyAnswer } from '../controlplane/resolving/host-state.ts'
import { lookupBy } from '../controlplane/resolving/lookup.ts'
import type { Database } from '../controlplane/store/database.ts'

export interface HealthPartsOptions
  extends Pick<CheckerOptions, 'onTransitions' | 'onVitals' | 'onProbe' | 'onSuspicion' | 'onHold'> {
  readonly config: Config
  readonly database: Database
  readonly nodeId: string
  readonly version: string
  /** Of the configuration that this node serves. */
  readonly revision: () => number
  /** No canary has answered since the start. */
  readonly onSilentCanaries: () => void
  readonly onError: (what: string) => (error: unknown) => void
}

export interface HealthParts {
  readonly checker: Checker
  readonly peers: Peers
  readonly policy: AddressPolicy
  /** Says who is checked from now on. */
  setTargets(targets: readonly CheckTarget[]): void
  /** Takes a report on a member, for this node and the others. */
  report(report: MemberReport): void
  /** Why this node doubts its own network; null while it does not. */
  suspicion(): string | null
  /** To be called once the database may be used. */
  start(): void
}

export function healthParts(stack: AsyncDisposableStack, options: HealthPartsOptions): HealthParts {
  const { config, database, nodeId, version, revision, onError } = options
  const policy = new AddressPolicy(config.probeAllow)
  const guard = config.guard ? new SelfIsolationGuard<Measurement>() : null
  const lookup = lookupBy(config.resolvers)
  const probe = createProber({
    policy,
    certificates: config.certificateDir,
    resolve: async (host, signal) => {
      const { a, aaaa } = await lookup(host, signal)
      const addresses = [a, aaaa].flatMap((answer) => (answer.kind === 'found' ? answer.addresses : []))
      if (addresses.length > 0) return addresses
      const { reason } = (a.kind === 'found' ? aaaa : a) as Exclude<FamilyAnswer, { kind: 'found' }>
      throw new Error(reason)
    },
  })
  /** So that nothing is gone through for each exchange, of which there is one a second. */
  let takesReports = false
  let verdicts = { ofNow: false, value: null as ReturnType<Checker['ownVerdicts']> }
  const checker: Checker = stack.use(
    startChecker({
      ...options,
      probe,
      guard,
      votes: (pool, member) => peers.votes(pool, member),
      onVerdicts: () => {
        verdicts.ofNow = false
        peers.hint()
      },
    }),
  )
  const applyReport = (report: MemberReport) => void checker.report(report, report)
  const peers: Peers = stack.use(
    new Peers({
      database,
      node: { id: nodeId, name: config.identity, version },
      revision,
      suspect: () => (guard?.suspicion ?? null) !== null,
      verdicts: () => {
        if (!verdicts.ofNow) verdicts = { ofNow: true, value: checker.ownVerdicts() }
        return verdicts.value
      },
      takesReports: () => takesReports,
      onVotes: (members) => checker.reconsider(members),
      onReports: (reports) => reports.forEach(applyReport),
      onError: onError('verdicts were not exchanged with other nodes'),
    }),
  )
  if (guard !== null && config.canaries.length > 0) {
    // Not under the policy: they are named by who runs this node, not by who may write its configuration.
    const named = config.canaries.map((canary) => ({ name: canaryName(canary), periodMs: canaryPeriodMs }))
    checker.setCanaries(named)
    stack.use(
      startCanaries(
        config.canaries,
        createProber({ policy: AddressPolicy.anywhere, certificates: null }),
        (name, ok) => checker.canary(name, ok),
        { onSilence: options.onSilentCanaries },
      ),
    )
  }
  return {
    checker,
    peers,
    policy,
    setTargets: (targets) => {
      checker.setTargets(targets)
      takesReports = targets.some(({ method }) => reportTtlMs(method) !== null)
      verdicts.ofNow = false
    },
    report: (report) => {
      applyReport(report)
      peers.add(report)
    },
    suspicion: () => guard?.suspicion?.reason ?? null,
    start: () => peers.start(),
  }
}
