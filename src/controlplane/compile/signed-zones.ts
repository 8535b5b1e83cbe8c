/**
 * What the compile thread knows of signed zones: their keys, opened, and the signatures that were made. No other thread has a key that is
 * open: they come sealed, and the key file is read here.
 */
import { isDeepStrictEqual } from 'node:util'
import { compileBrokenZone, ZoneCompiler } from '../../dataplane/image/compile.ts'
import type { ZoneImage } from '../../dataplane/image/image.ts'
import { nameOf, rdataOf, ttlOf } from '../../dataplane/image/image-contents.ts'
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { beat } from '../../dataplane/life/signs.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { nameFields } from '../../dataplane/wire/rdata.ts'
import type { CatalogZone } from '../catalog/catalog.ts'
import { editSignedZone } from '../dnssec/edit-signed-zone.ts'
import type { KeyFile } from '../dnssec/key-file.ts'
import { areGoodAlong } from '../dnssec/keys-along.ts'
import { OpenedKeys } from '../dnssec/opened-keys.ts'
import { SigningError } from '../dnssec/rrset-signer.ts'
import { isKept, reportOf, signZone, type UnsignedZone } from '../dnssec/sign-zone.ts'
import { SignatureBook } from '../dnssec/signature-book.ts'
import type { SigningKey } from '../dnssec/zone-key.ts'
import { plainSigning, type SigningReport } from '../model/dnssec.ts'
import { type ServiceSlot, soaOf } from './zone-parts.ts'

/** Takes RRsets; a compiler does. */
export interface RrsetSink {
  /** @throws TextError when the octets of a type that has names are malformed */
  add(rrset: WireRrset): void
}

/** RRsets of a zone that is to be signed, which needs all of them first. Bounded by the zone. */
export class CollectedRrsets implements RrsetSink {
  readonly rrsets: WireRrset[] = []
  readonly #apex: Uint8Array

  /** @param apex lower-cased wire form */
  constructor(apex: Uint8Array) {
    this.#apex = apex
  }

  add(rrset: WireRrset): void {
    const { owner, type, rdata } = rrset
    for (const octets of rdata) nameFields(type, octets)
    if (isKept(type, Buffer.compare(owner, this.#apex) === 0)) this.rrsets.push(rrset)
  }
}

/** The zone image that is edited. */
export interface ImageEdit {
  /** What the image is of. */
  readonly before: CatalogZone
  readonly image: ZoneImage
  /** Whose RRsets are others, in lower-cased wire form. */
  readonly owners: readonly Uint8Array[]
}

/** What a zone is compiled of. */
export interface ZoneSource {
  /** Of an edit, what the edited owners own. */
  readonly collected: CollectedRrsets
  /** Null for a whole zone. */
  readonly edit: ImageEdit | null
}

/** A zone that is to be signed. */
export interface SignableZone extends ZoneSource {
  /** Lower-cased wire form. */
  readonly name: Uint8Array
  readonly services: readonly ServiceSlot[]
}

/** A zone that was compiled, signed. */
export interface CompiledSigned {
  readonly image: SharedArrayBuffer
  readonly report: SigningReport
  /** Whether it is of the zone: else all that can be said of the zone is that it is broken. */
  readonly isWhole: boolean
}

export class SignedZones {
  readonly #nowSeconds: () => number
  /** By apex. Bounded by the zones. */
  readonly #books = new Map<string, SignatureBook>()
  readonly #keys: OpenedKeys
  /** Why the last attempt to sign a zone failed, by apex. Bounded by the zones. */
  readonly #troubles = new Map<string, string>()

  /** @param keyFile null: nothing can be signed */
  constructor(keyFile: KeyFile | null, nowSeconds = () => Math.floor(Date.now() / 1000)) {
    this.#keys = new OpenedKeys(keyFile)
    this.#nowSeconds = nowSeconds
  }

  /** What zones have been signed with. */
  get books(): ReadonlyMap<string, SignatureBook> {
    return this.#books
  }

  /** @param book what was written of a zone before a restart */
  restore(apex: string, book: SignatureBook): void {
    this.#books.set(apex, book)
  }

  /** What each zone is signed with now. */
  reports(): SigningReport[] {
    return Array.from(this.#books.keys(), (apex) => this.#report(apex))
  }

  /** Opens the keys of a zone that nothing is to be signed of now, so that trouble shows before it does harm. */
  tryKeys(zone: CatalogZone): void {
    if (zone.dnssec === null) return
    try {
      const trouble = this.#keysOf(zone).find((key) => key.trouble !== null)?.trouble ?? null
      if (trouble !== null) this.#troubles.set(zone.apex, trouble)
    } catch (error) {
      if (!(error instanceof SigningError)) throw error
      this.#troubles.set(zone.apex, error.message)
    }
  }

  forget(apex: string): void {
    this.#books.delete(apex)
    this.#keys.forget(apex)
    this.#troubles.delete(apex)
  }

  /**
   * Compiles a zone, signed. One that can't be signed anew keeps what it has, as long as that holds.
   *
   * @param held what the image is of that there is; null without one
   * @throws SigningError when it can't be signed, and what there is of it is good
   */
  compile(
    zone: CatalogZone,
    { name, services, collected, edit }: SignableZone,
    held: CatalogZone | null,
  ): CompiledSigned {
    const { apex } = zone
    const nowSeconds = this.#nowSeconds()
    try {
      const keys = this.#keysOf(zone)
      const unsigned = {
        apex,
        name,
        soa: soaOf(zone, name),
        rrsets: collected.rrsets,
        denial: zone.dnssec?.denial ?? ('nsec' as const),
        signing: zone.dnssec ?? plainSigning,
        services: services.map((service) => ({ name: hostnameToWire(service.name), slot: service.slot })),
      }
      const signed =
        this.#edited(zone, unsigned, keys, edit, nowSeconds) ?? this.#whole(unsigned, keys, edit, nowSeconds)
      if (signed.report.trouble === null) this.#troubles.delete(apex)
      else this.#troubles.set(apex, signed.report.trouble)
      return { ...signed, isWhole: true }
    } catch (error) {
      if (!(error instanceof SigningError)) throw error
      this.#troubles.set(apex, error.message)
      const report = this.#report(apex)
      const isGood = held !== null && areGoodAlong(held.keys ?? [], zone.keys ?? [])
      if (isGood && report.endsAt > nowSeconds) throw error
      // Nothing of it is good beside what others serve.
      const ended = isGood ? report : { ...report, endsAt: 0 }
      return { image: compileBrokenZone(name), report: ended, isWhole: false }
    }
  }

  /** Null when there is nothing to edit, or the whole zone must be signed. */
  #edited(
    { apex, keys, dnssec }: CatalogZone,
    unsigned: UnsignedZone,
    opened: readonly SigningKey[],
    edit: ImageEdit | null,
    nowSeconds: number,
  ) {
    const book = this.#books.get(apex)
    if (edit === null || book === undefined) return null
    const { before, image, owners } = edit
    if (!isDeepStrictEqual([before.keys, before.dnssec], [keys, dnssec])) return null
    return editSignedZone({ ...unsigned, image, owners }, opened, book, nowSeconds)
  }

  #whole(
    unsigned: UnsignedZone,
    keys: readonly SigningKey[],
    edit: ImageEdit | null,
    nowSeconds: number,
  ): Omit<CompiledSigned, 'isWhole'> {
    const { apex, name } = unsigned
    const rrsets = edit === null ? unsigned.rrsets : [...restOf(edit), ...unsigned.rrsets]
    const before = this.#books.get(apex) ?? new SignatureBook()
    const signed = signZone({ ...unsigned, rrsets }, keys, before, nowSeconds)
    const compiler = new ZoneCompiler(name, signed.soa, { signatures: signed.signatures })
    for (const rrset of signed.rrsets) compiler.add(rrset)
    for (const service of unsigned.services ?? []) compiler.addService(service.name, service.slot)
    const image = compiler.finish()
    this.#books.set(apex, signed.book)
    return { image, report: signed.report }
  }

  /** @returns what is known of a zone, also when it could not be signed; null for one that is not */
  reportOf({ apex, dnssec }: CatalogZone): SigningReport | null {
    return dnssec === null ? null : this.#report(apex)
  }

  #report(apex: string): SigningReport {
    return {
      ...reportOf(apex, this.#books.get(apex) ?? new SignatureBook()),
      trouble: this.#troubles.get(apex) ?? null,
    }
  }

  /** @throws SigningError when there are none */
  #keysOf({ apex, keys = [] }: CatalogZone): readonly SigningKey[] {
    if (keys.length === 0) throw new SigningError(`zone ${apex} has no key`)
    return this.#keys.of(apex, keys)
  }
}

/** What an image holds of a zone that is to be signed again, without the RRsets of the edited owners. */
function restOf({ image, owners }: ImageEdit): WireRrset[] {
  const left = new Set(owners.map((name) => Buffer.from(name).toString('latin1')))
  const rest: WireRrset[] = []
  for (let node = 0; node < image.nodeCount; node++) {
    beat()
    const owner = nameOf(image, node)
    if (left.has(Buffer.from(owner).toString('latin1'))) continue
    const end = image.firstRrset(node) + image.rrsetCount(node)
    for (let rrset = image.firstRrset(node); rrset < end; rrset++) {
      const type = image.type(rrset)
      if (type === types.soa || !isKept(type, node === 0)) continue
      rest.push({ owner, type, ttlSeconds: ttlOf(image, rrset), rdata: rdataOf(image, node, rrset) })
    }
  }
  return rest
}
