/**
 * Signs the RRsets of a zone, each by the zone's keys, and hands the signatures to the compiler of its image. What was signed is in a book
 * and nowhere else: two million signatures as objects of their own would be more than a gigabyte.
 */
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import type { Signatures } from '../../dataplane/image/signatures.ts'
import { beat } from '../../dataplane/life/signs.ts'
import { canonicalRdata, sortRdata } from '../../dataplane/wire/canonical.ts'
import { formatName } from '../../dataplane/wire/name.ts'
import { typeName } from '../../dataplane/wire/rdata.ts'
import { RrsetSigner, SigningError } from './rrset-signer.ts'
import { SignatureBook } from './signature-book.ts'
import { type SigningKey, signersOf } from './zone-key.ts'

export class SigningTable implements Signatures {
  /** What was used. */
  readonly book = new SignatureBook()
  readonly #apex: string
  readonly #name: Uint8Array
  readonly #keys: readonly SigningKey[]
  readonly #signer: RrsetSigner

  /**
   * @param apex as zones have it
   * @param name lower-cased wire form of it
   * @param keys of which one at the least signs what is about keys, and one the rest
   * @param before what has been signed of the zone
   */
  constructor(
    { apex, name }: { readonly apex: string; readonly name: Uint8Array },
    keys: readonly SigningKey[],
    before: SignatureBook,
    nowSeconds: number,
  ) {
    this.#apex = apex
    this.#name = name
    this.#keys = keys
    this.#signer = new RrsetSigner(name, before, this.book, nowSeconds)
  }

  /** How many signatures were made. */
  get made(): number {
    return this.#signer.made
  }

  /** @throws SigningError that names the zone and the RRset */
  sign(rrset: WireRrset): void {
    const data = sortRdata(rrset.rdata.map((octets) => canonicalRdata(rrset.type, octets)))
    const canonical = { ...rrset, data }
    for (const key of this.#signersOf(rrset)) this.#naming(rrset, () => this.#signer.sign(canonical, key))
    // With many of them it takes long.
    beat()
  }

  find(
    owner: Uint8Array,
    type: number,
    ttlSeconds: number,
    data: readonly Uint8Array[],
  ): readonly Uint8Array[] | undefined {
    beat()
    const rrsigs: Uint8Array[] = []
    for (const key of this.#signersOf({ owner, type })) {
      const rrsig = this.#signer.find({ owner, type, ttlSeconds, data }, key)
      if (rrsig === undefined) return undefined
      rrsigs.push(rrsig)
    }
    return rrsigs
  }

  #signersOf({ owner, type }: Pick<WireRrset, 'owner' | 'type'>): readonly SigningKey[] {
    return signersOf(this.#keys, type, Buffer.compare(owner, this.#name) === 0)
  }

  #naming<T>({ owner, type }: WireRrset, sign: () => T): T {
    try {
      return sign()
    } catch (error) {
      if (!(error instanceof SigningError)) throw error
      const what = `zone ${this.#apex}: ${formatName(owner)} ${typeName(type)} can't be signed`
      throw new SigningError(`${what}: ${error.message}`)
    }
  }
}
