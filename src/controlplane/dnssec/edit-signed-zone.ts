/**
 * An edit of a signed zone, out of the image that it has: what the edit leaves alone is copied with its signatures, so that an edit of a
 * large zone looks at what it changes. It comes to the same as signing the whole zone anew (`sign-zone.ts`), which is what is done where
 * the keys or the settings are others. Signed are
 *
 *     the SOA, and what the edited names own now
 *     what names own that a cut or a DNAME hides no more; what it hides from now on loses its signatures
 *     the NSEC of each such name and of names that are services now or were, and those whose next name is another one
 *     signatures that are to be made anew (`rrset-signer.ts`): all that are due where nothing else is edited, else no more than
 *     `renewedBeside`, so that an edit never waits for them
 */
import { editZone } from '../../dataplane/image/edit.ts'
import type { ZoneImage } from '../../dataplane/image/image.ts'
import { nameOf, rdataOf, ttlOf } from '../../dataplane/image/image-contents.ts'
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { canonicalRdata, sortRdata } from '../../dataplane/wire/canonical.ts'
import { rrHeadLength, types } from '../../dataplane/wire/constants.ts'
import type { SigningReport } from '../model/dnssec.ts'
import { changeChain, nsecsIn } from './chain-edit.ts'
import { EditedNames, type NodeRrsets } from './edited-names.ts'
import { changeHashedChain, nsec3Owner, nsec3sAt } from './hashed-chain-edit.ts'
import { isGood, signatureId } from './rrset-signer.ts'
import { apexRrsets, cappedRrset, reportOf, servedSoa, troubleOf, type UnsignedZone } from './sign-zone.ts'
import type { SignatureBook } from './signature-book.ts'
import { SigningTable } from './signing-table.ts'
import { isAboutKeys, type SigningKey, signersOf } from './zone-key.ts'

const renewedBeside = 1000

/** A zone of which some names are edited. */
export interface ZoneEdit extends UnsignedZone {
  /** As it is now, signed by the same keys and settings. */
  readonly image: ZoneImage
  /** Whose RRsets are others, in lower-cased wire form; `rrsets` are all that they own. */
  readonly owners: readonly Uint8Array[]
}

/**
 * @param book what the image is signed with; changed in place, when nothing can fail any more
 * @returns null when the whole zone must be signed: the book lacks signatures, or other TTLs are wanted of the chain
 * @throws SigningError that names the zone and the RRset
 */
export function editSignedZone(
  edit: ZoneEdit,
  keys: readonly SigningKey[],
  book: SignatureBook,
  nowSeconds: number,
): { readonly image: SharedArrayBuffer; readonly report: SigningReport } | null {
  const { image, name } = edit
  const soa = servedSoa(edit)
  if (denialTtlOf(image) !== soa.denialTtlSeconds || signaturesIn(image) !== book.size) return null
  const given = [
    ...edit.rrsets.map((rrset) => cappedRrset(edit, rrset)),
    soa.rrset,
    ...apexRrsets(edit, keys),
  ]
  const names = new EditedNames(image, edit, edit.owners, given)
  const chain = image.isHashed
    ? changeHashedChain(image, name, names, soa.denialTtlSeconds)
    : changeChain(image, names, soa.denialTtlSeconds)
  const edited = [...names]
  const dropped = new Set(edited.map(({ node }) => node))
  // Most of the time nothing is.
  const due = isAnyDue(book, nowSeconds) ? dueRrsets(edit, keys, nowSeconds, chain.left, dropped) : []
  const left = new Map([...chain.left, ...due])
  const renewed = Array.from(left, ([rrset, node]) => rrsetOf(image, node, rrset)).slice(chain.left.size)
  const table = new SigningTable(edit, keys, book, nowSeconds)
  for (const rrset of [soa.rrset, ...chain.added, ...renewed]) table.sign(rrset)
  for (const each of edited) for (const rrset of names.signed(each)?.signed ?? []) table.sign(rrset)
  const owners = edited.map((each) => each.name)
  const compiler = editZone(image, name, soa, owners, table, left)
  for (const rrset of [...edited.flatMap(({ rrsets }) => rrsets), ...chain.added, ...renewed])
    if (rrset.type !== types.soa) compiler.add(rrset)
  for (const service of edit.services ?? []) compiler.addService(service.name, service.slot)
  const compiled = compiler.finish()
  book.change(forgotten(image, dropped, left, keys), table.book)
  const report = { ...reportOf(edit.apex, book), made: table.made, trouble: troubleOf(keys) }
  return { image: compiled, report }
}

/** TTL of the chain; below 0 when there is none. */
function denialTtlOf(image: ZoneImage): number {
  if (!image.isSigned) return -1
  return ttlOf(image, image.isHashed ? image.firstHashed : image.rrset(0, types.nsec))
}

/** Signatures of all that nodes own, and of NSEC3s. */
function signaturesIn(image: ZoneImage): number {
  let count = 0
  for (let rrset = 0; rrset < image.negativeSoa; rrset++) count += image.signatureCount(rrset)
  return count
}

/** Whether a signature of a zone may have to be made anew. */
function isAnyDue(book: SignatureBook, nowSeconds: number): boolean {
  const { lastBegins, firstEnds } = book.times()
  return !isGood({ inception: lastBegins, expiration: firstEnds }, nowSeconds, true)
}

/** RRsets that need other signatures because of the time, with their nodes, besides those that are left or dropped anyway. */
function dueRrsets(
  { image, owners }: ZoneEdit,
  keys: readonly SigningKey[],
  nowSeconds: number,
  left: NodeRrsets,
  dropped: ReadonlySet<number>,
): NodeRrsets {
  const renews = new Map<boolean, boolean>()
  const mayRenew = (type: number, isApex: boolean) => {
    const isKeys = isAboutKeys(type, isApex)
    const known =
      renews.get(isKeys) ?? signersOf(keys, type, isApex).every(({ privateKey }) => privateKey !== null)
    renews.set(isKeys, known)
    return known
  }
  const most = owners.length === 0 ? Number.POSITIVE_INFINITY : renewedBeside
  const due: NodeRrsets = new Map()
  for (let node = 0; node < image.nodeCount && due.size < most; node++) {
    if (dropped.has(node)) continue
    const end = image.firstRrset(node) + image.rrsetCount(node)
    for (let rrset = image.firstRrset(node); rrset < end; rrset++) {
      const type = image.type(rrset)
      if (left.has(rrset) || type === types.soa) continue
      if (areGood(image, rrset, nowSeconds, mayRenew(type, node === 0))) continue
      // Those of a service stay together, in their order.
      for (const each of type === types.nsec ? nsecsIn(image, node) : [rrset]) due.set(each, node)
    }
  }
  const renewsHashed = mayRenew(types.nsec3, false)
  for (let place = 0; image.isHashed && place < image.chainLength && due.size < most; place++) {
    const rrset = image.firstHashed + place
    if (left.has(rrset) || due.has(rrset) || areGood(image, rrset, nowSeconds, renewsHashed)) continue
    for (const each of nsec3sAt(image, place)) due.set(each, 0)
  }
  return due
}

/** Whether the signatures of an RRset are used as they are. */
function areGood(image: ZoneImage, rrset: number, nowSeconds: number, renews: boolean): boolean {
  const { view } = image
  let at = image.wire(rrset) + image.wireLength(rrset)
  for (let count = image.signatureCount(rrset); count > 0; count--) {
    const rdata = at + rrHeadLength
    // RFC 4034 section 3.1.
    const times = { expiration: view.getUint32(rdata + 8), inception: view.getUint32(rdata + 12) }
    if (!isGood(times, nowSeconds, renews)) return false
    at = rdata + view.getUint16(rdata - 2)
  }
  return true
}

/** Whether it is an NSEC3 of the chain. */
const isChained = (image: ZoneImage, rrset: number) => image.isHashed && rrset >= image.firstHashed

/** @param node 0 for an NSEC3 of the chain */
function rrsetOf(image: ZoneImage, node: number, rrset: number): WireRrset {
  const rdata = rdataOf(image, node, rrset)
  const owner = isChained(image, rrset) ? nsec3Owner(image, rrset) : nameOf(image, node)
  return { owner, type: image.type(rrset), ttlSeconds: ttlOf(image, rrset), rdata }
}

/** Ids of the signatures of what is in an image no more. */
function forgotten(
  image: ZoneImage,
  dropped: ReadonlySet<number>,
  left: NodeRrsets,
  keys: readonly SigningKey[],
): string[] {
  const gone = [...left, [image.rrset(0, types.soa), 0] as const]
  for (const node of dropped) {
    const first = node < 0 ? 0 : image.firstRrset(node)
    const count = node < 0 ? 0 : image.rrsetCount(node)
    for (let rrset = first; rrset < first + count; rrset++) gone.push([rrset, node])
  }
  return gone.flatMap(([rrset, node]) => {
    if (image.signatureCount(rrset) === 0) return []
    const { rdata, ...rest } = rrsetOf(image, node, rrset)
    const data = sortRdata(rdata.map((octets) => canonicalRdata(rest.type, octets)))
    return signersOf(keys, rest.type, node === 0 && !isChained(image, rrset)).map((key) =>
      signatureId(key, { ...rest, data }),
    )
  })
}
