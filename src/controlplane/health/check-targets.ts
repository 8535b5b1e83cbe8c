/** Who is checked and how, joined from the configuration and what hosts resolve to. */

import { readingKey } from '../model/feed-use.ts'
import type { Monitor, ProbeMonitor } from '../model/monitor.ts'
import type { Resolution } from '../model/observation.ts'
import { type AddressText, addressesOf, type Member, needsAddresses, type Pool } from '../model/pool.ts'
import { addressLookedAt, type CheckMethod, type ProbeMethod } from './check-method.ts'
import type { CheckTarget } from './checked-member.ts'

/** What of the configuration says who is checked; by name. */
interface Checked {
  readonly pools: ReadonlyMap<string, Pool>
  readonly monitors: ReadonlyMap<string, Monitor>
}

type ResolutionOf = (host: string) => Resolution

/**
 * The members of pools with a monitor, each at every address that it has. A host has no more than `maxAddressesPerFamily` of each
 * family, which bounds what whoever names its addresses may have us probe.
 */
export function checkTargets({ pools, monitors }: Checked, resolutionOf: ResolutionOf): CheckTarget[] {
  return [...pools.values()].flatMap((pool) => {
    const monitor = pool.monitor === null ? undefined : monitors.get(pool.monitor)
    if (monitor === undefined) return []
    return pool.members.map((member) => {
      const context = { pool, member, monitors, resolutionOf }
      const target = { pool: pool.name, member: member.name, quorum: pool.quorum }
      const addresses = probedApart(context)
      const checks = addresses.map((address) => ({
        address,
        method: checkMethod(monitor, { ...context, address }, member.probePort),
      }))
      // Reports and states that are set are of the member, wherever it is.
      const isProbed = addresses.length > 1 && addressLookedAt(checks[0]!.method) !== null
      if (isProbed) return { ...target, method: checks[0]!.method, byAddress: checks }
      const method =
        checks[0]?.method ?? checkMethod(monitor, { ...context, address: null }, member.probePort)
      return { ...target, method }
    })
  })
}

/** The addresses that a member is probed at; when its endpoint is elsewhere, that says all there is to say of each. */
function probedApart({ pool, member, resolutionOf }: Omit<Context, 'address'>): readonly AddressText[] {
  if (member.probeAddress !== null) return []
  if (member.host === null) return addressesOf(member)
  return needsAddresses(pool, member) ? resolutionOf(member.host).addresses : []
}

interface Context {
  readonly pool: Pool
  readonly member: Member
  readonly monitors: Checked['monitors']
  readonly resolutionOf: ResolutionOf
  /** Where it is probed; null where it has no address, or is probed elsewhere. */
  readonly address: AddressText | null
}

/**
 * @param port in the place of the monitor's own; that a member has such a port says nothing to the parts of a composite, each
 *   of which asks for another thing
 */
function checkMethod(
  monitor: Monitor,
  context: Context,
  port: number | null,
  through: readonly string[] = [monitor.name],
): CheckMethod {
  switch (monitor.type) {
    case 'http':
    case 'https':
    case 'tcp':
    case 'dns':
    case 'grpc':
      return probeMethod(monitor, context, port ?? monitor.port)
    case 'push':
      return { kind: 'push', ttlMs: monitor.ttlMs }
    case 'static':
      return { kind: 'static', state: monitor.state }
    case 'feed':
      return {
        kind: 'feed',
        monitor,
        key: readingKey(monitor, context.pool.name, context.member.name),
      }
    case 'composite':
      return {
        kind: 'composite',
        monitor,
        // The store refuses composites of monitors that are not there, or that lead back; rows that were written by hand may.
        parts: monitor.monitors.flatMap((name) => {
          const part = context.monitors.get(name)
          if (part === undefined || through.includes(name)) return []
          return [{ name, method: checkMethod(part, context, null, [...through, name]) }]
        }),
      }
  }
}

function probeMethod(monitor: ProbeMonitor, context: Context, port: number): ProbeMethod {
  const { pool, member, address: at, resolutionOf } = context
  if (member.host === null) return { kind: 'probe', monitor, port, address: member.probeAddress ?? at }
  const method = {
    kind: 'probe',
    monitor: member.probeAddress === null ? monitorOfHost(monitor, member.host, port) : monitor,
    port,
    endpoint: member.probeAddress ?? member.host,
  } as const
  if (!needsAddresses(pool, member)) return { ...method, address: member.probeAddress }
  const { addresses, state } = resolutionOf(member.host)
  const address = addresses.length === 0 ? null : (member.probeAddress ?? at)
  return { ...method, address, pending: state === 'pending' }
}

/** A host is asked by its name where the monitor has none: its certificate is for that, and so are its virtual hosts. */
function monitorOfHost(monitor: ProbeMonitor, host: string, port: number): ProbeMonitor {
  const name = host.slice(0, -1)
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
