/** Prefixes as ranges: where prefixes are inside each other, the longest counts. */
import { parsePrefix } from '../../dataplane/wire/prefix.ts'
import { ControlError } from '../model/errors.ts'
import {
  ipv4Start,
  ipv6Start,
  newIpv4Starts,
  newIpv6Starts,
  type RangesOfBoth,
  RangeWriter,
} from './ranges.ts'

interface Span {
  readonly start: bigint
  readonly end: bigint
  readonly length: number
  readonly value: number
}

/**
 * A prefix of IPv6 that is longer than 64 bits stands for its first 64: see `Ranges`. Where prefixes are the same then, the
 * longest counts, and of equal ones the first.
 *
 * @returns ranges with the value 0 outside every prefix, else 1 more than the prefix's number
 * @param entries prefixes, such as `192.0.2.0/24`, with a number
 * @throws ControlError `invalid` for a text that is no prefix
 */
export function cidrRanges(entries: readonly (readonly [prefix: string, number: number])[]): RangesOfBoth {
  const spans: Record<4 | 6, Span[]> = { 4: [], 6: [] }
  for (const [prefix, number] of entries) {
    const { family, span } = spanOf(prefix, number + 1)
    spans[family].push(span)
  }
  const ipv4 = new RangeWriter(newIpv4Starts)
  sweep(spans[4], (start, value) => ipv4.add(Number(start), value), 1n << 32n)
  const ipv6 = new RangeWriter(newIpv6Starts)
  sweep(spans[6], (start, value) => ipv6.add(start, value), 1n << 64n)
  return { ipv4: ipv4.finish(), ipv6: ipv6.finish() }
}

/** Spans are apart or inside each other. */
function sweep(spans: readonly Span[], emit: (start: bigint, value: number) => void, end: bigint): void {
  emit(0n, 0)
  const open: Span[] = []
  const closeUpTo = (address: bigint) => {
    while (open.length > 0 && open.at(-1)!.end <= address) {
      const closed = open.pop()!
      if (closed.end < end) emit(closed.end, open.at(-1)?.value ?? 0)
    }
  }
  // Of spans that are the same, the one that counts comes last, and is innermost.
  const ordered = spans.toReversed().sort((a, b) => compare(a.start, b.start) || a.length - b.length)
  for (const span of ordered) {
    closeUpTo(span.start)
    open.push(span)
    emit(span.start, span.value)
  }
  closeUpTo(end)
}

const compare = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)

function spanOf(text: string, value: number) {
  const prefix = parsePrefix(text)
  if (prefix === null) {
    throw new ControlError('invalid', `${text} is not a prefix such as 192.0.2.0/24 or 2001:db8::/32`)
  }
  const { address, length } = prefix
  const [family, bits, start] =
    address.length === 4
      ? ([4, 32, BigInt(ipv4Start(address))] as const)
      : ([6, 64, ipv6Start(address)] as const)
  const size = 1n << BigInt(bits - Math.min(length, bits))
  const first = start - (start % size)
  return { family, span: { start: first, end: first + size, length, value } }
}
