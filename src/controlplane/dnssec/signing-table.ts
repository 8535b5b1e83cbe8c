/**
 * Signs the RRsets of a zone, each by the zone's keys, and hands the signatures to the compiler of its image. It keeps them by owner and
 * type: bounded by the RRsets that are signed for one image, and lives while that is compiled.
 */
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import type { Signatures } from '../../dataplane/image/signatures.ts'
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
  /** By owner and type; of the NSECs of a service there are several. */
  readonly #found = new Map<
    string,
    { readonly data: readonly Uint8Array[]; readonly rrsigs: readonly Uint8Array[] }[]
  >()

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
    const isApex = Buffer.compare(rrset.owner, this.#name) === 0
    const rrsigs = signersOf(this.#keys, rrset.type, isApex).map((key) =>
      this.#naming(rrset, () => this.#signer.sign(canonical, key)),
    )
    const key = keyOf(rrset.owner, rrset.type)
    const known = this.#found.get(key)
    if (known === undefined) this.#found.set(key, [{ data, rrsigs }])
    else known.push({ data, rrsigs })
  }

  /** A TTL that is less than the one that was signed is good (RFC 4035 section 5.3.3), as that of the SOA in a negative answer. */
  find(
    owner: Uint8Array,
    type: number,
    ttl: number,
    data: readonly Uint8Array[],
  ): readonly Uint8Array[] | undefined {
    const found = this.#found.get(keyOf(owner, type))?.find((one) => isSame(one.data, data))
    if (found === undefined) return undefined
    const signed = Buffer.from(found.rrsigs[0]!).readUInt32BE(4)
    return ttl <= signed ? found.rrsigs : undefined
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

const keyOf = (owner: Uint8Array, type: number) => `${type} ${Buffer.from(owner).toString('latin1')}`

const isSame = (a: readonly Uint8Array[], b: readonly Uint8Array[]) =>
  a.length === b.length && a.every((octets, index) => Buffer.compare(octets, b[index]!) === 0)
