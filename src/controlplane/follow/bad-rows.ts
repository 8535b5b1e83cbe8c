/**
 * What of the database can't be used now, so that it can be told until somebody has healed it: each row, or part of one, from the look
 * that could not read it until one that could. No write of ours leaves such a row; somebody did by SQL. Who heals it by SQL leaves no
 * change to go by either, so all of it is read again from time to time (`follower.ts`).
 *
 * Of what was good before the last good stays (`settings.ts`, `compile/zone-images.ts`); the rest is left out.
 *
 * Bound: `mostRows`; what is beyond is in the log alone.
 */
import type { SchemaPart } from './schema-parts.ts'

const mostRows = 1000

/** What settings are rows of. */
export type RowKind = 'feed' | 'monitor' | 'pool' | 'service' | 'zone' | 'webhook'

/** What of the settings a message is about, as a change names it. */
interface Place {
  readonly kind: RowKind | 'override'
  readonly key: string
}

export class BadRows {
  /** Messages by what they are of, such as `the settings of pool web`. */
  readonly #settings = new Map<string, string>()
  /** Messages about RRsets, by apex and then owner and type. */
  readonly #rrsets = new Map<string, Map<string, string>>()
  /** What the schema of a newer version keeps from being read at all, with why. Bound: the parts. */
  readonly #parts = new Map<SchemaPart, string>()

  /** One line for each. */
  get all(): readonly string[] {
    const ofZones = [...this.#rrsets.values()].flatMap((rows) => [...rows.values()])
    const parts = Array.from(this.#parts, ([part, reason]) => `all ${part}: ${reason}`)
    return [...parts, ...this.#settings.values(), ...ofZones].slice(0, mostRows)
  }

  get isEmpty(): boolean {
    return this.#settings.size === 0 && this.#rrsets.size === 0
  }

  /** The settings that messages are about. */
  get settings(): readonly Place[] {
    const places = [...this.#settings.keys()].flatMap((what) => placeOf(what) ?? [])
    return [...new Map(places.map((place) => [`${place.kind} ${place.key}`, place])).values()]
  }

  /** What is told of settings, by what it is of. */
  get told(): ReadonlyMap<string, string> {
    return new Map(this.#settings)
  }

  /** The zones that messages are about, with the owners; null where it is not told which. */
  get zones(): ReadonlyMap<string, readonly string[] | null> {
    return new Map(
      Array.from(this.#rrsets, ([apex, rows]) => {
        const keys = Array.from(rows.keys(), (key) => key.split(' '))
        // A zone that can't be compiled at all, and owners that are no names.
        const isTold = keys.every(({ length, 0: owner }) => length === 2 && owner !== '')
        return [apex, isTold ? [...new Set(keys.map(([owner]) => owner!))] : null]
      }),
    )
  }

  /** A part was read, or could not be. @returns whether that is news */
  part(part: SchemaPart, reason: string | null): boolean {
    if (reason === null) return this.#parts.delete(part)
    const before = this.#parts.get(part)
    this.#parts.set(part, reason)
    return before !== reason
  }

  /** Whether something can't be read at all. */
  get lacksParts(): boolean {
    return this.#parts.size > 0
  }

  /** A row was read again. @param found messages by what they are of */
  reread(kind: RowKind, name: string, found: ReadonlyMap<string, string>): void {
    this.#forget((place) => place.kind === kind && place.key === name)
    this.#add(found)
  }

  /** All overrides of members were read again. */
  rereadOverrides(found: ReadonlyMap<string, string>): void {
    this.#forget(({ kind }) => kind === 'override')
    this.#add(found)
  }

  /** All settings were read again. */
  rereadAll(found: ReadonlyMap<string, string>): void {
    this.#settings.clear()
    this.#add(found)
  }

  /** RRsets of a zone were compiled again: those of some owners, or (null) all. @returns messages that were not there before */
  recompiled(apex: string, owners: readonly string[] | null, found: readonly BadRrset[]): string[] {
    const rows = this.#rrsets.get(apex) ?? new Map<string, string>()
    const known = new Set(rows.values())
    // Where there were so many that not all are known, it has been said.
    const news = known.size < mostRows ? found.filter(({ message }) => !known.has(message)) : []
    for (const key of rows.keys()) if (owners?.includes(key.split(' ')[0]!) !== false) rows.delete(key)
    for (const { owner, type, message } of found)
      if (rows.size < mostRows) rows.set(`${owner} ${type}`, message)
    if (rows.size > 0) this.#rrsets.set(apex, rows)
    else this.#rrsets.delete(apex)
    return news.map(({ message }) => message)
  }

  #forget(isGone: (place: Place) => boolean): void {
    for (const what of this.#settings.keys()) {
      const place = placeOf(what)
      if (place !== null && isGone(place)) this.#settings.delete(what)
    }
  }

  #add(found: ReadonlyMap<string, string>): void {
    for (const [what, message] of found) if (this.#settings.size < mostRows) this.#settings.set(what, message)
  }
}

/** A member is read with its pool. */
function placeOf(what: string): Place | null {
  const ofRow = /^(?:the (?:settings|head|override) of )?(feed|monitor|pool|service|zone|webhook) (.*)$/s
  const [, kind, key] = ofRow.exec(what) ?? []
  if (kind !== undefined) return { kind: kind as RowKind, key: key! }
  const pool = /^member ([^/]*)\//.exec(what)?.[1]
  if (pool !== undefined) return { kind: 'pool', key: pool }
  const override = /^the override of (.*)$/s.exec(what)?.[1]
  return override === undefined ? null : { kind: 'override', key: override }
}

interface BadRrset {
  readonly owner: string
  readonly type: string
  readonly message: string
}
