/**
 * The names of a zone while it is compiled: every owner and every ancestor of one up to the apex, each once, found by
 * its hash. Node 0 is the apex; a parent's index may be above its child's.
 */
import { ByteWriter } from '../wire/bytes.ts'
import { labelCount } from '../wire/name.ts'
import { hashName } from '../wire/name-scan.ts'
import { Words } from './columns.ts'

export class NodeTable {
  /** Names in lower-cased wire form, at `nameAt`. */
  readonly names: ByteWriter
  readonly nameAt: Words
  /** ByteWriter of the name | labels << 8. */
  readonly size: Words
  readonly hash: Words
  readonly parent: Words
  /** Open addressing with linear probing, at most half full; a slot holds node + 1. */
  #slots: Int32Array

  /**
   * @param apex lower-cased wire form
   * @param expected nodes and octets of their names; more may come
   */
  constructor(apex: Uint8Array, expected: { readonly nodes: number; readonly octets: number }) {
    const { nodes, octets } = expected
    this.names = new ByteWriter(octets)
    this.nameAt = new Words(nodes)
    this.size = new Words(nodes)
    this.hash = new Words(nodes)
    this.parent = new Words(nodes)
    let slots = 64
    while (slots < 2 * nodes) slots *= 2
    this.#slots = new Int32Array(slots)
    this.#insert(apex, 0, apex.length, hashName(apex))
    this.size.words[0] = apex.length | (labelCount(apex) << 8)
    this.parent.words[0] = -1
  }

  get count(): number {
    return this.nameAt.length
  }

  length(node: number): number {
    return this.size.words[node]! & 0xff
  }

  labels(node: number): number {
    return this.size.words[node]! >>> 8
  }

  /**
   * The node of the name in `bytes` from `from` to before `to`, made with all its ancestors up to the apex: those without
   * data are empty non-terminals.
   */
  take(bytes: Uint8Array, from: number, to: number): number {
    // Nothing else in the zone is as short, and most names lie right below it.
    if (to - from === this.length(0)) return 0
    const hash = hashName(bytes, from, to)
    const found = this.find(bytes, from, to, hash)
    if (found >= 0) return found
    const node = this.#insert(bytes, from, to, hash)
    const parent = this.take(bytes, from + bytes[from]! + 1, to)
    this.parent.words[node] = parent
    this.size.words[node] = (to - from) | ((this.labels(parent) + 1) << 8)
    return node
  }

  /** The node of a name whose hash is known, or -1. */
  find(bytes: Uint8Array, from: number, to: number, hash = hashName(bytes, from, to)): number {
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const node = this.#slots[slot]! - 1
      if (this.hash.words[node] === hash && this.#isNamed(node, bytes, from, to)) return node
    }
    return -1
  }

  /** Whether a name is the apex or lies below it. */
  covers(bytes: Uint8Array, from: number, to: number): boolean {
    const start = to - this.length(0)
    if (start < from || !this.#isNamed(0, bytes, start, to)) return false
    let at = from
    while (at < start) at += bytes[at]! + 1
    return at === start
  }

  /** The name itself, or the closest name above it that exists, of names below the apex. */
  closest(bytes: Uint8Array, from: number, to: number): number {
    let at = from
    for (;;) {
      const node = this.find(bytes, at, to)
      if (node >= 0) return node
      at += bytes[at]! + 1
    }
  }

  #isNamed(node: number, bytes: Uint8Array, from: number, to: number): boolean {
    const { bytes: names } = this.names
    const at = this.nameAt.words[node]!
    if (this.length(node) !== to - from) return false
    for (let i = to - from - 1; i >= 0; i--) if (names[at + i] !== bytes[from + i]) return false
    return true
  }

  #insert(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const node = this.count
    if (2 * (node + 1) > this.#slots.length) this.#grow()
    this.nameAt.push(this.names.length)
    this.names.append(bytes, from, to)
    this.size.push(to - from)
    this.hash.push(hash)
    this.parent.push(0)
    this.#place(node, hash)
    return node
  }

  #grow(): void {
    this.#slots = new Int32Array(2 * this.#slots.length)
    for (let node = 0; node < this.count; node++) this.#place(node, this.hash.words[node]!)
  }

  #place(node: number, hash: number): void {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = node + 1
  }
}
