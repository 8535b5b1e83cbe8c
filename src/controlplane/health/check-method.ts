/**
 * How a member is checked: a tree as its monitor asks for, joined with where the member is. Leaves are probes, reports that come
 * by themselves, and states that are set; composites combine what their parts say. Here is what can be told of a method without
 * asking anybody; who asks is in `observers.ts`.
 */
import type { CompositeMonitor, ProbeMonitor } from '../model/monitor.ts'
import type { AddressText } from '../model/pool.ts'
import { type Past, pastOf, probeKey } from './check.ts'

export type CheckMethod =
  | ProbeMethod
  | { readonly kind: 'push'; readonly ttlMs: number }
  | { readonly kind: 'static'; readonly state: 'up' | 'down' }
  | {
      readonly kind: 'composite'
      readonly monitor: CompositeMonitor
      readonly parts: readonly { readonly name: string; readonly method: CheckMethod }[]
    }

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

/** A probe with an address to go to. */
export type AddressedProbe = ProbeMethod & { readonly address: AddressText }

export function hasAddress(method: ProbeMethod): method is AddressedProbe {
  return method.address !== null
}

/** @returns a text that is the same for methods that can share their observers */
export function methodKey(method: CheckMethod): string {
  switch (method.kind) {
    case 'probe':
      return hasAddress(method) ? `probe ${probeKey(method)}` : `unresolved ${method.pending ?? false}`
    case 'push':
      return `push ${method.ttlMs}`
    case 'static':
      return `static ${method.state}`
    case 'composite': {
      const { require, invert } = method.monitor
      const parts = method.parts.map(({ name, method: part }) => `${name}=${methodKey(part)}`)
      return `composite ${require} ${invert} (${parts.join('; ')})`
    }
  }
}

/** How long a report that a method takes is good; null when it takes none. */
export function reportTtlMs(method: CheckMethod): number | null {
  switch (method.kind) {
    case 'push':
      return method.ttlMs
    case 'composite': {
      const known = method.parts.flatMap(({ method: part }) => reportTtlMs(part) ?? [])
      return known.length === 0 ? null : Math.min(...known)
    }
    case 'probe':
    case 'static':
      return null
  }
}

/** Whether two methods look at two machines: nothing that is known of the one says anything of the other. */
export function looksElsewhere(before: CheckMethod, after: CheckMethod): boolean {
  const [from, to] = [machineOf(before), machineOf(after)]
  return from !== null && to !== null && from !== to
}

/** All parts look at the same machine; null where none looks at any. */
function machineOf(method: CheckMethod): string | null {
  switch (method.kind) {
    case 'probe':
      return method.endpoint ?? method.address
    case 'composite': {
      for (const { method: part } of method.parts) {
        const machine = machineOf(part)
        if (machine !== null) return machine
      }
      return null
    }
    case 'push':
    case 'static':
      return null
  }
}

/** What the parts of a method are taken to have said when only what came of it is known. */
export interface Assumed {
  /** What its probes have measured, as `Observer.recall` gives it. */
  readonly before: Map<string, Past>
  /** What has been reported; null when the method takes no reports. */
  readonly reported: 'up' | 'down' | null
}

/** Takes each part to have said the same, so that it takes as many verdicts as ever to change what came of them. */
export function assume(method: CheckMethod, state: 'up' | 'down', path = ''): Assumed {
  switch (method.kind) {
    case 'probe':
      return { before: new Map([[path, pastOf(state)]]), reported: null }
    case 'push':
      return { before: new Map(), reported: state }
    case 'static':
      return { before: new Map(), reported: null }
    case 'composite': {
      const said = method.monitor.invert ? (state === 'up' ? 'down' : 'up') : state
      const parts = method.parts.map(({ name, method: part }) => assume(part, said, `${path}/${name}`))
      return {
        before: new Map(parts.flatMap(({ before }) => [...before])),
        reported: parts.find(({ reported }) => reported !== null)?.reported ?? null,
      }
    }
  }
}
