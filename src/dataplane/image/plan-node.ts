/**
 * What a plan is made of: a tree. Its inner nodes are the choices that depend on the client or on chance, which are made
 * for each query; whatever depends on health and configuration alone (failover, latency, who is up) has been decided
 * by steering, and is no node. Its leaves are what is answered.
 *
 * Where a choice depends on the client, its node says by which part of its address: the scope that the answer carries in
 * its client subnet option (RFC 7871 section 7.2.1) is the longest of those on the way to the leaf.
 */

/** How many bits of a client's address are its key. */
export interface KeyPrefix {
  /** 1..32 */
  readonly ipv4: number
  /** 1..128 */
  readonly ipv6: number
}

export interface Candidate {
  /** 4 or 16 octets. */
  readonly address: Uint8Array
  /** 1 or more, the sum over all candidates below 2^32; relative to the others. `rotate` does not look at it. */
  readonly weight: number
  /** Where answers that hold this candidate are counted. */
  readonly counter: number
  /** For `hash`: 32 bits that stay with the candidate whatever else changes, such as `stableKey` of its name. */
  readonly key: number
}

/** A name that the service is an alias of. */
export interface CnameCandidate extends Omit<Candidate, 'address'> {
  /** Wire form. */
  readonly cname: Uint8Array
}

/** A leaf. */
export interface AnswerNode {
  readonly kind: 'answer'
  /** `servfail` answers nothing else; no candidates is NODATA; `cname` is one CNAME, whatever the type of the question. */
  readonly outcome: 'select' | 'servfail' | 'cname'
  readonly select: 'rotate' | 'weighted' | 'hash'
  /** What `hash` goes by. */
  readonly prefix?: KeyPrefix
  /** Most candidates in one answer. */
  readonly answers: number
  readonly ttlSeconds: number
  /** UNIX time at which the addresses are no longer known to be good: no TTL goes beyond it, but for 1 s. */
  readonly expiresAtSeconds?: number
  /** At most `maxCandidates`, of both families. */
  readonly candidates: readonly Candidate[]
  /** The names of the outcome `cname`, at least one and at most `maxCandidates`; one of them is chosen by `select`. */
  readonly cnames?: readonly CnameCandidate[]
}

/** One child, drawn by weight for each query. */
export interface WeightedNode {
  readonly kind: 'weighted'
  /** At least one; weights are 1 or more, their sum below 2^32. */
  readonly children: readonly { readonly weight: number; readonly node: PlanNode }[]
}

/** One child, the same for each client; keys are like those of candidates. */
export interface HashNode {
  readonly kind: 'hash'
  readonly prefix: KeyPrefix
  readonly children: readonly { readonly weight: number; readonly key: number; readonly node: PlanNode }[]
}

/** The child of the area that the client is in, by a location map. */
export interface LocatedNode {
  readonly kind: 'located'
  /** Slot of the location map. While there is none in it, every client is in area 0. */
  readonly map: number
  /** Nodes by area: at least one; a client of an area that has none gets that of area 0. Areas may share one node object. */
  readonly areas: readonly PlanNode[]
}

export type PlanNode = AnswerNode | WeightedNode | HashNode | LocatedNode
