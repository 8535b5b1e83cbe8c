/**
 * What a write of one part would change: of a feed, a monitor, a pool, a service or an RRset that is put whole, or goes. A document
 * can't tell that, for whatever it does not name stays. What is refused is told by the paths of the part, as by the write itself.
 */
import type { Body } from '../document/forms.ts'
import { joinPath, pathInside } from '../document/path.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Feed } from '../model/feed.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Pool } from '../model/pool.ts'
import type { Reach } from '../model/reach.ts'
import type { Service } from '../model/service.ts'
import type { Rrset } from '../model/zone.ts'
import type { StoredConfiguration } from '../store/configuration.ts'
import type { Database, Tx } from '../store/database.ts'
import { rrsetsAround } from '../store/rrsets.ts'
import { checkCondition, checkExists, type Owned, type Stored, type WriteCondition } from '../store/stored.ts'
import { type Aim, type Plan, planAim } from './apply.ts'
import { headOf, type PartChange, saysTheSame, type Target } from './target.ts'

/** As it is to be; null for one that is to go. */
type After<T> = { readonly value: T; readonly written: Body | null } | null

interface Named<Kind, T> {
  readonly kind: Kind
  readonly name: string
  readonly after: After<T>
}

interface PlannedRrset {
  readonly kind: 'rrset'
  readonly apex: string
  readonly owner: string
  readonly type: string
  readonly after: After<Rrset>
}

type PlannedWhole =
  | Named<'feed', Feed>
  | Named<'monitor', Monitor>
  | Named<'pool', Pool>
  | Named<'service', Service>

export type PlannedPart = PlannedWhole | PlannedRrset

interface PartPlanOptions {
  readonly part: PlannedPart
  /** What the write would demand. */
  readonly condition: WriteCondition
  readonly reach: Reach | null
}

/** Throws as the write would. */
export async function planPart(
  database: Database,
  { part, condition, reach }: PartPlanOptions,
): Promise<Plan> {
  try {
    return await planAim(database, async (tx) => ({
      since: null,
      reach,
      ...(part.kind === 'rrset' ? await aimAtRrset(tx, part, condition) : aimAtWhole(part, condition)),
    }))
  } catch (error) {
    if (error instanceof ControlError && error.code === 'conflict') throw asOfPart(error, part)
    throw error
  }
}

type Aimed = Pick<Aim, 'readRrsets' | 'target'>

const nothing: Target = {
  feeds: [],
  monitors: [],
  pools: [],
  services: [],
  zones: [],
  same: 0,
  left: [],
  leftCount: 0,
  problems: [],
}

function aimAtWhole(part: PlannedWhole, condition: WriteCondition): Aimed {
  return {
    readRrsets: async () => new Map(),
    target: (before) => {
      const changes = changesOf(before, part, condition)
      const isSame = Object.values(changes).every(({ length }) => length === 0)
      return { ...nothing, ...changes, same: isSame ? 1 : 0 }
    },
  }
}

function changesOf(stored: StoredConfiguration, part: PlannedWhole, condition: WriteCondition) {
  switch (part.kind) {
    case 'feed':
      return { feeds: changed(stored.feeds, part, condition) }
    case 'monitor':
      return { monitors: changed(stored.monitors, part, condition) }
    case 'pool':
      return { pools: changed(stored.pools, part, condition) }
    case 'service':
      return { services: changed(stored.services, part, condition) }
  }
}

function changed<T>(
  stored: ReadonlyMap<string, Stored<T> & Owned>,
  { kind, name, after }: Named<string, T>,
  condition: WriteCondition,
): PartChange<T>[] {
  const before = stored.get(name) ?? null
  check(condition, before, after, `${kind} ${name}`)
  if (before !== null && after !== null && saysTheSame(before, after)) return []
  return [{ name, before, after, owner: before?.owner ?? null }]
}

function check(
  condition: WriteCondition,
  before: { revision: number } | null,
  after: object | null,
  what: string,
): void {
  if (after === null) checkExists(condition, before, what)
  else checkCondition(condition, before, what)
}

/** Of its zone only what is around it is read: the zone may be a large one. */
async function aimAtRrset(
  tx: Tx,
  { apex, owner, type, after }: PlannedRrset,
  condition: WriteCondition,
): Promise<Aimed> {
  const { here, apart } = await rrsetsAround(tx, apex, owner, after === null ? null : type)
  const stored = here.find(({ value }) => value.type === type) ?? null
  check(condition, stored, after, `RRset ${owner} ${type} of zone ${apex}`)
  const isSame = stored !== null && after !== null && saysTheSame(stored, after)
  return {
    readRrsets: async () => new Map([[apex, [...here.map(({ value }) => value), ...apart]]]),
    target: ({ zones }) => {
      const zone = zones.get(apex)
      if (zone === undefined || isSame) return { ...nothing, same: 1 }
      const { value, written = null } = headOf(zone)
      const rrsets = [{ before: stored?.value ?? null, after: after?.value ?? null }]
      const change = { name: apex, before: zone, after: { value, written }, owner: zone.owner, rrsets }
      return { ...nothing, zones: [change] }
    },
  }
}

/** Problems inside of the part have its own paths; those of others keep theirs. */
function asOfPart({ code, problems, message }: ControlError, part: PlannedPart): ControlError {
  const [what, at] =
    part.kind === 'rrset'
      ? [`RRset ${part.owner} ${part.type} of zone ${part.apex}`, joinPath('zones', part.apex, 'rrsets')]
      : [`${part.kind} ${part.name}`, joinPath(`${part.kind}s`, part.name)]
  const inside = problems.map(({ path, message }): Problem => {
    return { path: pathInside(path, at) ?? path, message }
  })
  const [first] = inside
  if (first === undefined) return new ControlError(code, message)
  const verb = part.after === null ? 'can not go' : 'can not be so'
  const where = first.path === '' ? '' : `${first.path} `
  const more = inside.length === 1 ? '' : `, and ${inside.length - 1} more`
  return new ControlError(code, `${what} ${verb}: ${where}${first.message}${more}`, { problems: inside })
}
