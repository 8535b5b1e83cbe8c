/**
 * A zone image with some owners' RRsets replaced: the image holds everything that it was compiled from, so that a change of
 * one RRset in a large zone needs neither its rows nor their text again. An edit that touches a few names is a patched copy of the
 * image (`patch/image-patch.ts`); one that touches many lays out the zone anew. Either way, what stays keeps its signatures.
 */
import { beat } from '../life/signs.ts'
import { types } from '../wire/constants.ts'
import { NameScan } from '../wire/name-scan.ts'
import { nameFields } from '../wire/rdata.ts'
import { negativeSoa, ZoneCompiler } from './compile.ts'
import type { ZoneImage } from './image.ts'
import { nameOf, rdataOf, ttlOf } from './image-contents.ts'
import { patchImage } from './patch/image-patch.ts'
import { keyOf, TooManyTouched } from './patch/patched-names.ts'
import { targetTypes, type WireRrset } from './rrset-encoder.ts'
import type { Signatures } from './signatures.ts'

/** Takes the same as a compiler does, of a zone that is edited. */
export type ZoneEditor = Pick<ZoneCompiler, 'add' | 'addService' | 'finish'>

/**
 * What an edit makes of a zone image: it holds what the image holds, without the services, the SOA, and the RRsets of some owners.
 *
 * @param apex lower-cased wire form
 * @param soa the new one
 * @param owners whose RRsets are left out, in lower-cased wire form; those that the zone doesn't have do no harm
 * @param signatures make it a signed zone: of what is added, and of what is copied and has none in the image, such as glue, which
 *   is the zone's own once its cut is gone
 * @param left RRsets of other owners that are left out too, with their nodes, and NSEC3s
 */
export function editZone(
  image: ZoneImage,
  apex: Uint8Array,
  soa: { readonly rdata: Uint8Array; readonly ttlSeconds: number },
  owners: Iterable<Uint8Array>,
  signatures?: Signatures,
  left: ReadonlyMap<number, number> = none,
): ZoneEditor {
  return new ImageEditor({ image, apex, soa, owners: [...owners], signatures: signatures ?? null, left })
}

const none: ReadonlyMap<number, number> = new Map()

interface ImageEdit {
  readonly image: ZoneImage
  readonly apex: Uint8Array
  readonly soa: { readonly rdata: Uint8Array; readonly ttlSeconds: number }
  readonly owners: readonly Uint8Array[]
  readonly signatures: Signatures | null
  readonly left: ReadonlyMap<number, number>
}

/** Bounded by the edit, until it is finished. */
class ImageEditor implements ZoneEditor {
  readonly #edit: ImageEdit
  readonly #added: WireRrset[] = []
  readonly #services = new Map<string, { readonly owner: Uint8Array; readonly slot: number }>()

  constructor(edit: ImageEdit) {
    this.#edit = edit
  }

  add(rrset: WireRrset): void {
    for (const octets of rrset.rdata) nameFields(rrset.type, octets)
    this.#added.push(rrset)
  }

  addService(owner: Uint8Array, slot: number): void {
    this.#services.set(keyOf(owner), { owner, slot })
  }

  finish(): SharedArrayBuffer {
    const { image, signatures } = this.#edit
    // Whether it is signed, and how, is nothing that one name has.
    if (image.isSigned !== (signatures !== null)) return this.#layOut()
    try {
      return this.#patch()
    } catch (error) {
      if (!(error instanceof TooManyTouched)) throw error
      return this.#layOut()
    }
  }

  #patch(): SharedArrayBuffer {
    const { image, apex, soa, owners, signatures, left } = this.#edit
    const own = { owner: apex, type: types.soa, ttlSeconds: soa.ttlSeconds, rdata: [soa.rdata] }
    const denies = (rrset: WireRrset) => rrset.type === types.nsec3 && signatures !== null
    return patchImage({
      image,
      apex,
      owners,
      left,
      added: [own, ...this.#added.filter((rrset) => !denies(rrset))],
      hashed: this.#added.filter(denies),
      services: this.#services,
      negativeSoa: negativeSoa(own),
      soaTtlSeconds: soa.ttlSeconds,
      signatures,
    })
  }

  /** Most RRsets are copied as they stand; those with targets are taken apart, because only their names tell which nodes they link to. */
  #layOut(): SharedArrayBuffer {
    const { image, apex, soa, owners, signatures, left } = this.#edit
    const dropped = new Set<number>()
    const scan = new NameScan()
    for (const owner of owners) {
      scan.load(owner, 0, owner.length)
      dropped.add(image.find(scan, 0))
    }
    const compiler = new ZoneCompiler(apex, soa, { like: image, signatures: signatures ?? undefined })
    for (const node of image.nodesInOrder()) {
      if (dropped.has(node)) continue
      beat()
      const end = image.firstRrset(node) + image.rrsetCount(node)
      for (let rrset = image.firstRrset(node); rrset < end; rrset++) {
        const type = image.type(rrset)
        if (type === types.soa || left.has(rrset)) continue
        const isDone = signatures === null || image.signatureCount(rrset) > 0
        if (isDone && !targetTypes.has(type)) compiler.addFrom(image, node, rrset)
        else {
          const owner = nameOf(image, node)
          compiler.add(
            { owner, type, ttlSeconds: ttlOf(image, rrset), rdata: rdataOf(image, node, rrset) },
            isDone ? { image, rrset } : undefined,
          )
        }
      }
    }
    if (image.isHashed && signatures !== null) {
      for (let index = 0; index < image.chainLength; index++)
        if (!left.has(image.firstHashed + index)) compiler.addHashedFrom(image, index)
    }
    for (const rrset of this.#added) compiler.add(rrset)
    for (const { owner, slot } of this.#services.values()) compiler.addService(owner, slot)
    return compiler.finish()
  }
}
