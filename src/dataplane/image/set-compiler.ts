/** Compiles the sets of a leaf of a signed plan, each with its signatures; `plan.ts` describes the layout. */
import { types } from '../wire/constants.ts'
import { aliasTable } from './alias-table.ts'
import {
  type AnswerSets,
  type KeyedRrset,
  type LeafFamily,
  leafFamilies,
  leafSets,
  rrsetsOf,
} from './answer-sets.ts'
import { encodeRr } from './leaf-compiler.ts'
import { setDraws, setsAt, setsWords, signedLeafAt } from './plan.ts'
import type { AnswerNode } from './plan-tree.ts'
import type { PlanWriter } from './plan-writer.ts'
import { rendezvousTable } from './rendezvous.ts'
import type { PlanSigning } from './signatures.ts'

/** RRSIGs in the octets of the image. */
interface Written {
  readonly at: number
  readonly octets: number
  readonly count: number
}

export class SetCompiler {
  readonly #signing: PlanSigning
  readonly #limit: number
  readonly #writer: PlanWriter
  /** By TTL and what was found, for leaves that have some in common. Bounded by the sets of the plan. */
  readonly #written = new Map<number, Map<readonly Uint8Array[], Written>>()

  /** @param limit what `setLimit` says of the plan */
  constructor(signing: PlanSigning, limit: number, writer: PlanWriter) {
    this.#signing = signing
    this.#limit = limit
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
    const written = rrsetsOf(family, found).map((rrset) => this.#sign(leaf, rrset))
    // Where each set stands among those that have signatures.
    let kept = 0
    const places = written.map((one) => (one === null ? -1 : kept++))
    const block = writer.push(new Array<number>(setsWords).fill(0))
    writer.set(block + setsAt.draw, setDraws[found.draw])
    if (kept === 0) return block
    const entries: number[] = []
    for (const [set, signatures] of written.entries()) {
      if (signatures === null) continue
      const members = found.sets[set]!
      entries.push(writer.push(members), members.length, signatures.at, signatures.octets, signatures.count)
    }
    writer.set(block + setsAt.sets, writer.push(entries))
    const { count, table } = this.#table(found, family, places, kept)
    writer.set(block + setsAt.count, count)
    writer.set(block + setsAt.table, table)
    return block
  }

  /** What a set is drawn by. */
  #table(
    { draw, sets, weights, buckets }: AnswerSets,
    { candidates }: LeafFamily,
    places: readonly number[],
    kept: number,
  ) {
    const writer = this.#writer
    const keptOf = <T>(all: readonly T[]) => all.filter((_, set) => places[set]! >= 0)
    switch (draw) {
      case 'one':
      case 'turn':
        return { count: kept, table: 0 }
      case 'weight':
        return { count: kept, table: writer.push(aliasTable(keptOf(weights!))) }
      case 'client':
        return { count: kept, table: writer.push(rendezvousTable(keptOf(candidates))) }
      case 'order': {
        const all = sets[0]!.map((index) => candidates[index]!)
        return { count: kept, table: writer.push(rendezvousTable(all)) }
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

  /** Null for a set without a signature. */
  #sign({ ttlSeconds }: AnswerNode, rrset: KeyedRrset): Written | null {
    const found = this.#signing.signatures.of(rrset) ?? []
    if (found.length === 0) return null
    const known = this.#written.get(ttlSeconds)?.get(found)
    if (known !== undefined) return known
    const { octets } = this.#writer
    const at = octets.length
    for (const rdata of found) encodeRr(types.rrsig, ttlSeconds, rdata, octets)
    const written = { at, octets: octets.length - at, count: found.length }
    const ofTtl = this.#written.get(ttlSeconds) ?? new Map()
    this.#written.set(ttlSeconds, ofTtl.set(found, written))
    return written
  }
}
