/**
 * How signatures come into a zone image. They are made by the control plane, which has the keys; here they are only looked for and
 * written beside what they sign.
 */
import { formatName } from '../wire/name.ts'
import { typeName } from '../wire/rdata.ts'

/** RRSIGs by what they sign. */
export interface Signatures {
  /**
   * @param owner wire form, lower case
   * @param ttl the Original TTL, seconds
   * @param data canonical RDATA, sorted as RFC 4034 6.3 says, no duplicates (`wire/canonical.ts`)
   * @returns whole RDATA of each RRSIG (RFC 4034 section 3.1), in the order in which they are written; undefined when there is none
   */
  find(
    owner: Uint8Array,
    type: number,
    ttl: number,
    data: readonly Uint8Array[],
  ): readonly Uint8Array[] | undefined
}

/** How the answers of a service come by their signatures. */
export interface PlanSigning {
  /** The Original TTL; no answer has a greater one. */
  readonly ttlSeconds: number
  readonly signatures: SetSignatures
}

/** RRSIGs of the RRsets that a service may be answered with. */
export interface SetSignatures {
  /** Asked for each RRset that `answerSets` names. @param key as `set-key.ts` has it @returns as `Signatures` does */
  of(key: string): readonly Uint8Array[] | undefined
}

/** What a zone that is to be signed lacks, so that there is no image of it: it would be bogus to whoever validates. */
export class UnsignedError extends Error {
  /** @param owner wire form */
  constructor(owner: Uint8Array, type: number, lacks: string) {
    super(`${formatName(owner)} ${typeName(type)} ${lacks}`)
    this.name = 'UnsignedError'
  }
}
