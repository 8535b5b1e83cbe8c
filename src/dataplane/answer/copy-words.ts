/**
 * Copies octets, sixteen a step, and then four, which views do several times faster than arrays one by one, and without the garbage of
 * `set`.
 */
export function copyWords(to: DataView, at: number, from: DataView, start: number, length: number): void {
  const end = at + length
  for (; at + 16 <= end; at += 16, start += 16) {
    to.setUint32(at, from.getUint32(start, true), true)
    to.setUint32(at + 4, from.getUint32(start + 4, true), true)
    to.setUint32(at + 8, from.getUint32(start + 8, true), true)
    to.setUint32(at + 12, from.getUint32(start + 12, true), true)
  }
  for (; at + 4 <= end; at += 4, start += 4) to.setUint32(at, from.getUint32(start, true), true)
  for (; at < end; at++, start++) to.setUint8(at, from.getUint8(start))
}
