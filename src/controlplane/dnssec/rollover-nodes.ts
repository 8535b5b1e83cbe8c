/**
 * Which nodes of a fleet keep a step of a rollover from being served by all. A validator may ask any of them, so a step counts when each one
 * serves it:
 *
 *     it has an earlier revision             it is behind
 *     it can't sign the zone, or has not yet  it serves what was signed before, whatever its revision
 *     it is silent                           it goes on answering by what it had, from memory, if it has lost the database and not its life
 *
 * Nobody can tell a node that is cut off from one that was killed, so a silent one is waited for: 24 times as long as servers may be behind,
 * a day at the most, when nodes are forgotten. One that stops in good order says so, and is not.
 */
import type { ZoneSigning } from '../model/dnssec.ts'
import type { SigningNode } from '../model/observation.ts'
import type { ZoneRollover } from '../model/rollover.ts'

const silentFactor = 24
const longestSilenceMs = 86_400_000
/** A node that lives says so within that. */
const shortestSilenceMs = 10_000

/** @returns what each of those is called, and what is the matter with it */
export function nodesBehind(
  nodes: readonly SigningNode[],
  { apex, revision: step }: Pick<ZoneRollover, 'apex' | 'revision'>,
  { propagationSeconds }: Pick<ZoneSigning, 'propagationSeconds'>,
): readonly string[] {
  const waitedMs = propagationSeconds * 1000 * silentFactor
  const countsMs = Math.min(longestSilenceMs, Math.max(shortestSilenceMs, waitedMs))
  return nodes.flatMap(({ id, name, revision, unsigned, silentMs }) => {
    if (silentMs > countsMs) return []
    const isSigned = !unsigned.includes(apex) && !unsigned.includes('*')
    if (revision >= step && isSigned) return []
    const called = name ?? id
    if (silentMs > shortestSilenceMs)
      return [`${called} has been silent for ${Math.round(silentMs / 1000)} s, and may answer as before`]
    return [revision < step ? `${called} is behind` : `${called} can't sign it, or has not yet`]
  })
}
