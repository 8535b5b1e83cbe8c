/** Finds the NSEC that speaks for a name in a signed zone, by a binary search of the zone's chain (`image.ts`). Allocates nothing. */
import { compareLabels } from '../wire/canonical.ts'
import type { NameScan } from '../wire/name-scan.ts'
import type { ZoneImage } from './image.ts'

/** A label as a name begins with it that is a wildcard (RFC 4592 section 2.1.1). */
const asteriskLabel = Uint8Array.of(1, 0x2a)

/** Where the labels below the apex begin in the name of the node that was looked at last; filled anew for each. */
const labelStarts = new Uint8Array(128)

/**
 * The node whose NSEC speaks for a name: the name's own, or the one that covers it, which is the last before it that has one.
 *
 * @param zone is signed
 * @param label label of `name` at which the name begins, which is the apex or below it
 * @param wildcard whether it is not that name but the wildcard right below it
 */
export function nsecNode(zone: ZoneImage, name: NameScan, label: number, wildcard: boolean): number {
  // The apex comes before all.
  let low = 0
  let high = zone.chainLength
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (isBehind(zone, zone.chainNode(middle), name, label, wildcard)) high = middle
    else low = middle
  }
  return zone.chainNode(low)
}

/** Whether a node comes behind a name in canonical order (RFC 4034 section 6.1). */
function isBehind(zone: ZoneImage, node: number, name: NameScan, label: number, wildcard: boolean): boolean {
  const { bytes } = zone
  const at = zone.name(node)
  const own = loadLabels(zone, node)
  const apexLabel = name.count - zone.apexLabels
  const asked = apexLabel - label + (wildcard ? 1 : 0)
  for (let i = 1; i <= own && i <= asked; i++) {
    const start = at + labelStarts[own - i]!
    const order =
      wildcard && i === asked
        ? compareLabels(bytes, start, asteriskLabel, 0)
        : compareLabels(bytes, start, name.bytes, name.offsets[apexLabel - i]!)
    if (order !== 0) return order > 0
  }
  return own > asked
}

/** How many labels a node's name has in common with the end of a name in the zone, those of the apex among them. */
export function commonLabels(zone: ZoneImage, node: number, name: NameScan): number {
  const { bytes, apexLabels } = zone
  const at = zone.name(node)
  const own = loadLabels(zone, node)
  const apexLabel = name.count - apexLabels
  let common = 0
  while (common < own && common < apexLabel) {
    const start = at + labelStarts[own - common - 1]!
    if (compareLabels(bytes, start, name.bytes, name.offsets[apexLabel - common - 1]!) !== 0) break
    common++
  }
  return apexLabels + common
}

/** Fills `labelStarts`. @returns how many labels the node's name has below the apex */
function loadLabels(zone: ZoneImage, node: number): number {
  const { bytes } = zone
  const at = zone.name(node)
  const own = zone.labels(node) - zone.apexLabels
  let offset = 0
  for (let i = 0; i < own; i++) {
    labelStarts[i] = offset
    offset += bytes[at + offset]! + 1
  }
  return own
}
