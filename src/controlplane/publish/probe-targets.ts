/** Where members are probed, joined from the configuration and what their hosts resolve to. */
import type { CheckTarget } from '../health/checker.ts'
import type { HttpMonitor, Member, Pool, Resolution } from '../model.ts'
import { needsAddresses } from '../steering/select.ts'
import type { Catalog } from './catalog.ts'

type ResolutionOf = (host: string) => Resolution

/** Where the members of pools with a monitor are probed: a host at its first address. */
export function probeTargets(catalog: Catalog, resolutionOf: ResolutionOf): CheckTarget[] {
  return [...catalog.pools.values()].flatMap((pool) => {
    const monitor = pool.monitor === null ? undefined : catalog.monitors.get(pool.monitor)
    if (monitor?.type !== 'http' && monitor?.type !== 'https') return []
    return pool.members.map((member) => probeTarget(pool, member, monitor, resolutionOf))
  })
}

function probeTarget(
  pool: Pool,
  member: Member,
  monitor: HttpMonitor,
  resolutionOf: ResolutionOf,
): CheckTarget {
  const port = member.probePort ?? monitor.port
  const names = { pool: pool.name, member: member.name, port }
  if (member.host === null) return { ...names, address: member.probeAddress ?? member.address, monitor }
  const endpoint = member.probeAddress ?? member.host
  const asked = member.probeAddress === null ? monitorOfHost(monitor, member.host, port) : monitor
  if (!needsAddresses(pool, member))
    return { ...names, address: member.probeAddress, endpoint, monitor: asked }
  const { addresses, state } = resolutionOf(member.host)
  const address = addresses.length === 0 ? null : (member.probeAddress ?? addresses[0]!)
  return { ...names, address, endpoint, pending: state === 'pending', monitor: asked }
}

/** A host is asked by its name where the monitor has none: its certificate is for that, and so are its virtual hosts. */
function monitorOfHost(monitor: HttpMonitor, host: string, port: number): HttpMonitor {
  if (monitor.host !== null) return monitor
  const name = host.slice(0, -1)
  return { ...monitor, host: port === (monitor.type === 'https' ? 443 : 80) ? name : `${name}:${port}` }
}
