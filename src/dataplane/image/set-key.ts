/**
 * An RRset of a service as text: a character for the type, then its RDATA in canonical order (RFC 4034 section 6.3), each once, an octet a
 * character. By that its signatures are looked for, once for each answer that a plan may give, and so it goes to whoever signs. Addresses of one
 * type are of one length, and a CNAME is alone, so nothing tells where one ends.
 */
import { types } from '../wire/constants.ts'
import { sortFirst } from './sets.ts'

const lengths: ReadonlyMap<number, number> = new Map([
  [types.a, 4],
  [types.aaaa, 16],
])

/** Plans of one pool have the octets of their addresses in common, which never change. */
const known = new WeakMap<Uint8Array, string>()

/** An octet a character, so that they compare as octets do. */
function textOf(octets: Uint8Array): string {
  const text = known.get(octets) ?? Buffer.from(octets).toString('latin1')
  known.set(octets, text)
  return text
}

/** The texts of RRsets out of the RDATA of some candidates. */
export class SetKeys {
  /** Where the RDATA of each candidate stands in canonical order; equal ones stand at one place. */
  readonly ranks: readonly number[]
  readonly #byRank: Uint8Array[] = []
  readonly #order: Uint16Array
  readonly #octets: Buffer

  /** @param rdata of each candidate, in canonical form; at most 65,536 */
  constructor(type: number, rdata: readonly Uint8Array[]) {
    const texts = rdata.map(textOf)
    const places = new Map([...new Set(texts)].sort().map((text, place) => [text, place]))
    this.ranks = texts.map((text) => places.get(text)!)
    for (const [index, rank] of this.ranks.entries()) this.#byRank[rank] = rdata[index]!
    this.#order = new Uint16Array(rdata.length)
    this.#octets = Buffer.alloc(1 + this.#byRank.reduce((sum, { length }) => sum + length, 0))
    this.#octets[0] = type
  }

  /** Whether no two candidates have the same RDATA. */
  get areDistinct(): boolean {
    return this.#byRank.length === this.ranks.length
  }

  /** @param set indexes of candidates, no two of the same RDATA */
  of(set: readonly number[]): string {
    const order = this.#order
    const octets = this.#octets
    for (let i = 0; i < set.length; i++) order[i] = this.ranks[set[i]!]!
    sortFirst(order, set.length)
    let length = 1
    for (let i = 0; i < set.length; i++) {
      const rdata = this.#byRank[order[i]!]!
      for (let at = 0; at < rdata.length; at++) octets[length++] = rdata[at]!
    }
    return octets.toString('latin1', 0, length)
  }
}

/** What a text was made of. */
export function setOf(key: string): { readonly type: number; readonly data: readonly Uint8Array[] } {
  const type = key.charCodeAt(0)
  const octets = Buffer.from(key.slice(1), 'latin1')
  const length = lengths.get(type) ?? octets.length
  const data = Array.from({ length: octets.length / length }, (_, at) =>
    octets.subarray(at * length, (at + 1) * length),
  )
  return { type, data }
}
