/** The few statistics that the benchmark needs, all of them robust: on a shared machine there is always an outlier. */

/** What a figure was over several rounds. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** @throws RangeError of an empty list */
export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    50,
  )
}

/** @throws RangeError of an empty list */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/**
 * The percentile `percent` (0..100) of values in ascending order, between two of them when it falls there.
 * @throws RangeError of an empty list
 */
export function percentile(ascending: ArrayLike<number>, percent: number): number {
  if (ascending.length === 0) throw new RangeError('nothing was measured')
  const at = ((ascending.length - 1) * percent) / 100
  const below = ascending[Math.floor(at)]!
  return below + (ascending[Math.ceil(at)]! - below) * (at - Math.floor(at))
}

export interface Trend {
  /** Median of the slopes between all pairs of samples (Theil and Sen), in units of y for one of x. */
  readonly slope: number
  /**
   * How far the count of rising pairs lies from chance (Mann and Kendall), in standard deviations; above 3 hardly
   * anything but a rise explains it. Samples in a row resemble each other, which makes it larger than it should be: a
   * verdict needs a rise that matters besides.
   */
  readonly z: number
}

/**
 * Which way samples go, undisturbed by the saw teeth of a garbage collector. The pairs are quadratic: give it some
 * hundreds of samples, `x` ascending.
 * @throws RangeError of fewer than 3 samples
 */
export function trend(samples: readonly { readonly x: number; readonly y: number }[]): Trend {
  const n = samples.length
  if (n < 3) throw new RangeError(`a trend needs 3 samples, not ${n}`)
  const slopes: number[] = []
  let rising = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const rise = samples[j]!.y - samples[i]!.y
      rising += Math.sign(rise)
      slopes.push(rise / (samples[j]!.x - samples[i]!.x))
    }
  }
  const deviation = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)
  // One off towards zero: the count moves in steps of two.
  return { slope: median(slopes), z: (rising - Math.sign(rising)) / deviation }
}
