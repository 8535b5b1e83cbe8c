/** Compiles an answer of a plan; `plan.ts` describes the layout. */
import type { ByteWriter } from '../wire/bytes.ts'
import { classes, questionPointer, rrHeadLength, types } from '../wire/constants.ts'
import { aliasTable } from './alias-table.ts'
import { familyAt, leafAt, leafGives, leafWords, maxCandidates, nodeKinds, planSelects } from './plan.ts'
import { checkCount, checkPrefix, checkWeights, checkWhole, PlanError, type Way } from './plan-error.ts'
import type { AnswerNode, Weighted } from './plan-tree.ts'
import type { PlanWriter } from './plan-writer.ts'
import { rendezvousTable } from './rendezvous.ts'

const families = [
  { length: 4, type: types.a, block: leafAt.a },
  { length: 16, type: types.aaaa, block: leafAt.aaaa },
] as const

/**
 * @param way to it, for errors
 * @param words that it has
 * @returns its word offset
 * @throws PlanError
 */
export function compileLeaf(
  node: AnswerNode,
  number: number,
  way: Way,
  writer: PlanWriter,
  words: number = leafWords,
): number {
  check(node, way)
  const at = writer.push(new Array<number>(words).fill(0))
  const prefix = node.select === 'hash' ? checkPrefix(node.prefix, way) : { ipv4: 0, ipv6: 0 }
  writer.set(at, nodeKinds.answer)
  writer.set(at + leafAt.number, number)
  writer.set(at + leafAt.gives, leafGives[node.gives])
  writer.set(at + leafAt.select, planSelects[node.select])
  writer.set(at + leafAt.answers, node.answers)
  writer.set(at + leafAt.ttl, node.ttlSeconds)
  writer.set(at + leafAt.expires, node.expiresAtSeconds ?? 0)
  writer.set(at + leafAt.ipv4, prefix.ipv4)
  writer.set(at + leafAt.ipv6, prefix.ipv6)
  const { octets } = writer
  if (node.gives === 'cname') {
    const cnames = node.cnames!
    const slotLength = rrHeadLength + Math.max(...cnames.map(({ cname }) => cname.length))
    writer.set(at + leafAt.cnameLength, slotLength)
    compileFamily(at + leafAt.a, node, cnames, way, writer)
    for (const { cname } of cnames) {
      encodeRr(types.cname, node.ttlSeconds, cname, octets)
      octets.append(new Uint8Array(slotLength - rrHeadLength - cname.length))
    }
    return at
  }
  for (const { length, type, block } of families) {
    const family = node.candidates.filter(({ address }) => address.length === length)
    compileFamily(at + block, node, family, way, writer)
    for (const { address } of family) encodeRr(type, node.ttlSeconds, address, octets)
  }
  return at
}

function check(node: AnswerNode, way: Way): void {
  const { candidates } = node
  checkWhole(node.answers, 'the number of answers', way)
  checkWhole(node.ttlSeconds, 'the TTL', way)
  checkWhole(node.expiresAtSeconds ?? 0, 'the time of expiry', way)
  if (node.gives === 'cname') checkCount(node.cnames?.length ?? 0, maxCandidates, 'cnames', way)
  if (candidates.length > 0) checkCount(candidates.length, maxCandidates, 'candidates', way)
  for (const { address } of candidates) {
    if (address.length !== 4 && address.length !== 16)
      throw new PlanError(way, `an address of ${address.length} octets`)
  }
}

/** The block of a family, and behind all blocks its tables. Its RRs are those that are encoded next. */
function compileFamily(
  block: number,
  { select }: AnswerNode,
  candidates: readonly Weighted[],
  way: Way,
  writer: PlanWriter,
): void {
  writer.set(block + familyAt.count, candidates.length)
  writer.set(block + familyAt.wire, writer.octets.length)
  writer.set(block + familyAt.counters, writer.push(candidates.map(({ counter }) => counter)))
  if (select === 'rotate') return
  checkWeights(candidates, way)
  if (select === 'hash') {
    writer.set(block + familyAt.table, writer.push(rendezvousTable(candidates)))
    return
  }
  const weights = candidates.map(({ weight }) => weight)
  writer.set(block + familyAt.weights, writer.push(weights))
  writer.set(block + familyAt.table, writer.push(aliasTable(weights)))
  writer.set(
    block + familyAt.totalWeight,
    weights.reduce((sum, weight) => sum + weight, 0),
  )
}

export function encodeRr(type: number, ttlSeconds: number, rdata: Uint8Array, out: ByteWriter): void {
  out.u16(questionPointer)
  out.u16(type)
  out.u16(classes.in)
  out.u32(ttlSeconds)
  out.u16(rdata.length)
  out.append(rdata)
}
