import type { KeyPrefix } from './plan-tree.ts'

/** The indexes of the children on the way from the root to a node. */
export type Way = readonly number[]

/** A tree of nodes can't be compiled. The message says which node is wrong. */
export class PlanError extends Error {
  constructor(way: Way, problem: string) {
    super(`plan, ${way.length === 0 ? 'root' : `node ${way.join('.')}`}: ${problem}`)
    this.name = 'PlanError'
  }
}

/** Above all 32-bit numbers. */
const wordEnd = 0x1_0000_0000

export function checkWhole(value: number, what: string, way: Way): void {
  if (!Number.isInteger(value) || value < 0 || value >= wordEnd)
    throw new PlanError(way, `${what} is ${value}, not a whole number of 32 bits`)
}

/** @throws PlanError unless there is at least one and at most `most` */
export function checkCount(count: number, most: number, what: string, way: Way): void {
  if (count < 1 || count > most) throw new PlanError(way, `${count} ${what}, not 1 to ${most}`)
}

export function checkWeights(weighted: readonly { readonly weight: number }[], way: Way): void {
  let sum = 0
  for (const { weight } of weighted) {
    if (!Number.isInteger(weight) || weight < 1)
      throw new PlanError(way, `the weight ${weight} is not a whole number of at least 1`)
    sum += weight
  }
  if (sum >= wordEnd) throw new PlanError(way, `the weights come to ${sum}, which is not below 2^32`)
}

export function checkPrefix(prefix: KeyPrefix | undefined, way: Way): KeyPrefix {
  if (prefix === undefined) throw new PlanError(way, 'a hash without prefix')
  const { ipv4, ipv6 } = prefix
  if (![ipv4, ipv6].every(Number.isInteger) || ipv4 < 1 || ipv4 > 32 || ipv6 < 1 || ipv6 > 128)
    throw new PlanError(way, `the prefix /${ipv4} (IPv4), /${ipv6} (IPv6) is not within 1 to 32, 1 to 128`)
  return prefix
}
