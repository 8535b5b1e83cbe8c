/** Compiles the sets of a leaf of a signed plan, each with its signatures; `plan.ts` describes the layout. */
import type { ByteWriter } from '../wire/bytes.ts'
import { rrHeadLength, types } from '../wire/constants.ts'
import { aliasTable } from './alias-table.ts'
import { type AnswerSets, keysOf, type LeafFamily, leafFamilies, leafSets } from './answer-sets.ts'
import { encodeRr } from './leaf-compiler.ts'
import { setAt, setDraws, setsAt, setsWords, setWords, signedLeafAt } from './plan.ts'
import type { AnswerNode } from './plan-tree.ts'
import type { PlanWriter } from './plan-writer.ts'
import { rendezvousTable } from './rendezvous.ts'
import type { PlanSigning } from './signatures.ts'

/** Those sets of a family that are signed, as an image has them. */
interface SignedSets {
  readonly entries: Uint32Array
  readonly count: number
  /** Where each set stands among them; -1 for one that is not. */
  readonly places: Int32Array
}

export class SetCompiler {
  readonly #signing: PlanSigning
  readonly #limit: number
  readonly #writer: PlanWriter
  /**
   * Where RRSIGs are in the octets of the image, by TTL and what was found, for leaves that have some in common; null where there is but
   * one leaf of each type. Bounded by the sets of the plan.
   */
  readonly #written: Map<number, Map<readonly Uint8Array[], number>> | null

  /**
   * @param limit what `setLimit` says of the plan
   * @param shares whether several leaves may have sets of one type
   */
  constructor(signing: PlanSigning, limit: number, shares: boolean, writer: PlanWriter) {
    this.#signing = signing
    this.#limit = limit
    this.#written = shares ? new Map() : null
    this.#writer = writer
  }

  /** @param at word offset of the leaf, whose TTL is not above the one that is signed */
  compile(leaf: AnswerNode, at: number): void {
    for (const family of leafFamilies(leaf)) {
      const block = this.#family(leaf, family)
      this.#writer.set(at + (family.type === types.aaaa ? signedLeafAt.aaaaSets : signedLeafAt.aSets), block)
    }
  }

  /** @returns word offset of the sets */
  #family(leaf: AnswerNode, family: LeafFamily): number {
    const writer = this.#writer
    const found = leafSets(leaf, family, this.#limit)
    const block = writer.push(new Array<number>(setsWords).fill(0))
    writer.set(block + setsAt.draw, setDraws[found.draw])
    const signed = this.#sets(leaf, found.sets, keysOf(family, found))
    if (signed.count === 0) return block
    writer.set(block + setsAt.sets, writer.push(signed.entries.subarray(0, signed.count * setWords)))
    const { count, table } = this.#table(found, family, signed)
    writer.set(block + setsAt.count, count)
    writer.set(block + setsAt.table, table)
    return block
  }

  /** There may be thousands of them, and a verdict waits. */
  #sets({ ttlSeconds }: AnswerNode, sets: AnswerSets['sets'], keys: readonly string[]): SignedSets {
    const writer = this.#writer
    const { signatures } = this.#signing
    const rrs = new RrsigWriter(ttlSeconds, writer.octets)
    const entries = new Uint32Array(sets.length * setWords)
    const places = new Int32Array(sets.length).fill(-1)
    let count = 0
    for (let set = 0; set < sets.length; set++) {
      const found = signatures.of(keys[set]!) ?? none
      if (found.length === 0) continue
      const members = sets[set]!
      const entry = count * setWords
      entries[entry + setAt.members] = writer.push(members)
      entries[entry + setAt.size] = members.length
      entries[entry + setAt.signatures] = this.#place(ttlSeconds, found, rrs)
      entries[entry + setAt.octets] = octetsOf(found)
      entries[entry + setAt.rrsigs] = found.length
      places[set] = count++
    }
    return { entries, count, places }
  }

  /** What a set is drawn by. */
  #table({ draw, sets, weights, buckets }: AnswerSets, { candidates }: LeafFamily, signed: SignedSets) {
    const writer = this.#writer
    const { count, places } = signed
    const signedOf = <T>(all: readonly T[]) =>
      count === all.length ? all : all.filter((_, set) => places[set]! >= 0)
    switch (draw) {
      case 'one':
      case 'turn':
        return { count, table: 0 }
      case 'weight':
        return { count, table: writer.push(aliasTable(signedOf(weights!))) }
      case 'client':
        return { count, table: writer.push(rendezvousTable(signedOf(candidates))) }
      case 'order': {
        const all = sets[0]!.map((index) => candidates[index]!)
        return { count, table: writer.push(rendezvousTable(all)) }
      }
      case 'bucket': {
        // One whose set is left out has what the next one has that has any.
        const ways = buckets!.map((_, bucket) => {
          let other = bucket
          while (places[buckets![other]!]! < 0) other = (other + 1) % buckets!.length
          return places[buckets![other]!]!
        })
        return { count: ways.length, table: writer.push(ways) }
      }
    }
  }

  /** Where the RRSIGs are in the octets of the image. */
  #place(ttlSeconds: number, found: readonly Uint8Array[], rrs: RrsigWriter): number {
    const { octets } = this.#writer
    const at = octets.length
    if (this.#written === null) {
      rrs.append(found)
      return at
    }
    const ofTtl = this.#written.get(ttlSeconds) ?? new Map<readonly Uint8Array[], number>()
    const known = ofTtl.get(found)
    if (known !== undefined) return known
    rrs.append(found)
    this.#written.set(ttlSeconds, ofTtl.set(found, at))
    return at
  }
}

const none: readonly Uint8Array[] = []

function octetsOf(rrsigs: readonly Uint8Array[]): number {
  let octets = 0
  for (const rdata of rrsigs) octets += rrHeadLength + rdata.length
  return octets
}

/** Appends RRSIGs as RRs. What stands before the RDATA is the same in most of them. */
class RrsigWriter {
  readonly #ttlSeconds: number
  readonly #octets: ByteWriter
  #head = new Uint8Array(0)
  #rdataLength = -1

  constructor(ttlSeconds: number, octets: ByteWriter) {
    this.#ttlSeconds = ttlSeconds
    this.#octets = octets
  }

  append(rrsigs: readonly Uint8Array[]): void {
    const octets = this.#octets
    for (const rdata of rrsigs) {
      if (rdata.length === this.#rdataLength) {
        octets.append(this.#head)
        octets.append(rdata)
        continue
      }
      const at = octets.length
      encodeRr(types.rrsig, this.#ttlSeconds, rdata, octets)
      this.#head = octets.bytes.slice(at, at + rrHeadLength)
      this.#rdataLength = rdata.length
    }
  }
}
