import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'

type Naming = Pick<Service, 'choices' | 'fallback'>

/**
 * The pools that a service may be answered from: those that it names, their fallbacks, its own fallback, and all of these of
 * the services that it names, however far down. Names of nothing lead nowhere.
 */
export function answeringPools(
  pools: ReadonlyMap<string, Pick<Pool, 'fallback'>>,
  services: ReadonlyMap<string, Naming>,
): (service: string) => ReadonlySet<string> {
  return (name) => {
    const found = new Set<string>()
    for (const { choices, fallback } of reachableServices(name, services)) {
      for (const choice of choices) {
        if (choice.kind === 'service') continue
        found.add(choice.name)
        const instead = pools.get(choice.name)?.fallback ?? null
        if (instead !== null) found.add(instead)
      }
      // It is served whole, so its own fallback has no say.
      if (fallback !== null) found.add(fallback)
    }
    return found
  }
}

/** Names of the services that a service names. */
export function nestedIn({ choices }: Pick<Service, 'choices'>): string[] {
  return choices.flatMap(({ kind, name }) => (kind === 'service' ? [name] : []))
}

/** A service and every one that it names, directly or by others; each once, whatever circles there are. */
function reachableServices(name: string, services: ReadonlyMap<string, Naming>): Naming[] {
  const reached = new Set([name])
  // A set hands out what is added to it while it is walked.
  for (const at of reached) {
    const service = services.get(at)
    if (service !== undefined) for (const inner of nestedIn(service)) reached.add(inner)
  }
  return [...reached].flatMap((at) => services.get(at) ?? [])
}
