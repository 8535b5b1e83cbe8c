/**
 * Which clients something holds for, of services that steer by where clients are. Location maps say of every address in which area
 * it is; a plan may go by several of them, and by others than before, so areas of one map say nothing of another's. What
 * can be compared is addresses: laid over each other, the maps cut the address space into ranges in each of which a client is in
 * one area of every map, and no other.
 */
import { rangesOf } from '../../dataplane/image/location-map.ts'
import { formatIpv4, formatIpv6 } from '../../dataplane/wire/address.ts'
import { emptyRanges, overlay, type Ranges, type RangesOfBoth, type Starts } from '../location/ranges.ts'
import type { PreviewedMap } from './preview.ts'

/** Some clients, by where they are. */
export interface ClientNetworks {
  /** The first of their networks, as prefixes; or of those that they are not in. */
  readonly networks: readonly string[]
  readonly moreNetworks: number
  /** Whether it is all clients but those in these networks. */
  readonly allBut: boolean
}

/** Networks that are named. */
const mostNamed = 8

/** Areas of each map, in their order, that some clients are in at once. */
export interface Whereabouts {
  /** Ranges of addresses that are told apart. */
  readonly ranges: number
  readonly combinations: readonly (readonly number[])[]
  /**
   * The clients of some combinations.
   *
   * @param isMeant by the number of a combination
   * @returns null when it is all of them
   */
  clients(isMeant: (combination: number) => boolean): ClientNetworks | null
  /** Whether some client is in one of these combinations. */
  isAnywhere(isMeant: (combination: number) => boolean): boolean
}

/** Where clients can be, by no map, one or several. */
export function whereaboutsOf(maps: readonly PreviewedMap[]): Whereabouts {
  const combinations: number[][] = [[]]
  let ranges: RangesOfBoth = emptyRanges
  for (const { image } of maps) {
    const before = combinations.splice(0)
    const numbers = new Map<number, number>()
    ranges = overlay(ranges, rangesIn(image), (combination, area) => {
      const key = combination * 65_536 + area
      const known = numbers.get(key)
      if (known !== undefined) return known
      const number = combinations.push([...before[combination]!, area]) - 1
      numbers.set(key, number)
      return number
    })
  }
  return {
    ranges: ranges.ipv4.values.length + ranges.ipv6.values.length,
    combinations,
    isAnywhere: (isMeant) => [ranges.ipv4, ranges.ipv6].some(({ values }) => values.some(isMeant)),
    clients: (isMeant) => clientsIn(ranges, isMeant),
  }
}

function rangesIn(image: SharedArrayBuffer): RangesOfBoth {
  const { ipv4, ipv6 } = rangesOf(image)
  return {
    ipv4: { starts: ipv4.starts, values: Uint32Array.from(ipv4.areas) },
    ipv6: { starts: ipv6.starts, values: Uint32Array.from(ipv6.areas) },
  }
}

function clientsIn(
  { ipv4, ipv6 }: RangesOfBoth,
  isMeant: (combination: number) => boolean,
): ClientNetworks | null {
  const [inside, outside] = [new Networks(), new Networks()]
  const add = <S extends Starts>(family: Family, { starts, values }: Ranges<S>) => {
    for (let at = 0; at < values.length; ) {
      const isInside = isMeant(values[at]!)
      let end = at + 1
      while (end < values.length && isMeant(values[end]!) === isInside) end++
      const next = end < values.length ? BigInt(starts[end]!) : 1n << BigInt(family.bits)
      ;(isInside ? inside : outside).add(family, BigInt(starts[at]!), next)
      at = end
    }
  }
  add(families.ipv4, ipv4)
  add(families.ipv6, ipv6)
  if (outside.count === 0) return null
  const allBut = outside.count < inside.count && outside.count <= mostNamed
  const { names, count } = allBut ? outside : inside
  return { networks: names, moreNetworks: count - names.length, allBut }
}

/** IPv6 by the first 64 bits of an address: no map is finer. */
interface Family {
  readonly bits: number
  readonly format: (start: bigint) => string
}

const families: Readonly<Record<'ipv4' | 'ipv6', Family>> = {
  ipv4: {
    bits: 32,
    format: (start) => {
      const octets = Buffer.alloc(4)
      octets.writeUInt32BE(Number(start))
      return formatIpv4(octets)
    },
  },
  ipv6: {
    bits: 64,
    format: (start) => {
      const octets = Buffer.alloc(16)
      octets.writeBigUInt64BE(start)
      return formatIpv6(octets)
    },
  },
}

/** Ranges as the fewest prefixes: counted all, the first of them named. */
class Networks {
  readonly names: string[] = []
  count = 0

  /** @param end behind the last address */
  add({ bits, format }: Family, start: bigint, end: bigint): void {
    for (let at = start; at < end; ) {
      // As large as it may begin there, and not beyond the end.
      let size = at === 0n ? 1n << BigInt(bits) : at & -at
      while (at + size > end) size >>= 1n
      if (this.names.length < mostNamed) {
        this.names.push(`${format(at)}/${bits + 1 - size.toString(2).length}`)
      }
      this.count++
      at += size
    }
  }
}
