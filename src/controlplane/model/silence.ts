/**
 * Nodes of a fleet that are silent. Nobody can tell one that has lost the database, and goes on answering from memory, from one that was killed. One
 * that had a lease on a zone when it was last heard answers that no more when the lease has run out (`dnssec/zone-leases.ts`).
 */
import { ControlError } from './errors.ts'
import type { SigningNode } from './observation.ts'

/** A node that lives says so within that. */
export const shortestSilenceMs = 10_000
/** How much longer than its lease a node is waited for: as a share of that, since no two clocks go alike, and at the least. */
const marginShare = 1 / 100
const leastMarginMs = 10_000
/** Nodes that a refusal names. */
const mostNamed = 8

export const isSilent = ({ silentMs }: Pick<SigningNode, 'silentMs'>) => silentMs > shortestSilenceMs

export const calledOf = ({ id, name }: SigningNode) => name ?? id

export const hasLease = ({ leases }: SigningNode, apex: string) => Object.hasOwn(leases, apex)

/** Whether one may answer a zone, as far as the others know. */
export function mayAnswer(node: SigningNode, apex: string): boolean {
  if (!hasLease(node, apex)) return true
  const forMs = node.leases[apex]!
  return !(node.silentMs > forMs + Math.max(leastMarginMs, forMs * marginShare))
}

/** Throws `conflict` when a node is silent that may go on answering a zone as before, whatever is begun here. @param what in words */
export function demandAllHeard(nodes: readonly SigningNode[], apex: string, what: string): void {
  const silent = nodes.filter((node) => isSilent(node) && mayAnswer(node, apex))
  if (silent.length === 0) return
  const named = silent.slice(0, mostNamed).map((node) => {
    return `server ${calledOf(node)} has been silent since ${node.seenAt.toISOString()}`
  })
  const more = silent.length > mostNamed ? [`and ${silent.length - mostNamed} more`] : []
  const ids = silent.slice(0, mostNamed).map(({ id }) => id)
  throw new ControlError(
    'conflict',
    `zone ${apex} ${what} now: ${[...named, ...more].join('; ')}. One that has lost the database, and not its life, answers as before, and ` +
      'whoever validates and asks others too would take the zone for bogus. Have it reach the database again, or stop it; where it is gone ' +
      `for good, say so by "pooldns forget-node ${ids.join(' ')}"`,
  )
}
