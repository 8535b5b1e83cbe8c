/**
 * Slow start: a member that came back gets a tenth of its weight at once and the rest in a straight line, so that its
 * caches are warm before everybody is there. The line is a staircase, because each step recompiles the plans of the
 * services that use the pool: at most 20 of them, at least a second apart. A step is as high as the line is where it
 * begins, so that nothing comes early.
 */
const firstShare = 0.1
const mostSteps = 20
const shortestStepMs = 1000

interface Ramp {
  /** Share of the weight, 0.1..1. */
  readonly share: number
  /** When the next step is due; null when the share is whole and stays so. */
  readonly nextMs: number | null
}

const whole: Ramp = { share: 1, nextMs: null }

/**
 * @param upSinceMs when the member came up; null when that is so long ago, or so little known, that nobody would ask
 * @param slowStartMs 0 for no slow start
 * @param nowMs of the same clock as `upSinceMs`
 */
export function rampShare(upSinceMs: number | null, slowStartMs: number, nowMs: number): Ramp {
  if (upSinceMs === null) return whole
  // Rounded, so that a step that is due has come whatever fractions of a millisecond do.
  const elapsedMs = Math.max(0, Math.round(nowMs - upSinceMs))
  if (elapsedMs >= slowStartMs) return whole
  const stepMs = Math.max(shortestStepMs, Math.ceil(slowStartMs / mostSteps))
  const steps = Math.floor(elapsedMs / stepMs)
  return {
    share: firstShare + (1 - firstShare) * ((steps * stepMs) / slowStartMs),
    nextMs: upSinceMs + Math.min((steps + 1) * stepMs, slowStartMs),
  }
}
