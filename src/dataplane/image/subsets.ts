/** All subsets of a size, and with which probability successive draws by weight, without replacement, come to each. */

/** How many subsets of a size there are; infinite when they are beyond what a number holds exactly. */
export function binomial(count: number, size: number): number {
  let found = 1
  for (let i = 1; i <= Math.min(size, count - size); i++) {
    found = (found * (count - i + 1)) / i
    if (found > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY
  }
  return Math.round(found)
}

/** Indexes in ascending order, in lexical order. @param size 1 to `count` */
export function subsetsOf(count: number, size: number): number[][] {
  const subsets: number[][] = []
  const next = Array.from({ length: size }, (_, i) => i)
  for (;;) {
    subsets.push([...next])
    let at = size - 1
    while (at >= 0 && next[at] === count - size + at) at--
    if (at < 0) return subsets
    next[at]!++
    for (let i = at + 1; i < size; i++) next[i] = next[i - 1]! + 1
  }
}

/** Steps of the sum below, on a logarithmic scale: the error of a sum of equal steps over a smooth function falls off exponentially. */
const step = 0.3
/** Powers of e below which nothing counts: 1e-13. */
const enough = 30

/**
 * Shares of subsets of one size, all of them, up to a common factor.
 *
 * Candidates are clocks that ring after exponential times whose rates are their weights; the first to ring are those that successive draws
 * come to. So the subset S is drawn when all in it ring before all others (R), whose first rings at the rate w(R):
 *
 *     P(S) = integral over t of w(R) exp(-w(R) t) * product over S of (1 - exp(-w_i t))
 *
 * which is summed over t = exp(x). Rejected: the sum over all orders of S, which are too many, and that over its subsets.
 */
export function subsetShares(weights: readonly number[], subsets: readonly (readonly number[])[]): number[] {
  if (weights.every((weight) => weight === weights[0])) return subsets.map(() => 1)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const size = subsets[0]!.length
  const outer = 2 * size > weights.length
  const sides = outer ? subsets.map((subset) => without(weights.length, subset)) : subsets
  const sideWeights = sides.map((side) => side.reduce((sum, index) => sum + weights[index]!, 0))
  const shares = new Float64Array(subsets.length)
  const logs = new Float64Array(weights.length)
  const low = -Math.log(Math.max(...weights)) - enough / size
  const high = Math.log(enough) - Math.log(Math.min(...weights))
  for (let x = low; x < high; x += step) {
    const t = Math.exp(x)
    let allLogs = 0
    for (let i = 0; i < logs.length; i++) {
      logs[i] = Math.log(-Math.expm1(-weights[i]! * t))
      allLogs += logs[i]!
    }
    for (let subset = 0; subset < sides.length; subset++) {
      const rest = outer ? sideWeights[subset]! : total - sideWeights[subset]!
      let sideLogs = 0
      for (const index of sides[subset]!) sideLogs += logs[index]!
      const log = x - rest * t + (outer ? allLogs - sideLogs : sideLogs)
      if (log > -2 * enough - Math.log(rest)) shares[subset]! += rest * Math.exp(log)
    }
  }
  return [...shares]
}

/** The indexes that a subset lacks. */
function without(count: number, subset: readonly number[]): number[] {
  const has = new Set(subset)
  const lacks: number[] = []
  for (let index = 0; index < count; index++) if (!has.has(index)) lacks.push(index)
  return lacks
}
