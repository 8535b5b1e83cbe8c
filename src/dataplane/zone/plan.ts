/**
 * A plan says how a service is answered until health or configuration changes: everything that can be decided then has
 * been decided, so that a query costs a table read and maybe a random number. Steering makes the `Plan`, this file
 * compiles it into a plan image, one SharedArrayBuffer, and reads it in the workers.
 *
 * Layout in words: outcome, select, answers, then for A and for AAAA a block of `familyAt`. Candidates lie in wire form
 * (owner as pointer to the question) behind one another. For `weighted` there is Walker's alias table: one random
 * column and one random height choose a candidate by weight in constant time, however many there are.
 *
 * A plan of the outcome `cname` keeps its candidates in the block of A, each in a slot as long as the longest of them, for
 * every RR of that block has the same place: the length of a name is in the RR.
 */
import { ByteWriter } from '../wire/bytes.ts'
import { classes, types } from '../wire/constants.ts'

export const planSelects = { rotate: 0, weighted: 1 } as const

export interface Candidate {
  /** 4 or 16 octets. */
  readonly address: Uint8Array
  /** 1 or more, the sum over all candidates below 2^32; relative to the others. Only `weighted` looks at it. */
  readonly weight: number
  /** Where answers that hold this candidate are counted. */
  readonly counter: number
}

/** A name that the service is an alias of. */
export interface CnameCandidate extends Omit<Candidate, 'address'> {
  /** Wire form. */
  readonly cname: Uint8Array
}

export interface Plan {
  /** `servfail` answers nothing else; no candidates is NODATA; `cname` is one CNAME, whatever the type of the question. */
  readonly outcome: 'select' | 'servfail' | 'cname'
  readonly select: keyof typeof planSelects
  /** Most candidates in one answer. */
  readonly answers: number
  readonly ttlSeconds: number
  /** UNIX time at which the addresses are no longer known to be good: no TTL goes beyond it, but for 1 s. */
  readonly expiresAtSeconds?: number
  /** At most `maxCandidates`, of both families. */
  readonly candidates: readonly Candidate[]
  /** Of the outcome `cname`, at least one and at most `maxCandidates`; one of them is drawn by weight. */
  readonly cnames?: readonly CnameCandidate[]
}

/** More than this many members of one family don't fit a message of 65,535 octets anyway. */
export const maxCandidates = 4096

const headerAt = {
  magic: 0,
  outcome: 1,
  select: 2,
  answers: 3,
  a: 4,
  aaaa: 10,
  cnameLength: 16,
  ttl: 17,
  expires: 18,
} as const
const headerWords = 19
const outcomeWords = { select: 0, servfail: 1, cname: 2 } as const
const familyAt = { count: 0, wire: 1, counters: 2, weights: 3, alias: 4, totalWeight: 5 } as const
const planMagic = 0x706f_1002
/** Octets of an RR with a pointer as owner, before its RDATA. */
const rrHeadLength = 12
/** Words of one candidate in the alias table: height below which the column's own candidate is taken, the other one. */
const aliasWords = 2

export function compilePlan(plan: Plan): SharedArrayBuffer {
  const cnames = plan.outcome === 'cname' ? plan.cnames! : []
  const cnameLength = rrHeadLength + Math.max(0, ...cnames.map(({ cname }) => cname.length))
  const addresses = [4, 16].map((octets) =>
    plan.candidates.filter((candidate) => candidate.address.length === octets),
  )
  const families = plan.outcome === 'cname' ? [cnames, []] : addresses
  const wires =
    plan.outcome === 'cname'
      ? [encodeCnames(cnames, cnameLength, plan.ttlSeconds), new Uint8Array(0)]
      : addresses.map((candidates) => encodeCandidates(candidates, plan.ttlSeconds))
  const tableWords = families.map((candidates) => candidates.length * (2 + aliasWords))
  const wireAt = 4 * (headerWords + tableWords[0]! + tableWords[1]!)
  const size = wireAt + wires[0]!.length + wires[1]!.length
  const buffer = new SharedArrayBuffer(Math.ceil(size / 4) * 4)
  const words = new Uint32Array(buffer)
  const bytes = new Uint8Array(buffer)
  words[headerAt.magic] = planMagic
  words[headerAt.outcome] = outcomeWords[plan.outcome]
  words[headerAt.select] = planSelects[plan.select]
  words[headerAt.answers] = plan.answers
  words[headerAt.cnameLength] = cnameLength
  words[headerAt.ttl] = plan.ttlSeconds
  words[headerAt.expires] = plan.expiresAtSeconds ?? 0
  let tables = headerWords
  let free = wireAt
  for (const [index, candidates] of families.entries()) {
    const block = index === 0 ? headerAt.a : headerAt.aaaa
    const count = candidates.length
    const weights = candidates.map((candidate) => candidate.weight)
    words[block + familyAt.count] = count
    words[block + familyAt.wire] = free
    words[block + familyAt.counters] = tables
    words[block + familyAt.weights] = tables + count
    words[block + familyAt.alias] = tables + 2 * count
    words[block + familyAt.totalWeight] = weights.reduce((sum, weight) => sum + weight, 0)
    words.set(
      candidates.map((candidate) => candidate.counter),
      tables,
    )
    words.set(weights, tables + count)
    words.set(aliasTable(weights), tables + 2 * count)
    bytes.set(wires[index]!, free)
    tables += tableWords[index]!
    free += wires[index]!.length
  }
  return buffer
}

function encodeCandidates(candidates: readonly Candidate[], ttlSeconds: number): Uint8Array {
  const out = new ByteWriter()
  for (const { address } of candidates) {
    out.u16(0xc00c)
    out.u16(address.length === 4 ? types.a : types.aaaa)
    out.u16(classes.in)
    out.u32(ttlSeconds)
    out.u16(address.length)
    out.append(address)
  }
  return out.finish()
}

function encodeCnames(cnames: readonly CnameCandidate[], slotLength: number, ttlSeconds: number): Uint8Array {
  const out = new ByteWriter()
  for (const { cname } of cnames) {
    out.u16(0xc00c)
    out.u16(types.cname)
    out.u16(classes.in)
    out.u32(ttlSeconds)
    out.u16(cname.length)
    out.append(cname)
    out.append(new Uint8Array(slotLength - rrHeadLength - cname.length))
  }
  return out.finish()
}

/**
 * Vose's construction ("A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991): pairs a
 * column that is too low with one that is too high, until all are level. Heights are scaled to 2^32 - 1.
 */
function aliasTable(weights: readonly number[]): Uint32Array {
  const count = weights.length
  const table = new Uint32Array(count * aliasWords)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const heights = weights.map((weight) => (weight * count) / total)
  const low = heights.flatMap((height, column) => (height < 1 ? [column] : []))
  const high = heights.flatMap((height, column) => (height < 1 ? [] : [column]))
  for (;;) {
    const column = low.pop()
    const donor = high.at(-1)
    if (column === undefined || donor === undefined) break
    table[column * aliasWords] = Math.round(heights[column]! * 0xffff_ffff)
    table[column * aliasWords + 1] = donor
    heights[donor]! -= 1 - heights[column]!
    if (heights[donor]! < 1) low.push(high.pop()!)
    // What rounding leaves over in either list is a full column, which the loop below writes.
    heights[column] = -1
  }
  for (let column = 0; column < count; column++) {
    if (heights[column]! < 0) continue
    table[column * aliasWords] = 0xffff_ffff
    table[column * aliasWords + 1] = column
  }
  return table
}

/** Candidates of one family as a worker sees them. */
export class Candidates {
  readonly count: number
  readonly rrLength: number
  readonly totalWeight: number
  /**
   * Where the next rotation starts; below 0 before the first, which starts at a random place: a plan is compiled anew with
   * each change of health, and a fixed place would get more than its share then. A worker's own, so that nothing is
   * written to what workers share. One for each family, since clients ask for A and AAAA in turn, and one cursor would
   * go on by two for each of them.
   */
  cursor = -1
  readonly #words: Uint32Array
  readonly #wire: number
  readonly #counters: number
  readonly #weights: number
  readonly #alias: number

  constructor(words: Uint32Array, block: number, rrLength: number) {
    this.#words = words
    this.rrLength = rrLength
    this.count = words[block + familyAt.count]!
    this.totalWeight = words[block + familyAt.totalWeight]!
    this.#wire = words[block + familyAt.wire]!
    this.#counters = words[block + familyAt.counters]!
    this.#weights = words[block + familyAt.weights]!
    this.#alias = words[block + familyAt.alias]!
  }

  /** Offset of a candidate's RR in the image's bytes. */
  wire(index: number): number {
    return this.#wire + index * this.rrLength
  }

  counter(index: number): number {
    return this.#words[this.#counters + index]!
  }

  weight(index: number): number {
    return this.#words[this.#weights + index]!
  }

  /** The candidate in `column` (0..count-1) at `height`, a random 32-bit number. */
  pick(column: number, height: number): number {
    const at = this.#alias + column * aliasWords
    return height <= this.#words[at]! ? column : this.#words[at + 1]!
  }
}

export class PlanImage {
  readonly bytes: Uint8Array
  readonly servfail: boolean
  /** UNIX seconds; 0 for never. */
  readonly expiresAtSeconds: number
  readonly ttlSeconds: number
  readonly select: number
  readonly answers: number
  readonly a: Candidates
  readonly aaaa: Candidates
  /** Not null: the service is an alias, and these (at least one) are what it may be an alias of. */
  readonly cnames: Candidates | null

  constructor(buffer: SharedArrayBuffer) {
    const words = new Uint32Array(buffer)
    if (words[headerAt.magic] !== planMagic) throw new Error('not a plan image of this version')
    this.bytes = new Uint8Array(buffer)
    this.servfail = words[headerAt.outcome] === outcomeWords.servfail
    this.expiresAtSeconds = words[headerAt.expires]!
    this.ttlSeconds = words[headerAt.ttl]!
    this.select = words[headerAt.select]!
    this.answers = words[headerAt.answers]!
    this.a = new Candidates(words, headerAt.a, 16)
    this.aaaa = new Candidates(words, headerAt.aaaa, 28)
    const isCname = words[headerAt.outcome] === outcomeWords.cname
    this.cnames = isCname ? new Candidates(words, headerAt.a, words[headerAt.cnameLength]!) : null
  }
}
