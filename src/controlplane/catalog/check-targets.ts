/** Who is checked and how, joined from the configuration and what hosts resolve to. */

import type { CheckTarget } from '../health/checker.ts'
import type { CheckPlan, ProbePlan } from '../health/sources.ts'
import type { Monitor, ProbeMonitor } from '../model/monitor.ts'
import type { Resolution } from '../model/observation.ts'
import type { Member, Pool } from '../model/pool.ts'
import { partsOf } from '../rules/view.ts'
import { needsAddresses } from '../steering/conditions.ts'
import type { Catalog } from './catalog.ts'

type ResolutionOf = (host: string) => Resolution

/** The members of pools with a monitor: a host is probed at its first address. */
export function checkTargets(catalog: Catalog, resolutionOf: ResolutionOf): CheckTarget[] {
  return [...catalog.pools.values()].flatMap((pool) => {
    const monitor = pool.monitor === null ? undefined : catalog.monitors.get(pool.monitor)
    if (monitor === undefined) return []
    const hosts = new Map<string, ProbeMonitor>()
    return pool.members.map((member) => ({
      pool: pool.name,
      member: member.name,
      quorum: pool.quorum,
      plan: checkPlan(monitor, { pool, member, catalog, resolutionOf, hosts }, member.probePort),
    }))
  })
}

interface Context {
  readonly pool: Pool
  readonly member: Member
  readonly catalog: Catalog
  readonly resolutionOf: ResolutionOf
  /** Monitors as they are for a host, by monitor and host, so that members of one host share one. */
  readonly hosts: Map<string, ProbeMonitor>
}

/**
 * @param port in the place of the monitor's own; that a member has such a port says nothing to the parts of a composite, each
 *   of which asks for another thing
 */
function checkPlan(
  monitor: Monitor,
  context: Context,
  port: number | null,
  through: readonly string[] = [monitor.name],
): CheckPlan {
  switch (monitor.type) {
    case 'http':
    case 'https':
    case 'tcp':
    case 'dns':
    case 'grpc':
      return probePlan(monitor, context, port ?? monitor.port)
    case 'push':
      return { kind: 'push', ttlMs: monitor.ttlMs }
    case 'static':
      return { kind: 'static', state: monitor.state }
    case 'composite':
      return {
        kind: 'composite',
        monitor,
        // The store refuses composites of monitors that are not there, or that lead back; rows that were written by hand may.
        parts: monitor.monitors.flatMap((name) => {
          const part = context.catalog.monitors.get(name)
          if (part === undefined || through.includes(name)) return []
          return [{ name, plan: checkPlan(part, context, null, [...through, name]) }]
        }),
      }
  }
}

function probePlan(monitor: ProbeMonitor, context: Context, port: number): ProbePlan {
  const { pool, member, resolutionOf } = context
  if (member.host === null) {
    return { kind: 'probe', monitor, port, address: member.probeAddress ?? member.address }
  }
  const asked =
    member.probeAddress === null ? monitorOfHost(monitor, member.host, port, context.hosts) : monitor
  const plan = { kind: 'probe', monitor: asked, port, endpoint: member.probeAddress ?? member.host } as const
  if (!needsAddresses(pool, member)) return { ...plan, address: member.probeAddress }
  const { addresses, state } = resolutionOf(member.host)
  const address = addresses.length === 0 ? null : (member.probeAddress ?? addresses[0]!)
  return { ...plan, address, pending: state === 'pending' }
}

/** A host is asked by its name where the monitor has none: its certificate is for that, and so are its virtual hosts. */
function monitorOfHost(
  monitor: ProbeMonitor,
  host: string,
  port: number,
  known: Map<string, ProbeMonitor>,
): ProbeMonitor {
  const key = `${monitor.name} ${port} ${host}`
  const found = known.get(key) ?? named(monitor, host.slice(0, -1), port)
  known.set(key, found)
  return found
}

function named(monitor: ProbeMonitor, name: string, port: number): ProbeMonitor {
  switch (monitor.type) {
    case 'http':
    case 'https':
      if (monitor.host !== null) return monitor
      return { ...monitor, host: port === (monitor.type === 'https' ? 443 : 80) ? name : `${name}:${port}` }
    case 'tcp':
    case 'grpc':
      if (monitor.tls === null || monitor.tls.serverName !== null) return monitor
      return { ...monitor, tls: { ...monitor.tls, serverName: name } }
    case 'dns':
      return monitor
  }
}

/** The pools whose members these monitors judge, be it as parts of others. */
export function poolsJudgedBy({ monitors, pools }: Catalog, changed: Iterable<string>): string[] {
  const judging = new Set(changed)
  if (judging.size === 0) return []
  const composites = [...monitors.values()].filter(({ type }) => type === 'composite')
  // Once for each level of composites, of which the last adds nothing.
  for (let before = -1; before < judging.size; ) {
    before = judging.size
    for (const monitor of composites) {
      if (partsOf(monitor).some((part) => judging.has(part))) judging.add(monitor.name)
    }
  }
  return [...pools.values()].flatMap(({ name, monitor }) =>
    monitor !== null && judging.has(monitor) ? [name] : [],
  )
}
