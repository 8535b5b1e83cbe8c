/** A plan in the words of the document: what is added, changed and removed, field by field. Secrets of monitors are hidden. */
import { isDeepStrictEqual } from 'node:util'
import { formatFeed } from '../document/feed.ts'
import type { Body } from '../document/forms.ts'
import { hideOfFeed, hideOfMonitor, mark } from '../document/hidden.ts'
import { formatMonitor } from '../document/monitor.ts'
import { joinPath, splitPath } from '../document/path.ts'
import { formatMember, formatPool, formatWholePool } from '../document/pool.ts'
import { isMap } from '../document/schema-check.ts'
import { formatService } from '../document/service.ts'
import { formatRrset, formatWholeHead, formatZoneHead } from '../document/zone.ts'
import type { Feed } from '../model/feed.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { ZoneHead } from '../model/zone.ts'
import type { GoingRrsets } from '../store/rrsets.ts'
import type { Plan } from './apply.ts'
import type { Left, PartChange, Target, ZoneChange } from './target.ts'

export const planActions = ['add', 'change', 'remove', 'restate'] as const

/** A field that is another one then; what is not there has no value. */
export interface FieldChange {
  readonly path: string
  readonly before?: unknown
  readonly after?: unknown
}

export interface PlannedChange {
  readonly kind: 'feed' | 'monitor' | 'pool' | 'service' | 'zone'
  readonly name: string
  /** `restate`: the same, written in another way, or in somebody's files from now on. */
  readonly action: (typeof planActions)[number]
  readonly fields: readonly FieldChange[]
  /** Fields beyond those that are listed. */
  readonly moreFields: number
  /** Of a zone that goes: what goes with it, the first of it as owner and type. */
  readonly rrsets?: { readonly count: number; readonly first: readonly string[] }
  /** Of a feed that goes: about how many rows go with it. */
  readonly rows?: number
  /** Whose files it belongs to, where that changes. */
  readonly owner?: { readonly before: string | null; readonly after: string | null }
}

export interface PlanView {
  /** What was planned on: what applies it can demand it by `If-Match`. */
  readonly revision: number
  readonly changed: boolean
  readonly summary: {
    readonly add: number
    readonly change: number
    readonly remove: number
    readonly restate: number
    readonly same: number
    readonly left: number
    /** Members and RRsets that go from pools and zones that stay. */
    readonly removeInside: number
  }
  readonly changes: readonly PlannedChange[]
  /** Changes beyond those that are listed. */
  readonly moreChanges: number
  /** What the document does not name, and leaves as it is; the first of it. */
  readonly left: readonly Left[]
}

/** Bounds of what is listed, unless all is asked for: that is as long as the document, and as what goes. */
const mostChanges = 1_000
const mostFields = 200

/** @param all of it, whatever its length */
export function viewPlan({ revision, target, going, goingRows }: Plan, all = false): PlanView {
  const parts: PlannedChange[] = [
    ...target.feeds.map((change) => viewFeed(change, goingRows.get(change.name))),
    ...target.monitors.map((change) => viewChange('monitor', change, forms.monitor)),
    ...target.pools.map((change) => viewChange('pool', change, forms.pool)),
    ...target.zones.map((change) => viewZone(change, going.get(change.name))),
    ...target.services.map((change) => viewChange('service', change, forms.service)),
  ]
  const count = (action: PlannedChange['action']) => parts.filter((part) => part.action === action).length
  return {
    revision,
    changed: parts.length > 0,
    summary: {
      add: count('add'),
      change: count('change'),
      remove: count('remove'),
      restate: count('restate'),
      same: target.same,
      left: target.leftCount,
      removeInside: removedInside(target),
    },
    changes: all ? parts : parts.slice(0, mostChanges).map(shortened),
    moreChanges: all ? 0 : Math.max(0, parts.length - mostChanges),
    left: target.left,
  }
}

function shortened(change: PlannedChange): PlannedChange {
  const { fields } = change
  if (fields.length <= mostFields) return change
  return { ...change, fields: fields.slice(0, mostFields), moreFields: fields.length - mostFields }
}

function removedInside({ pools, zones }: Target): number {
  const members = pools.map(({ before, after }) => {
    const staying = new Set(after?.value.members.map(({ name }) => name))
    return after === null ? 0 : (before?.value.members.filter(({ name }) => !staying.has(name)).length ?? 0)
  })
  const rrsets = zones.map(({ after, rrsets: changed }) =>
    after === null ? 0 : changed.filter((rrset) => rrset.after === null).length,
  )
  return [...members, ...rrsets].reduce((sum, count) => sum + count, 0)
}

/**
 * How a part is told. What is shown is what somebody wrote, before and after, and what nobody wrote is not there. Whether a field is
 * another one then is a matter of what it comes to: `60` and `1m` are the same, and so is a default that was written out.
 */
interface Telling<T> {
  /** As it would be written. */
  short(value: T): Body
  /** With all that goes without saying. */
  whole(value: T): Body
  hide?(body: Body): Body
}

const forms = {
  feed: {
    short: (feed: Feed) => formatFeed(feed),
    whole: (feed: Feed) => formatFeed(feed, true),
    hide: (body: Body) => hideOfFeed(body),
  },
  monitor: {
    short: (monitor: Monitor) => formatMonitor(monitor),
    whole: (monitor: Monitor) => formatMonitor(monitor, true),
    hide: (body: Body) => hideOfMonitor(body),
  },
  pool: { short: formatPool, whole: wholePool },
  service: {
    short: (service: Service) => formatService(service),
    whole: (service: Service) => formatService(service, true),
  },
  zone: { short: formatZoneHead, whole: formatWholeHead },
}

function wholePool(pool: Pool): Body {
  const members = pool.members.map((member) => [member.name, formatMember(member, true)])
  return { ...formatWholePool(pool), members: Object.fromEntries(members) }
}

function viewChange<T>(
  kind: PlannedChange['kind'],
  { name, before, after, owner }: PartChange<T>,
  { short, whole, hide = (body) => body }: Telling<T>,
): PlannedChange {
  const stays = before !== null && after !== null
  const bodyOf = ({ value, written }: { readonly value: T; readonly written?: Body | null }) =>
    written ?? short(value)
  const was = before === null ? null : bodyOf(before)
  const is = after === null ? null : bodyOf(after)
  const shown = (body: Body | null) => (body === null ? null : hide(body))
  const isSame = stays && isDeepStrictEqual(before.value, after.value)
  const all = isSame ? [] : fieldChanges(was, is)
  const told = stays && !isSame ? withoutRestated(all, whole(before.value), whole(after.value)) : all
  const fields = hiddenFields(told, shown(was), shown(is))
  return {
    kind,
    name,
    action: before === null ? 'add' : after === null ? 'remove' : isSame ? 'restate' : 'change',
    fields,
    moreFields: 0,
    ...ownerChange(before?.owner ?? null, after === null ? null : owner, stays),
  }
}

/** The fields that come to something else; all, where none can be told. */
function withoutRestated(fields: readonly FieldChange[], before: Body, after: Body): readonly FieldChange[] {
  const found = fields.filter(({ path }) => !isSameAt(before, after, splitPath(path)))
  if (found.length > 0) return found
  // Somebody wrote the same, and a newer version of this program reads it in another way.
  return fields.length > 0 ? fields : fieldChanges(before, after)
}

/** Whether two wholes have the same in a place, or in the part around it where neither is so fine. */
function isSameAt(before: unknown, after: unknown, steps: readonly (string | number)[]): boolean {
  let [was, is] = [before, after]
  for (const step of steps) {
    if (!isMap(was) || !isMap(is) || !(step in was) || !(step in is)) break
    ;[was, is] = [was[step], is[step]]
  }
  return isDeepStrictEqual(was, is)
}

function ownerChange(before: string | null, after: string | null, stays: boolean) {
  if (before === after || (!stays && after === null)) return {}
  return { owner: { before, after } }
}

function viewFeed(change: PartChange<Feed>, rows: number | undefined): PlannedChange {
  return { ...viewChange('feed', change, forms.feed), ...(rows === undefined ? {} : { rows }) }
}

function viewZone(change: ZoneChange, going?: GoingRrsets): PlannedChange {
  const head = {
    ...viewChange('zone', { ...change, before: withoutSerial(change.before) }, forms.zone),
    ...(going === undefined ? {} : { rrsets: going }),
  }
  // A line to those who read it.
  const rrsets = change.rrsets.map(({ before, after }): FieldChange => {
    const { owner, type } = (before ?? after)!
    return {
      path: `${owner} ${type}`,
      ...(before === null ? {} : { before: formatRrset(before) }),
      ...(after === null ? {} : { after: formatRrset(after) }),
    }
  })
  if (rrsets.length === 0) return head
  const action = head.action === 'restate' ? 'change' : head.action
  return { ...head, action, fields: [...head.fields, ...rrsets] }
}

/** No document says it. */
function withoutSerial(zone: ZoneChange['before']) {
  if (zone === null) return null
  const { apex, soa, ttlSeconds, dnssec } = zone.value
  return { ...zone, value: { apex, soa, ttlSeconds, dnssec } satisfies ZoneHead }
}

/** The fields in which two values differ, in the order of the first. A part that is there on one side alone is one of its fields each. */
export function fieldChanges(before: unknown, after: unknown, path = ''): FieldChange[] {
  const was = before ?? undefined
  const is = after ?? undefined
  if (isDeepStrictEqual(was, is)) return []
  if (isMap(was) && isMap(is)) {
    return [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap((key) =>
      fieldChanges(was[key], is[key], joinPath(path, key)),
    )
  }
  if (path === '' || (path === 'members' && isMap(was ?? is))) {
    // All of it comes or goes.
    const sides = (key: string, side: unknown) => (side as Body | undefined)?.[key]
    return Object.keys((was ?? is) as Body).flatMap((key) =>
      fieldChanges(sides(key, was), sides(key, is), joinPath(path, key)),
    )
  }
  return [{ path, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) }]
}

/** The same fields with what may be shown of their values. */
export function hiddenFields(
  fields: readonly FieldChange[],
  before: Body | null,
  after: Body | null,
): FieldChange[] {
  const shown = new Map(fieldChanges(before, after).map((field) => [field.path, field]))
  return fields.map((field) => {
    const known = shown.get(field.path)
    if (known !== undefined) return known
    // It differs in what is hidden alone.
    return {
      path: field.path,
      ...('before' in field ? { before: mark } : {}),
      ...('after' in field ? { after: mark } : {}),
    }
  })
}
