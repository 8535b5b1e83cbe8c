/**
 * A document that is being made from the configuration of another server, and all that is to be said of that. Converters put parts into a
 * draft and remarks beside them; `finish.ts` makes a text of it. Each part knows where it comes from, so that what turns out to be
 * unfit for a document is told by file and line, too.
 *
 * Two kinds of remark: `left out` is what the document lacks, and the exit code tells of it; `differs` is what it has in another way, or
 * what is set elsewhere here.
 */
import { isDeepStrictEqual } from 'node:util'
import type { kinds } from '../../controlplane/document/configuration.ts'

export type Kind = (typeof kinds)[number]
export type Body = Record<string, unknown>

/** Where something stands in what is converted; line and column count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column?: number
}

export interface Remark {
  readonly kind: 'left out' | 'differs'
  readonly place: Place
  /** What it is about, in the words of its file. */
  readonly what: string
  readonly why: string
}

export interface Part {
  readonly body: Body
  readonly place: Place
}

/** Parts of one name stem. */
const maxSameNames = 100_000

export class Draft {
  readonly parts: Readonly<Record<Kind, Map<string, Part>>> = {
    feeds: new Map(),
    monitors: new Map(),
    pools: new Map(),
    services: new Map(),
    zones: new Map(),
  }
  /** Bound: what the files have, which are bounded themselves. */
  readonly remarks: Remark[] = []

  leftOut(place: Place, what: string, why: string): void {
    this.#say({ kind: 'left out', place, what, why })
  }

  differs(place: Place, what: string, why: string): void {
    this.#say({ kind: 'differs', place, what, why })
  }

  /** Once, whoever comes by it again. */
  #say(remark: Remark): void {
    if (!this.remarks.slice(-50).some((other) => isDeepStrictEqual(other, remark))) this.remarks.push(remark)
  }

  /** A monitor that asks in this way: the one that does so already, or a new one. @returns its name */
  monitor(wanted: string, body: Body, place: Place): string {
    for (const [name, part] of this.parts.monitors) if (isDeepStrictEqual(part.body, body)) return name
    return this.#add('monitors', wanted, { body, place })
  }

  /** @returns its name, which is another one than was wanted when that is taken */
  pool(wanted: string, body: Body, place: Place): string {
    return this.#add('pools', wanted, { body, place })
  }

  /** @param name absolute, without the final dot. False when there is one already, which is told. */
  service(name: string, body: Body, place: Place): boolean {
    const other = this.parts.services.get(name)
    if (other === undefined) {
      this.parts.services.set(name, { body, place })
      return true
    }
    this.leftOut(
      place,
      name,
      `line ${other.place.line} of ${other.place.file} says already what is answered here`,
    )
    return false
  }

  zone(apex: string, body: Body, place: Place): boolean {
    const other = this.parts.zones.get(apex)
    if (other === undefined) {
      this.parts.zones.set(apex, { body, place })
      return true
    }
    this.leftOut(place, `zone ${apex}`, `it is in ${other.place.file} already`)
    return false
  }

  #add(kind: 'monitors' | 'pools', wanted: string, part: Part): string {
    const stem = partName(wanted)
    let name = stem
    for (let number = 2; this.parts[kind].has(name); number++) {
      if (number > maxSameNames) throw new Error(`there are ${maxSameNames} ${kind} of the name ${stem}`)
      name = `${stem.slice(0, 55)}-${number}`
    }
    this.parts[kind].set(name, part)
    return name
  }
}

/** A name as monitors, pools and members have it, as near to what is wanted as may be. */
export function partName(wanted: string): string {
  const plain = wanted
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .slice(0, 63)
    .replace(/^[._-]+|[._-]+$/g, '')
  return plain === '' ? 'unnamed' : plain
}

/** Puts something under a name of its own in a map that becomes YAML. */
export function putNamed(into: Body, wanted: string, value: unknown): void {
  const stem = partName(wanted)
  let name = stem
  for (let number = 2; Object.hasOwn(into, name); number++) name = `${stem.slice(0, 55)}-${number}`
  into[name] = value
}

/** `file:line:column`, as compilers write it. */
export function placeText({ file, line, column }: Place): string {
  return column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`
}
