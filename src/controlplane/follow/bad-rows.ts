/**
 * What of the database can't be used now, so that it can be told until somebody has healed it: each row, or part of one, from the look
 * that could not read it until one that could. No write of ours leaves such a row; somebody did by SQL.
 *
 * Of what was good before the last good stays (`settings.ts`, `compile/zone-images.ts`); the rest is left out.
 *
 * Bound: `mostRows`; what is beyond is in the log alone.
 */
import type { SchemaPart } from './schema-parts.ts'

const mostRows = 1000

/** What settings are rows of. */
export type RowKind = 'feed' | 'monitor' | 'pool' | 'service' | 'zone' | 'webhook'

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
    for (const what of this.#settings.keys()) if (isOf(what, kind, name)) this.#settings.delete(what)
    this.#add(found)
  }

  /** All settings were read again. */
  rereadAll(found: ReadonlyMap<string, string>): void {
    this.#settings.clear()
    this.#add(found)
  }

  /** RRsets of a zone were compiled again: those of some owners, or (null) all. */
  recompiled(apex: string, owners: readonly string[] | null, found: readonly BadRrset[]): void {
    const rows = this.#rrsets.get(apex) ?? new Map<string, string>()
    for (const key of rows.keys()) if (owners?.includes(key.split(' ')[0]!) !== false) rows.delete(key)
    for (const { owner, type, message } of found)
      if (rows.size < mostRows) rows.set(`${owner} ${type}`, message)
    if (rows.size > 0) this.#rrsets.set(apex, rows)
    else this.#rrsets.delete(apex)
  }

  #add(found: ReadonlyMap<string, string>): void {
    for (const [what, message] of found) if (this.#settings.size < mostRows) this.#settings.set(what, message)
  }
}

function isOf(what: string, kind: RowKind, name: string): boolean {
  return (
    what === `${kind} ${name}` ||
    what.endsWith(` ${kind} ${name}`) ||
    (kind === 'pool' && what.startsWith(`member ${name}/`))
  )
}

interface BadRrset {
  readonly owner: string
  readonly type: string
  readonly message: string
}
