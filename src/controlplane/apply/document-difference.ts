/** What two documents say differently, part by part, in the words of the document; how they say it makes no difference. */
import { isDeepStrictEqual } from 'node:util'
import { formatFeed } from '../document/feed.ts'
import type { Body } from '../document/forms.ts'
import { hideOf } from '../document/hidden.ts'
import { formatMonitor } from '../document/monitor.ts'
import { formatPool } from '../document/pool.ts'
import { formatService } from '../document/service.ts'
import { formatRrset, formatZoneHead } from '../document/zone.ts'
import type { Configuration } from '../model/configuration.ts'
import { fieldChanges, hiddenFields } from './plan-view.ts'
import { orderOf, type PartDifference } from './revisions.ts'

/** A part by its kind and name, with its body. */
interface Part extends Pick<PartDifference, 'kind' | 'name' | 'rrset'> {
  readonly body: Body
}

export function documentDifferences(from: Configuration, to: Configuration): PartDifference[] {
  const [before, after] = [partsOf(from), partsOf(to)]
  return [...new Set([...before.keys(), ...after.keys()])]
    .flatMap((key) => difference(before.get(key), after.get(key)))
    .sort((a, b) => orderOf(a) - orderOf(b))
}

function partsOf(configuration: Configuration): Map<string, Part> {
  const { feeds, monitors, pools, services, zones } = configuration
  const parts: Part[] = [
    ...feeds.map((feed) => ({ kind: 'feed' as const, name: feed.name, body: formatFeed(feed) })),
    ...monitors.map((each) => ({ kind: 'monitor' as const, name: each.name, body: formatMonitor(each) })),
    ...pools.map((pool) => ({ kind: 'pool' as const, name: pool.name, body: formatPool(pool) })),
    ...zones.flatMap((zone) => [
      { kind: 'zone' as const, name: zone.apex, body: formatZoneHead(zone) },
      ...zone.rrsets.map((rrset) => {
        const { owner, type } = rrset
        const names = { zone: zone.apex, owner, type }
        return {
          kind: 'rrset' as const,
          name: `${zone.apex}/${owner}/${type}`,
          rrset: names,
          body: formatRrset(rrset),
        }
      }),
    ]),
    ...services.map((each) => ({ kind: 'service' as const, name: each.name, body: formatService(each) })),
  ]
  return new Map(parts.map((part) => [`${part.kind} ${part.name}`, part]))
}

function difference(from: Part | undefined, to: Part | undefined): PartDifference[] {
  const { body: _, ...names } = (to ?? from)!
  const hide = (part: Part | undefined) => (part === undefined ? null : hideOf(part.kind, part.body))
  const [before, after] = [from?.body ?? null, to?.body ?? null]
  const [shownBefore, shownAfter] = [hide(from), hide(to)]
  const same = (a: Body | null, b: Body | null) => isDeepStrictEqual(a, b)
  // One side may come from who was shown no secrets: whether those are the same is not known, and not told.
  if (same(before, after) || same(before, shownAfter) || same(shownBefore, after)) return []
  const action = before === null ? 'add' : after === null ? 'remove' : 'change'
  return [{ ...names, action, fields: hiddenFields(fieldChanges(before, after), shownBefore, shownAfter) }]
}
