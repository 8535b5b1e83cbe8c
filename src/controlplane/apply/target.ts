/**
 * What a document is to make of the configuration that there is: part by part, what it was and what it is to be. Nothing is
 * decided by order or by chance: the same document on the same configuration gives the same target.
 *
 * Without `prune` nothing goes that the document does not name, and that holds for members and RRsets as for whole parts. With
 * it goes what is not named, but never what belongs to the files of somebody else. A part of nobody's that comes into somebody's
 * files keeps what is inside of it: before that it was not theirs.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Document } from '../document/document.ts'
import { formatFeed } from '../document/feed.ts'
import type { Body } from '../document/forms.ts'
import { formatMonitor } from '../document/monitor.ts'
import { joinPath } from '../document/path.ts'
import { formatMember, formatPool, parsePool } from '../document/pool.ts'
import { formatService } from '../document/service.ts'
import { spellingOf } from '../document/written.ts'
import { formatZoneHead } from '../document/zone.ts'
import type { Problem } from '../model/errors.ts'
import type { Feed } from '../model/feed.ts'
import type { GradualFragments, GradualPart } from '../model/gradual.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Member, Pool } from '../model/pool.ts'
import { type Reach, within } from '../model/reach.ts'
import type { Service } from '../model/service.ts'
import type { Rrset, ZoneHead } from '../model/zone.ts'
import type { StoredConfiguration, StoredRrsets } from '../store/configuration.ts'
import type { Owned, Stored } from '../store/stored.ts'
import type { StoredZone } from '../store/zones.ts'

/** A part of the configuration that is to change. */
export interface PartChange<T> {
  readonly name: string
  readonly before: (Stored<T> & Owned) | null
  /** As it is to be; null for one that is to go. */
  readonly after: { readonly value: T; readonly written: Body | null } | null
  /** Whose it is then. */
  readonly owner: string | null
}

export interface ZoneChange extends Omit<PartChange<ZoneHead>, 'before'> {
  /** With its serial, by which the next one goes. */
  readonly before: StoredZone | null
  /** RRsets that are to change: as they were, and as they are to be. */
  readonly rrsets: readonly { readonly before: Rrset | null; readonly after: Rrset | null }[]
}

/** What a document does not name, and leaves as it is. */
export interface Left {
  readonly kind: 'feed' | 'monitor' | 'pool' | 'member' | 'service' | 'zone' | 'rrset'
  readonly name: string
}

export interface Target {
  readonly feeds: readonly PartChange<Feed>[]
  readonly monitors: readonly PartChange<Monitor>[]
  readonly pools: readonly PartChange<Pool>[]
  readonly services: readonly PartChange<Service>[]
  readonly zones: readonly ZoneChange[]
  /** Parts that are the same already. */
  readonly same: number
  /** The first of what is left alone, and how much there is of it. */
  readonly left: readonly Left[]
  readonly leftCount: number
  /** What can't be done, by the paths of the document. */
  readonly problems: readonly Problem[]
  /** Of a gradual change: what it moves, of which this target is the first step. */
  readonly gradual?: GradualMoves
}

/** What a gradual change moves. Empty when a document moves nothing. */
export interface GradualMoves {
  readonly parts: readonly GradualPart[]
  /** Of each part, in their order. */
  readonly fragments: readonly GradualFragments[]
}

export interface TargetOptions {
  readonly document: Document
  readonly prune: boolean
  /** Of whoever asks; what lies beyond is left alone, and not told of. */
  readonly reach: Reach | null
}

/** @param rrsets of the zones that the document names and that are there */
export function targetOf(
  stored: StoredConfiguration,
  rrsets: StoredRrsets,
  { document, prune, reach }: TargetOptions,
): Target {
  const making = new Making(document, prune, reach)
  const { configuration } = document
  return {
    feeds: making.parts('feeds', configuration.feeds, stored.feeds, nameOf, formatFeed),
    monitors: making.parts('monitors', configuration.monitors, stored.monitors, nameOf, formatMonitor),
    pools: making.parts('pools', configuration.pools, stored.pools, nameOf, formatPool),
    services: making.parts('services', configuration.services, stored.services, nameOf, formatService),
    zones: making.zones(stored, rrsets),
    same: making.same,
    left: making.left,
    leftCount: making.leftCount,
    problems: making.problems,
  }
}

/** Whether a part says the same, in the same spelling. */
export function saysTheSame<T>(
  before: Pick<Stored<T>, 'value' | 'written'>,
  after: { readonly value: T; readonly written: Body | null },
): boolean {
  return (
    isDeepStrictEqual(before.value, after.value) && isDeepStrictEqual(before.written ?? null, after.written)
  )
}

/** What is listed of what is left alone. */
const mostLeft = 100

const nameOf = ({ name }: { readonly name: string }) => name

type Kind = keyof Document['bodies']
const singular = {
  feeds: 'feed',
  monitors: 'monitor',
  pools: 'pool',
  services: 'service',
  zones: 'zone',
} as const

class Making {
  readonly #document: Document
  readonly #prune: boolean
  readonly #reach: Reach | null
  readonly left: Left[] = []
  leftCount = 0
  readonly problems: Problem[] = []
  same = 0

  constructor(document: Document, prune: boolean, reach: Reach | null) {
    this.#document = document
    this.#prune = prune
    this.#reach = reach
  }

  parts<T>(
    kind: Exclude<Kind, 'zones'>,
    wanted: readonly T[],
    stored: ReadonlyMap<string, Stored<T> & Owned>,
    nameOfPart: (part: T) => string,
    format: (part: T) => Body,
  ): PartChange<T>[] {
    const changes: PartChange<T>[] = []
    const named = new Set<string>()
    for (const part of wanted) {
      const name = nameOfPart(part)
      named.add(name)
      const before = stored.get(name) ?? null
      const body = this.#document.bodies[kind].get(name)
      const after = this.#after(kind, name, part, body, before, format)
      const change = this.#change(kind, name, before, after)
      if (change !== null) changes.push(change)
    }
    const isReached = within(this.#reach, singular[kind])
    for (const [name, before] of stored) {
      if (named.has(name) || !isReached(name)) continue
      if (this.#mayGo(before)) changes.push({ name, before, after: null, owner: null })
      else this.#leave(singular[kind], name)
    }
    return changes
  }

  zones(stored: StoredConfiguration, rrsets: StoredRrsets): ZoneChange[] {
    const changes: ZoneChange[] = []
    const named = new Set<string>()
    for (const { rrsets: wanted, ...head } of this.#document.configuration.zones) {
      const { apex } = head
      named.add(apex)
      const there = stored.zones.get(apex) ?? null
      const { rrsets: given, ...body } = this.#document.bodies.zones.get(apex) as Body & { rrsets?: unknown }
      const after = { value: head, written: spellingOf(body, formatZoneHead(head)) }
      // A document that says nothing of RRsets leaves them to others.
      const mayGo = there !== null && this.#mayGo(there)
      const changed = given === undefined ? [] : this.#rrsets(apex, wanted, rrsets.get(apex) ?? [], mayGo)
      const change = this.#change('zones', apex, headOf(there), after, changed.length > 0)
      if (change !== null) changes.push({ ...change, before: there, rrsets: changed })
    }
    const isReached = within(this.#reach, 'zone')
    for (const [apex, zone] of stored.zones) {
      if (named.has(apex) || !isReached(apex)) continue
      if (this.#mayGo(zone)) changes.push({ name: apex, before: zone, after: null, owner: null, rrsets: [] })
      else this.#leave('zone', apex)
    }
    return changes
  }

  /** @param mayGo whether what is not wanted goes */
  #rrsets(
    apex: string,
    wanted: readonly Rrset[],
    stored: readonly Rrset[],
    mayGo: boolean,
  ): ZoneChange['rrsets'] {
    const there = new Map(stored.map((rrset) => [`${rrset.owner} ${rrset.type}`, rrset]))
    const changed: { before: Rrset | null; after: Rrset | null }[] = []
    for (const after of wanted) {
      const key = `${after.owner} ${after.type}`
      const before = there.get(key) ?? null
      there.delete(key)
      if (!isDeepStrictEqual(before, after)) changed.push({ before, after })
    }
    for (const before of there.values()) {
      if (mayGo) changed.push({ before, after: null })
      else this.#leave('rrset', `${apex}/${before.owner}/${before.type}`)
    }
    return changed
  }

  /** A part as it is to be: members that a pool has and the document does not name stay, unless it prunes. */
  #after<T>(
    kind: Kind,
    name: string,
    part: T,
    body: unknown,
    before: (Stored<T> & Owned) | null,
    format: (part: T) => Body,
  ): { value: T; written: Body | null } {
    if (kind !== 'pools' || before === null || this.#mayGo(before)) {
      return { value: part, written: spellingOf(body, format(part)) }
    }
    const pool = part as unknown as Pool
    const old = before as unknown as Stored<Pool>
    const named = new Set(pool.members.map(nameOf))
    const staying = old.value.members.filter((member) => !named.has(member.name))
    if (staying.length === 0) return { value: part, written: spellingOf(body, format(part)) }
    for (const member of staying) this.#leave('member', `${name}/${member.name}`)
    const value = { ...pool, members: [...pool.members, ...staying] } as Pool
    // Each may be good, and yet not beside the others.
    parsePool(name, formatPool(value), joinPath(kind, name), this.problems)
    const fragments = Object.fromEntries(staying.map((member) => [member.name, memberBody(old, member)]))
    const merged = { ...(body as Body), members: { ...((body as Body).members as Body), ...fragments } }
    return { value: value as unknown as T, written: spellingOf(merged, formatPool(value)) }
  }

  #change<T>(
    kind: Kind,
    name: string,
    before: (Stored<T> & Owned) | null,
    after: { value: T; written: Body | null },
    more = false,
  ): PartChange<T> | null {
    const { owner } = this.#document
    const isSame = !more && before !== null && saysTheSame(before, after)
    // Whatever nobody's files hold may come to be in somebody's.
    const adopted = before !== null && before.owner === null && owner !== null
    if (isSame && !adopted) {
      this.same++
      return null
    }
    if (before !== null && before.owner !== null && before.owner !== owner) {
      const message = `belongs to the files of owner ${before.owner}, and this document ${owner === null ? 'names no owner' : `is of owner ${owner}`}`
      this.problems.push({ path: joinPath(kind, name), message })
      return null
    }
    return { name, before, after, owner }
  }

  #leave(kind: Left['kind'], name: string): void {
    this.leftCount++
    if (this.left.length < mostLeft) this.left.push({ kind, name })
  }

  #mayGo(before: Owned): boolean {
    return this.#prune && before.owner === this.#document.owner
  }
}

function memberBody(pool: Stored<Pool>, member: Member): Body {
  const fragments = pool.written?.members as Readonly<Record<string, Body>> | undefined
  return fragments?.[member.name] ?? formatMember(member)
}

/** What of a stored zone a document tells. */
export function headOf(zone: StoredZone): Stored<ZoneHead> & Owned
export function headOf(zone: StoredZone | null): (Stored<ZoneHead> & Owned) | null
export function headOf(zone: StoredZone | null): (Stored<ZoneHead> & Owned) | null {
  if (zone === null) return null
  const { apex, soa, ttlSeconds, dnssec } = zone.value
  return { ...zone, value: { apex, soa, ttlSeconds, dnssec } }
}
