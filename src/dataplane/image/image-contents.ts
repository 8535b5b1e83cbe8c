/** What a zone image was compiled from, read out of it again: names, TTLs, and RDATA whose names are whole. */
import { ByteWriter, u16 } from '../wire/bytes.ts'
import { rrHeadLength } from '../wire/constants.ts'
import { fixupBases, maxFixupOffset, type ZoneImage } from './image.ts'

/** Lower-cased wire form. */
export function nameOf(image: ZoneImage, node: number): Uint8Array {
  return image.bytes.slice(image.name(node), image.name(node) + image.nameLength(node))
}

/** Whether a node lies below a name, in lower-cased wire form, of so many labels. */
export function isBelow(image: ZoneImage, node: number, name: Uint8Array, labels: number): boolean {
  if (image.labels(node) <= labels) return false
  const { bytes } = image
  const at = image.name(node)
  const start = at + image.nameLength(node) - name.length
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false
  let label = at
  while (label < start) label += bytes[label]! + 1
  return label === start
}

/** TTL in seconds of an RRset. */
export function ttlOf(image: ZoneImage, rrset: number): number {
  const at = image.wire(rrset) + 6
  return u16(image.bytes, at) * 0x1_0000 + u16(image.bytes, at + 2)
}

/** RDATA while it is put together; filled anew by each call, and as long as the longest so far (65,535 octets at most). */
const whole = new ByteWriter()

/**
 * RDATA of each RR of a node's RRset, its names whole. What was left out of a name comes back in the letters' case of the
 * place that it pointed to, as in a response.
 */
export function rdataOf(image: ZoneImage, node: number, rrset: number): Uint8Array[] {
  const { bytes } = image
  const start = image.wire(rrset)
  const count = image.fixupCount(rrset)
  const rdata: Uint8Array[] = []
  let at = 0
  let index = 0
  for (let rr = image.rrCount(rrset); rr > 0; rr--) {
    const end = at + rrHeadLength + u16(bytes, start + at + rrHeadLength - 2)
    whole.length = 0
    at += rrHeadLength
    for (; index < count && placeOf(image.fixup(rrset, index)) < end; index++) {
      const fixup = image.fixup(rrset, index)
      whole.append(bytes, start + at, start + placeOf(fixup))
      appendTarget(image, node, rrset, fixup, whole)
      at = placeOf(fixup) + 2
    }
    whole.append(bytes, start + at, start + end)
    rdata.push(whole.finish())
    at = end
  }
  return rdata
}

/** Where in the wire form of its RRset the two octets of a fix-up are. */
function placeOf(fixup: number): number {
  return fixup & 0xffff
}

/** Appends the name that a fix-up points to. */
function appendTarget(image: ZoneImage, node: number, rrset: number, fixup: number, out: ByteWriter): void {
  const { bytes, apexName, apexLength } = image
  const base = fixup >>> 30
  const offset = (fixup >>> 16) & maxFixupOffset
  if (base === fixupBases.apex) out.append(bytes, apexName + offset, apexName + apexLength)
  else if (base === fixupBases.owner) {
    out.append(bytes, image.name(node) + offset, image.name(node) + image.nameLength(node))
  } else {
    // Labels, and then the root or another pointer: the first fix-up from there on, unless the root comes before it.
    const start = image.wire(rrset)
    let index = 0
    while (placeOf(image.fixup(rrset, index)) < offset) index++
    const next = image.fixup(rrset, index)
    let end = offset
    while (end !== placeOf(next) && bytes[start + end] !== 0) end += bytes[start + end]! + 1
    const pointed = end === placeOf(next)
    out.append(bytes, start + offset, start + end + (pointed ? 0 : 1))
    if (pointed) appendTarget(image, node, rrset, next, out)
  }
}
