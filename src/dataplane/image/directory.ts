/**
 * From a name to the zone that holds it: an image of its own (word 0: mask, word 1: labels of the deepest apex, then an
 * open-addressing table of (hash of apex, zone slot + 1)). The zones' own images hold the names to compare.
 */

import { labelCount } from '../wire/name.ts'
import { hashName, type NameScan } from '../wire/name-scan.ts'
import { insert } from './hash-table.ts'
import type { ZoneImage } from './image.ts'
import { octetsOf } from './image-memory.ts'

const tableAt = 2

/** @param apexes lower-cased wire form of each zone's apex, by zone slot */
export function compileDirectory(apexes: ReadonlyMap<number, Uint8Array>): SharedArrayBuffer {
  let slots = 4
  while (slots < 2 * apexes.size) slots *= 2
  const buffer = new SharedArrayBuffer(4 * (tableAt + 2 * slots))
  const words = new Int32Array(buffer)
  words[0] = slots - 1
  for (const apex of apexes.values()) words[1] = Math.max(words[1]!, labelCount(apex))
  for (const [slot, apex] of apexes) insert(words, tableAt, slots - 1, hashName(apex), slot + 1)
  return buffer
}

export class Directory {
  readonly #words: Int32Array

  constructor(image: SharedArrayBuffer | Uint8Array) {
    const { buffer, byteOffset, byteLength } = octetsOf(image)
    this.#words = new Int32Array(buffer, byteOffset, byteLength >>> 2)
  }

  /**
   * The label at or behind `from` at which the apex of the deepest zone that holds `name` begins, or -1 for none.
   * `zones` are the images by slot; the one found is `zones[this.slot]`, undefined when it never had one that can be read.
   */
  find(name: NameScan, from: number, zones: readonly (ZoneImage | undefined)[]): number {
    const deepest = this.#words[1]!
    let label = name.count > deepest ? name.count - deepest : 0
    if (label < from) label = from
    for (; label <= name.count; label++) {
      if (this.#probe(name, label, zones)) return label
    }
    return -1
  }

  /** Set by a successful `find`. */
  slot = -1

  #probe(name: NameScan, label: number, zones: readonly (ZoneImage | undefined)[]): boolean {
    const words = this.#words
    const mask = words[0]!
    const hash = name.hashes[label]!
    for (let slot = hash & mask; words[tableAt + 2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
      if (words[tableAt + 2 * slot] !== hash) continue
      const zone = words[tableAt + 2 * slot + 1]! - 1
      const image = zones[zone]
      // Where there is no image to ask, the hash has to do: the zone around must not answer for this one.
      if (image === undefined || image.isApex(name, label)) {
        this.slot = zone
        return true
      }
    }
    return false
  }
}
