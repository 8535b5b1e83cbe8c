/**
 * Ends a run in order when it is interrupted or takes too long: the signal is what everything under way listens to, and
 * what was started is stopped on the way out.
 */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal
}

export function untilInterrupted(limitSeconds: number): Interruption {
  const controller = new AbortController()
  const interrupt = (name: NodeJS.Signals) => controller.abort(new Error(`interrupted (${name})`))
  const timer = setTimeout(
    () => controller.abort(new Error(`not done after ${limitSeconds} s`)),
    limitSeconds * 1000,
  )
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer)
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    },
  }
}
