/**
 * Whether a target lies within what whoever asks for it reaches. That the parts of a document do is found out before, and told by
 * their names. What else there is in a target may be of an earlier revision, which the client has not named, so no name is told.
 */
import { joinPath } from '../document/path.ts'
import { ControlError } from '../model/errors.ts'
import type { Named, Reach, ReachKind } from '../model/reach.ts'
import { firstBeyond, namedByMonitor, namedByPool, namedByService } from '../rules/reach.ts'
import type { PartChange, Target } from './target.ts'

/** Throws `forbidden`. */
export function throwIfBeyond(target: Target, reach: Reach): void {
  check('feed', target.feeds, reach, () => [])
  check('monitor', target.monitors, reach, namedByMonitor)
  check('pool', target.pools, reach, namedByPool)
  check('service', target.services, reach, namedByService)
  check('zone', target.zones, reach, () => [])
}

function check<T>(
  kind: ReachKind,
  changes: readonly PartChange<T>[],
  reach: Reach,
  namedBy: (value: T) => readonly Named[],
): void {
  for (const { name, before, after } of changes) {
    if (!reach.includes({ kind, name })) {
      throw new ControlError('forbidden', 'this would change parts that the token does not reach')
    }
    if (after === null) continue
    const beyond = firstBeyond(reach, namedBy(after.value), before === null ? [] : namedBy(before.value))
    if (beyond === undefined) continue
    const path = joinPath(`${kind}s`, name)
    const message = `names a ${beyond.kind} that the token does not reach`
    throw new ControlError('forbidden', `${path} ${message}`, { problems: [{ path, message }] })
  }
}
