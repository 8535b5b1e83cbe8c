/** A checker on a clock that is turned by hand, whose probes are answered at once by what the test says of them. */
import type { Availability } from '../../../src/controlplane/health/availability.ts'
import type { CheckMethod } from '../../../src/controlplane/health/check-method.ts'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import { Checker, type CheckerOptions } from '../../../src/controlplane/health/checker.ts'
import type { ProbeTarget } from '../../../src/controlplane/health/probes/probe-target.ts'
import type { ProbeVerdict } from '../../../src/controlplane/health/verdict.ts'
import type { CompositeMonitor, HttpMonitor } from '../../../src/controlplane/model/monitor.ts'
import type { Quorum } from '../../../src/controlplane/model/pool.ts'
import { HandClock } from '../timing/hand-clock.ts'
import { httpMonitorWith, refused, seededRandom, success } from './fixture.ts'

interface Owner {
  teardown(fn: () => unknown): void
}

/** What every probe takes. */
export const intervalMs = 10_000

export function setUp(t: Owner, options: Partial<CheckerOptions> = {}) {
  const clock = new HandClock()
  /** Ports that refuse connections, or what is said there. */
  const sick = new Map<number, ProbeVerdict>()
  const probed: ProbeTarget[] = []
  const events: string[] = []
  const vitals: string[] = []
  const deliveries: Availability[] = []
  const checker = new Checker({
    onTransitions: (some) => {
      events.push(...some.map(({ pool, member, from, to }) => `${pool}/${member} ${from}>${to}`))
      deliveries.push(checker.availability())
    },
    onVitals: (pools) => vitals.push(...pools),
    probe: async (target) => {
      probed.push(target)
      return sick.get(target.port) ?? success
    },
    clock,
    random: seededRandom(11),
    now: () => new Date(clock.nowMs()),
    nowMs: () => clock.nowMs(),
    ...options,
  })
  t.teardown(() => checker.stop())
  const shown = (member = 'a', pool = 'web') => {
    const health = checker.availability().get(pool)?.get(member)
    return health === undefined ? null : `${health.state}: ${health.reason}`
  }
  return {
    checker,
    clock,
    deliveries,
    shown,
    probed,
    fail: (port: number, verdict: ProbeVerdict = refused) => void sick.set(port, verdict),
    heal: (port: number) => void sick.delete(port),
    said: () => events.splice(0),
    vitals: () => vitals.splice(0),
    /** Until the next probe of a port. */
    round: async (port = 80) => {
      const count = () => probed.filter((one) => one.port === port).length
      for (const before = count(); count() === before; ) await clock.advance(100)
    },
  }
}

/** Probes of one address, told apart by their ports. */
export function probeOf(
  port: number,
  changes: Partial<HttpMonitor> = {},
  address = '192.0.2.1',
): CheckMethod {
  const monitor = httpMonitorWith({ intervalMs, timeoutMs: 1000, rise: 2, fall: 2, ...changes })
  return { kind: 'probe', monitor, port, address }
}

export const push = (ttlMs = 30_000): CheckMethod => ({ kind: 'push', ttlMs })

export function compositeOf(
  parts: Record<string, CheckMethod>,
  changes: Partial<CompositeMonitor> = {},
): CheckMethod {
  const monitors = Object.keys(parts)
  return {
    kind: 'composite',
    monitor: { name: 'both', type: 'composite', monitors, require: 'all', invert: false, ...changes },
    parts: Object.entries(parts).map(([name, method]) => ({ name, method })),
  }
}

export function target(method: CheckMethod, member = 'a', pool = 'web', quorum: Quorum = 'own'): CheckTarget {
  return { pool, member, quorum, method }
}
