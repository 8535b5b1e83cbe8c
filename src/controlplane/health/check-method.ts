/**
 * How a member is checked: a tree as its monitor asks for, joined with where the member is. Leaves are probes, reports that come
 * by themselves, values of feeds, and states that are set; composites combine what their parts say. Here is what can be told of a method without
 * asking anybody; who asks is in `observer.ts`.
 */
import type { CompositeMonitor, ProbeMonitor } from '../model/monitor.ts'
import type { Flaps } from '../model/observation.ts'
import type { AddressText } from '../model/pool.ts'
import { type Past, pastOf } from './check.ts'
import type { FedMethod } from './fed-check.ts'

export type CheckMethod =
  | LeafMethod
  | {
      readonly kind: 'composite'
      readonly monitor: CompositeMonitor
      readonly parts: readonly { readonly name: string; readonly method: CheckMethod }[]
    }

type LeafMethod =
  | ProbeMethod
  | { readonly kind: 'push'; readonly ttlMs: number }
  | { readonly kind: 'static'; readonly state: 'up' | 'down' }
  | FedMethod

export interface ProbeMethod {
  readonly kind: 'probe'
  readonly monitor: ProbeMonitor
  readonly port: number
  /** Null: the member is a host, and has no address. */
  readonly address: AddressText | null
  /** What the member is, when that is not its address: a host. */
  readonly endpoint?: string
  /** Only without an address: whether it has one is not known yet. */
  readonly pending?: boolean
}

interface MethodLeaf {
  /** The names of the parts on the way to it. */
  readonly path: string
  readonly method: LeafMethod
  /** Whether the composites above turn what it says into its opposite. */
  readonly inverted: boolean
}

/** The leaves of a method, in the order in which its composites name them. */
export function leavesOf(method: CheckMethod, path = '', inverted = false): readonly MethodLeaf[] {
  if (method.kind !== 'composite') return [{ path, method, inverted }]
  return method.parts.flatMap(({ name, method: part }) =>
    leavesOf(part, `${path}/${name}`, inverted !== method.monitor.invert),
  )
}

/** How one address of a member is checked. */
export interface AddressCheck {
  /** Null where the member is not looked at at an address, or has none now. */
  readonly address: AddressText | null
  readonly method: CheckMethod
}

/** The address that the first probe of a method looks at; null where none does. */
export function addressLookedAt(method: CheckMethod): AddressText | null {
  const addresses = leavesOf(method).flatMap(({ method: leaf }) =>
    leaf.kind === 'probe' ? (leaf.address ?? []) : [],
  )
  return addresses[0] ?? null
}

/** Whether a feed has a say. */
export function goesByFeeds(method: CheckMethod): boolean {
  return leavesOf(method).some(({ method: leaf }) => leaf.kind === 'feed')
}

/** How long a report that a method takes is good; null when it takes none. */
export function reportTtlMs(method: CheckMethod): number | null {
  const known = leavesOf(method).flatMap(({ method: leaf }) => (leaf.kind === 'push' ? leaf.ttlMs : []))
  return known.length === 0 ? null : Math.min(...known)
}

/** Whether two members are two machines, with no endpoint in common: nothing that is known of the one says anything of the other. */
export function looksElsewhere(before: readonly AddressCheck[], after: readonly AddressCheck[]): boolean {
  const from = before.flatMap(({ method }) => machineOf(method) ?? [])
  const to = after.flatMap(({ method }) => machineOf(method) ?? [])
  return from.length > 0 && to.length > 0 && !to.some((machine) => from.includes(machine))
}

/** The machine that all parts look at; null where none looks at any. */
export function machineOf(method: CheckMethod): string | null {
  const machines = leavesOf(method).flatMap(({ method: leaf }) =>
    leaf.kind === 'probe' ? (leaf.endpoint ?? leaf.address ?? []) : [],
  )
  return machines[0] ?? null
}

/** What the leaves of a method are taken to have said when only what came of it is known. */
interface Assumed {
  /** What its probes have measured and its feeds have said, by their paths. */
  readonly before: ReadonlyMap<string, Past>
  /** What has been reported; null when the method takes no reports. */
  readonly reported: 'up' | 'down' | null
}

/**
 * Takes each part to have said the same, so that it takes as many verdicts as ever to change what came of them.
 * @param flapsAt what is remembered of the falls of a probe, by its path
 */
export function assume(
  method: CheckMethod,
  state: 'up' | 'down',
  flapsAt: (path: string) => Flaps | null,
): Assumed {
  const opposite = state === 'up' ? 'down' : 'up'
  const said = leavesOf(method).map((leaf) => ({ ...leaf, state: leaf.inverted ? opposite : state }))
  const measured = said.filter(({ method: { kind } }) => kind === 'probe' || kind === 'feed')
  return {
    before: new Map(measured.map((leaf) => [leaf.path, pastOf(leaf.state, flapsAt(leaf.path))])),
    reported: said.find((leaf) => leaf.method.kind === 'push')?.state ?? null,
  }
}
