/**
 * A plan says how a service is answered until health or configuration changes: everything that can be decided then has
 * been decided, so that a query costs some table reads and maybe a random number or some hashes. Steering makes the tree of nodes
 * (`plan-tree.ts`), one tree for A and one for AAAA, `plan-compiler.ts` compiles them into a plan image, one SharedArrayBuffer, and this file reads it in the workers.
 *
 * ## Layout
 * In words: the header, the nodes, children before parents, the offsets of the leaves by number, then the RRs of all leaves in
 * octets. Nodes and tables are at word offsets, RRs at offsets of octets from where those begin. A node that several parents
 * share is there once. Behind its kind, a node has
 * - `answer`: the fields of `leafAt`, for A and for AAAA a block of `familyAt`, and the tables that those point to: counters,
 *   and by `select` either weights and an alias table or a rendezvous table. RRs are in wire form (owner as pointer to the
 *   question) behind one another;
 * - `weighted`: the fields of `weightedAt`, the slots of the location maps below, the children, an alias table;
 * - `hash`: the fields of `hashAt`, the children, a rendezvous table;
 * - `located`: the fields of `locatedAt`, the children by area.
 *
 * A leaf that gives `cname` keeps its candidates in the block of A, each in a slot as long as the longest of them, for
 * every RR of that block has the same place: the length of a name is in the RR.
 *
 * ## Signed plans
 * One of a service in a signed zone has another magic number, and in each leaf, for each family, where its sets are: the fields of
 * `setsAt`, by `draw` an alias table, a rendezvous table or the set of each bucket, and the sets by number, each with the fields of
 * `setAt`: the indexes of its candidates in the order in which they are written, and its RRSIGs, as RRs whose owner is a pointer to the
 * question. A set whose signature was not there is left out. What unsigned plans are read by is there too.
 *
 * ## Scope
 * What a `weighted` node draws must not show in the scope of the answer (RFC 7871 section 7.2.1 forbids scopes that overlap, and an answer
 * that says it is for everybody would hide the others from a cache). So the node notes what all its children need: the
 * longest prefixes of hashes and the location maps; every answer through it has the scope of all those.
 */
import { aliasAt } from './alias-table.ts'
import { octetsOf } from './image-memory.ts'

/** More than this many members of one family don't fit a message of 65,535 octets anyway. */
export const maxCandidates = 4096

/** Most nodes on the way from the root to a leaf, both counted. Services nest, and so do what their answers depend on. */
export const maxPlanDepth = 24
/** Most candidates of all leaves together: with up to some 64 octets each they take 8 MB. */
export const maxPlanCandidates = 131_072

export const planMagic = 0x706f_1004
export const signedPlanMagic = 0x706f_1005
/** `root` is where A begins, `anyRoot` is where ANY does: the root of A where that may answer anything, else that of AAAA. */
export const headerAt = {
  magic: 0,
  root: 1,
  ipv6Root: 2,
  anyRoot: 3,
  aliases: 4,
  leafCount: 5,
  leaves: 6,
  wire: 7,
} as const
export const headerWords = 8

export const nodeKinds = { answer: 0, weighted: 1, hash: 2, located: 3 } as const
export const planSelects = { rotate: 0, weighted: 1, hash: 2 } as const
export const leafGives = { addresses: 0, servfail: 1, cname: 2 } as const

export const leafAt = {
  number: 1,
  gives: 2,
  select: 3,
  answers: 4,
  ttl: 5,
  expires: 6,
  ipv4: 7,
  ipv6: 8,
  cnameLength: 9,
  a: 10,
  aaaa: 16,
} as const
export const leafWords = 22
/** What a leaf of a signed plan has besides: where the sets of its families are. */
export const signedLeafAt = { aSets: 22, aaaaSets: 23 } as const
export const signedLeafWords = 24
/** How one of the sets is drawn; `answer-sets.ts` says what that means. */
export const setDraws = { one: 0, turn: 1, weight: 2, client: 3, bucket: 4, order: 5 } as const
/** `count`: of entries of the table, which are sets but for `bucket`; 0 when nothing of the family is signed. */
export const setsAt = { draw: 0, count: 1, table: 2, sets: 3 } as const
export const setsWords = 4
/** `members`: where their indexes are; `signatures`: where the RRSIGs are, in octets. */
export const setAt = { members: 0, size: 1, signatures: 2, octets: 3, rrsigs: 4 } as const
export const setWords = 5
/** `table` is that of `select`; `weights` and `totalWeight` are there for `weighted`. */
export const familyAt = { count: 0, wire: 1, counters: 2, weights: 3, table: 4, totalWeight: 5 } as const
/** `ipv4` and `ipv6`: longest prefix of a hash below; 0 for none. */
export const weightedAt = { count: 1, ipv4: 2, ipv6: 3, maps: 4, lists: 5 } as const
export const hashAt = { count: 1, ipv4: 2, ipv6: 3, children: 4 } as const
export const locatedAt = { count: 1, map: 2, children: 3 } as const

/** Candidates of one family as a worker sees them. */
export class Candidates {
  readonly count: number
  readonly rrLength: number
  readonly totalWeight: number
  /** Where the table of the leaf's `select` begins in `words`; `rotate` has none. */
  readonly table: number
  readonly words: Uint32Array
  /**
   * Where the next rotation starts; below 0 before the first, which starts at a random place: a plan is compiled anew with
   * each change of health, and a fixed place would get more than its share then. A worker's own, so that nothing is
   * written to what workers share. One for each family, since clients ask for A and AAAA in turn, and one cursor would
   * go on by two for each of them.
   */
  cursor = -1
  /** What is drawn of a signed plan in the place of single candidates; null in one that is not signed. */
  readonly sets: CandidateSets | null
  /** Whether there are candidates, and no set of them is signed. */
  readonly lost: boolean
  readonly #wire: number
  readonly #counters: number
  readonly #weights: number

  /**
   * @param block word offset of the family's block
   * @param sets that of its sets; 0 in a plan that is not signed
   */
  constructor(words: Uint32Array, block: number, rrLength: number, sets: number) {
    this.words = words
    this.rrLength = rrLength
    this.count = words[block + familyAt.count]!
    this.sets = sets === 0 ? null : new CandidateSets(words, sets)
    this.lost = this.sets?.count === 0 && this.count > 0
    this.totalWeight = words[block + familyAt.totalWeight]!
    this.table = words[block + familyAt.table]!
    this.#wire = words[headerAt.wire]! + words[block + familyAt.wire]!
    this.#counters = words[block + familyAt.counters]!
    this.#weights = words[block + familyAt.weights]!
  }

  /** Offset of a candidate's RR in the image's bytes. */
  wire(index: number): number {
    return this.#wire + index * this.rrLength
  }

  counter(index: number): number {
    return this.words[this.#counters + index]!
  }

  /** A candidate's weight, where the leaf selects by weight. */
  weight(index: number): number {
    return this.words[this.#weights + index]!
  }

  /** The candidate in `column` (0..count-1) at `height`, a random 32-bit number, of a leaf that selects by weight. */
  pick(column: number, height: number): number {
    return aliasAt(this.words, this.table, column, height)
  }
}

/** The sets of one family of a leaf of a signed plan. */
export class CandidateSets {
  readonly words: Uint32Array
  /** One of `setDraws`. */
  readonly draw: number
  readonly count: number
  readonly table: number
  readonly #sets: number
  readonly #wire: number

  /** @param block word offset of what `setsAt` describes */
  constructor(words: Uint32Array, block: number) {
    this.words = words
    this.draw = words[block + setsAt.draw]!
    this.count = words[block + setsAt.count]!
    this.table = words[block + setsAt.table]!
    this.#sets = words[block + setsAt.sets]!
    this.#wire = words[headerAt.wire]!
  }

  /** Where in `words` the indexes of a set's candidates are. */
  members(set: number): number {
    return this.words[this.#sets + set * setWords + setAt.members]!
  }

  size(set: number): number {
    return this.words[this.#sets + set * setWords + setAt.size]!
  }

  /** Offset of a set's RRSIGs in the image's bytes. */
  signatures(set: number): number {
    return this.#wire + this.words[this.#sets + set * setWords + setAt.signatures]!
  }

  signatureLength(set: number): number {
    return this.words[this.#sets + set * setWords + setAt.octets]!
  }

  signatureCount(set: number): number {
    return this.words[this.#sets + set * setWords + setAt.rrsigs]!
  }
}

/** What a service is answered with once the choices of its plan are made. */
export class PlanLeaf {
  /** Leaves are numbered from 0 as walks of the trees, first children first, meet them, that for A first. */
  readonly number: number
  /** The octets of the image, which `Candidates.wire` points into. */
  readonly bytes: Uint8Array
  /** The same octets, to be copied. */
  readonly view: DataView
  readonly servfail: boolean
  /** UNIX seconds; 0 for never. */
  readonly expiresAtSeconds: number
  readonly ttlSeconds: number
  /** One of `planSelects`. */
  readonly select: number
  readonly answers: number
  /** Bits of the client's address that the choice depends on; 0 unless it selects by hash. */
  readonly ipv4: number
  readonly ipv6: number
  readonly a: Candidates
  readonly aaaa: Candidates
  /** Not null: the service is an alias, and these (at least one) are what it may be an alias of. */
  readonly cnames: Candidates | null

  constructor(words: Uint32Array, bytes: Uint8Array, view: DataView, at: number, signed: boolean) {
    this.bytes = bytes
    this.view = view
    this.number = words[at + leafAt.number]!
    this.servfail = words[at + leafAt.gives] === leafGives.servfail
    this.expiresAtSeconds = words[at + leafAt.expires]!
    this.ttlSeconds = words[at + leafAt.ttl]!
    this.select = words[at + leafAt.select]!
    this.answers = words[at + leafAt.answers]!
    this.ipv4 = words[at + leafAt.ipv4]!
    this.ipv6 = words[at + leafAt.ipv6]!
    const isCname = words[at + leafAt.gives] === leafGives.cname
    const rrLength = isCname ? words[at + leafAt.cnameLength]! : 16
    const sets = (field: number) => (signed ? words[at + field]! : 0)
    this.a = new Candidates(words, at + leafAt.a, rrLength, sets(signedLeafAt.aSets))
    this.aaaa = new Candidates(words, at + leafAt.aaaa, 28, sets(signedLeafAt.aaaaSets))
    this.cnames = isCname ? this.a : null
  }
}

/** Which way a query went through a plan. */
export interface PlanWalk {
  /** Slot of the plan. */
  readonly plan: number
  /** Whether it went through the tree for AAAA. */
  readonly ipv6: boolean
  /** Number of the leaf, from 0 in the order in which walks of the trees, first children first, meet them, that for A first. */
  readonly leaf: number
  /** Indexes of the children that were taken, from the root to the leaf; empty when the plan is nothing but a leaf. */
  readonly way: readonly number[]
}

export class PlanImage {
  readonly words: Uint32Array
  /** Word offset of the node at which a walk for A begins. */
  readonly root: number
  /** And for AAAA. */
  readonly ipv6Root: number
  /** Whether ANY is answered with what AAAA is. */
  readonly anyIsIpv6: boolean
  /** Leaves by number. They keep their cursors, so there is one object for each as long as the plan is served. */
  readonly leaves: readonly PlanLeaf[]
  /** Not null: the tree for A is this leaf, and there is nothing to walk. */
  readonly only: PlanLeaf | null
  readonly ipv6Only: PlanLeaf | null
  /** Whether any leaf makes the service an alias, which then concerns queries of every type. */
  readonly aliases: boolean

  constructor(image: SharedArrayBuffer | Uint8Array) {
    const bytes = octetsOf(image)
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
    const signed = words[headerAt.magic] === signedPlanMagic
    if (!signed && words[headerAt.magic] !== planMagic) throw new Error('not a plan image of this version')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.words = words
    this.root = words[headerAt.root]!
    this.ipv6Root = words[headerAt.ipv6Root]!
    this.anyIsIpv6 = words[headerAt.anyRoot] !== this.root
    this.aliases = words[headerAt.aliases] !== 0
    this.leaves = Array.from(
      { length: words[headerAt.leafCount]! },
      (_, number) => new PlanLeaf(words, bytes, view, words[words[headerAt.leaves]! + number]!, signed),
    )
    this.only = this.#leafAt(this.root)
    this.ipv6Only = this.#leafAt(this.ipv6Root)
  }

  #leafAt(node: number): PlanLeaf | null {
    const { words } = this
    return words[node] === nodeKinds.answer ? this.leaves[words[node + leafAt.number]!]! : null
  }
}
