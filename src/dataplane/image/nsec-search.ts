/** Finds the NSEC that speaks for a name in a signed zone, by a binary search of the zone's chain (`image.ts`). Allocates nothing. */
import { compareLabels } from '../wire/canonical.ts'
import type { NameScan } from '../wire/name-scan.ts'
import type { ZoneImage } from './image.ts'
import { asteriskLabel } from './nsec-chain.ts'

/** Words of the chain for each node: the key of its label right below the apex, and the node. */
export const chainWords = 2

/** Where the labels below the apex begin in the name of the node that was looked at last; filled anew for each. */
const labelStarts = new Uint8Array(128)

/**
 * The first four octets of a label as a signed number in whose order labels are, as far as they differ there. What is not there counts
 * as zero. Most steps of a search need look no further, nor at anything that lies elsewhere.
 *
 * @param at where the label's length stands
 */
export function labelKey(bytes: Uint8Array, at: number): number {
  const length = bytes[at]!
  let key = 0
  for (let i = 1; i <= 4; i++) key = (key << 8) | (i <= length ? bytes[at + i]! : 0)
  return key ^ 0x8000_0000
}

/**
 * The node whose NSEC speaks for a name: the name's own, or the one that covers it, which is the last before it that has one.
 *
 * @param zone is signed
 * @param label label of `name` at which the name begins, which is below the apex
 * @param wildcard whether it is not that name but the wildcard right below it; then the name may be the apex
 */
export function nsecNode(zone: ZoneImage, name: NameScan, label: number, wildcard: boolean): number {
  const { words, chain } = zone
  const apexLabel = name.count - zone.apexLabels
  const key =
    label === apexLabel ? labelKey(asteriskLabel, 0) : labelKey(name.bytes, name.offsets[apexLabel - 1]!)
  // The apex, of which the key says nothing, comes before all.
  let low = 0
  let high = zone.chainLength
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    const at = chain + chainWords * middle
    const other = words[at]!
    const behind = other === key ? isBehind(zone, words[at + 1]!, name, label, wildcard) : other > key
    if (behind) high = middle
    else low = middle
  }
  return words[chain + chainWords * low + 1]!
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
