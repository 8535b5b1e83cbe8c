/**
 * The weights of a step. What moves are shares, not weights: two sides may count in different measures (100 and 0 before, 3 and 1
 * after), so a step is a mixture of the shares of both, in weights that add up to `scale` or a fraction of it. Either end has the
 * weights that it was given.
 */
import type { GradualPart, MovedWeight } from '../model/gradual.ts'

/** Near the largest weight (65,535), and divisible by what people divide by: a share is right within a 60,000th of all answers. */
const scale = 60_000

type Side = 'before' | 'after'

/** The weights at so many percent of the way, by key. */
export function weightsAt({ weights }: Pick<GradualPart, 'weights'>, percent: number): Map<string, number> {
  if (percent === 0 || percent === 100) {
    const side: Side = percent === 0 ? 'before' : 'after'
    return new Map(weights.map((weight) => [weight.key, weight[side]]))
  }
  const before = sharesOf(weights, 'before')
  const after = sharesOf(weights, 'after')
  const mixed = weights.map((_, index) => {
    const share = (before[index]! * (100 - percent) + after[index]! * percent) / 100
    // Whoever has a share has a weight: 0 would be a last resort.
    return share === 0 ? 0 : Math.max(1, Math.round(share * scale))
  })
  const divisor = mixed.reduce(greatestDivisor, 0)
  return new Map(weights.map(({ key }, index) => [key, mixed[index]! / divisor]))
}

/** The share of each key in the answers while everything is up, from 0 to 1. */
export function sharesAt(part: Pick<GradualPart, 'weights'>, percent: number): Map<string, number> {
  const weights = weightsAt(part, percent)
  const sum = [...weights.values()].reduce((total, weight) => total + weight, 0)
  return new Map(Array.from(weights, ([key, weight]) => [key, weight / sum]))
}

/** The keys that have a larger share after the change than before. */
export function gaining({ weights }: Pick<GradualPart, 'weights'>): string[] {
  const before = sharesOf(weights, 'before')
  const after = sharesOf(weights, 'after')
  return weights.flatMap(({ key }, index) => (after[index]! > before[index]! ? [key] : []))
}

/** Of weights that are not all 0. */
function sharesOf(weights: readonly MovedWeight[], side: Side): number[] {
  const sum = weights.reduce((total, weight) => total + weight[side], 0)
  return weights.map((weight) => weight[side] / sum)
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b))
