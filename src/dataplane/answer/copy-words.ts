/**
 * Copies octets, as many at a time as views can, which is several times faster than arrays one by one, and without the garbage of `set`. As
 * a number eight octets would not fit; but a `BigInt` that goes from one view at once into another is never made: the compiler moves what is
 * in a register.
 */
export function copyWords(to: DataView, at: number, from: DataView, start: number, length: number): void {
  const end = at + length
  for (; at + 32 <= end; at += 32, start += 32) {
    to.setBigUint64(at, from.getBigUint64(start, true), true)
    to.setBigUint64(at + 8, from.getBigUint64(start + 8, true), true)
    to.setBigUint64(at + 16, from.getBigUint64(start + 16, true), true)
    to.setBigUint64(at + 24, from.getBigUint64(start + 24, true), true)
  }
  for (; at + 8 <= end; at += 8, start += 8) to.setBigUint64(at, from.getBigUint64(start, true), true)
  if (at + 4 <= end) {
    to.setUint32(at, from.getUint32(start, true), true)
    at += 4
    start += 4
  }
  for (; at < end; at++, start++) to.setUint8(at, from.getUint8(start))
}
