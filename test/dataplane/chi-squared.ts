/** Whether counts are as expected: Pearson's test. */

/**
 * How far counts are from the expected ones, as a part of what would be exceeded by chance about once in three million times; so 1 and
 * more says that they are not as expected.
 *
 * @param shares expected, up to a common factor
 */
export function chiSquared(counts: readonly number[], shares: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const whole = shares.reduce((sum, share) => sum + share, 0)
  const found = shares.reduce((sum, share, i) => {
    const wanted = (total * share) / whole
    return sum + (counts[i]! - wanted) ** 2 / wanted
  }, 0)
  return found / limit(shares.length - 1)
}

/** The quantile at five standard deviations, by the approximation of Wilson and Hilferty (1931). */
function limit(degrees: number): number {
  const variance = 2 / (9 * degrees)
  return degrees * (1 - variance + 5 * Math.sqrt(variance)) ** 3
}
