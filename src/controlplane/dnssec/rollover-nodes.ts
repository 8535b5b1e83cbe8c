/**
 * Which nodes of a fleet keep a step of a rollover from being served by all. A validator may ask any of them, so a step counts when each one
 * serves it:
 *
 *     it has an earlier revision              it is behind
 *     it can't sign the zone, or has not yet  it serves what was signed before, whatever its revision
 *     it is silent                            it goes on answering by what it had, from memory, if it has lost the database and not its life
 *
 * A silent one that knew of the rollover when it was last heard has a lease on the zone, and answers it no more when that has run out
 * (`zone-leases.ts`): so long it is waited for, and a while longer. One without, which may not have heard that there is a rollover, is waited for until
 * it is back, an operator says that it is gone, or a week has passed, after which nodes are forgotten. One that stops in good order says so,
 * and is not waited for. Nor does a rollover begin while a node is silent (`model/silence.ts`).
 */
import type { ZoneSigning } from '../model/dnssec.ts'
import type { SigningNode } from '../model/observation.ts'
import type { ZoneRollover } from '../model/rollover.ts'
import { calledOf, hasLease, isSilent, mayAnswer } from '../model/silence.ts'

const leaseFactor = 24
const shortestLeaseMs = 10_000
const longestLeaseMs = 86_400_000

/** For how long a node that is silent answers a zone whose keys are rolled over: 24 times as long as servers may be behind, a day at the most. */
export function leaseMs({ propagationSeconds }: Pick<ZoneSigning, 'propagationSeconds'>): number {
  return Math.min(longestLeaseMs, Math.max(shortestLeaseMs, propagationSeconds * 1000 * leaseFactor))
}

/** @returns what each of those is called, and what is the matter with it */
export function nodesBehind(
  nodes: readonly SigningNode[],
  { apex, revision: step }: Pick<ZoneRollover, 'apex' | 'revision'>,
): readonly string[] {
  return nodes.flatMap((node) => {
    const { revision, unsigned } = node
    const isSigned = !unsigned.includes(apex) && !unsigned.includes('*')
    if ((revision >= step && isSigned) || !mayAnswer(node, apex)) return []
    if (isSilent(node)) return [hasLease(node, apex) ? silenceOf(node) : wordOf(node)]
    const called = calledOf(node)
    return [revision < step ? `${called} is behind` : `${called} can't sign it, or has not yet`]
  })
}

/** Those that may answer what a revision has changed as it was before, whatever leases they have. */
export function nodesBefore(nodes: readonly SigningNode[], revision: number): readonly string[] {
  return nodes
    .filter((node) => node.revision < revision)
    .map((node) => (isSilent(node) ? wordOf(node) : `${calledOf(node)} is behind`))
}

function silenceOf(node: SigningNode): string {
  return `${calledOf(node)} has been silent for ${Math.round(node.silentMs / 1000)} s, and may answer as before`
}

const wordOf = (node: SigningNode) =>
  `${silenceOf(node)}; where it is gone for good, "pooldns forget-node ${node.id}" says so`
