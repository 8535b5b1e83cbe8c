/** The chain that denies in a signed zone: which of its NSECs or NSEC3s prove what, by their owners. Apart from the server's own code. */
import { createHash } from 'node:crypto'
import { fold, type Labels, toWire } from './names.ts'
import type { TestZone } from './world.ts'

export interface Chain {
  /**
   * What shows that a name is not there, or has not the type, and no wildcard stands in for it.
   *
   * @param existing labels of its closest encloser; all of them for a name that is there
   */
  absence(name: Labels, existing: number): readonly Labels[]
  /** What shows that nothing stands closer to a name than the wildcard below so many of its labels. */
  closerThanWildcard(name: Labels, labels: number): Labels
}

const chains = new WeakMap<TestZone, Chain>()

/** @param zone is signed */
export function chainOf(zone: TestZone): Chain {
  let chain = chains.get(zone)
  if (chain === undefined) {
    const isHashed = zone.rrsets.some(({ type }) => type === 'NSEC3')
    chain = isHashed ? hashedChain(zone) : namedChain(zone)
    chains.set(zone, chain)
  }
  return chain
}

function namedChain(zone: TestZone): Chain {
  const sorted = zone.rrsets
    .filter(({ type }) => type === 'NSEC')
    .map(({ owner }) => [orderKey(owner), fold(owner)] as const)
    .sort(byKey)
  const speaker = (name: Labels) => lastNotBehind(sorted, orderKey(name))!
  return {
    absence: (name, existing) =>
      existing === name.length ? [speaker(name)] : [speaker(name), speaker(['*', ...name.slice(-existing)])],
    closerThanWildcard: speaker,
  }
}

function hashedChain(zone: TestZone): Chain {
  // A label of base32hex sorts as its octets do.
  const sorted = zone.rrsets
    .filter(({ type }) => type === 'NSEC3')
    .map(({ owner }) => [fold(owner)[0]!, fold(owner)] as const)
    .sort(byKey)
  const speaker = (name: Labels) => lastNotBehind(sorted, hashLabel(name)) ?? sorted.at(-1)![1]
  const closer = (name: Labels, labels: number) => speaker(name.slice(-labels - 1))
  return {
    absence(name, existing) {
      if (existing === name.length) return [speaker(name)]
      const encloser = name.slice(-existing)
      return [speaker(encloser), closer(name, existing), speaker(['*', ...encloser])]
    },
    closerThanWildcard: closer,
  }
}

type Owners = readonly (readonly [key: string, owner: Labels])[]

const byKey = ([a]: readonly [string, Labels], [b]: readonly [string, Labels]) => (a < b ? -1 : 1)

function lastNotBehind(sorted: Owners, key: string): Labels | undefined {
  return sorted.findLast(([other]) => other <= key)?.[1]
}

/** Sorts as names do (RFC 4034 section 6.1): labels from the right, each octet above what ends a label. */
function orderKey(name: Labels): string {
  return fold(name)
    .toReversed()
    .map((label) => `${label.replace(/./gs, (char) => String.fromCharCode(char.charCodeAt(0) + 1))}\0`)
    .join('')
}

/** The hash of a name without salt or iterations, in base32 with the extended hex alphabet (RFC 5155 sections 3.3 and 5). */
function hashLabel(name: Labels): string {
  const digest = createHash('sha1')
    .update(toWire(fold(name)))
    .digest()
  // 160 bits are 32 digits of five.
  return BigInt(`0x${digest.toString('hex')}`)
    .toString(32)
    .padStart(32, '0')
}
