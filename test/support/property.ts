/** Properties over random input, as often as somebody wants and again as it was when one failed. */
import fc from 'fast-check'

/** What a failing input is made smaller for; a smaller one that is looked for any longer helps nobody. */
const shrinkingMs = 20_000

/**
 * Tries whether something holds for whatever an arbitrary gives. `POOLDNS_TEST_RUNS` says how often; `POOLDNS_TEST_SEED`, with
 * `POOLDNS_TEST_PATH` for the one input alone, what failed before.
 *
 * @param runs where nothing is said
 * @param attempt throws for an input for which it does not hold
 * @throws Error with the smallest input found that fails, and what runs it again
 */
export async function holds<T>(
  arbitrary: fc.Arbitrary<T>,
  runs: number,
  attempt: (input: T) => Promise<void>,
): Promise<void> {
  const { POOLDNS_TEST_RUNS, POOLDNS_TEST_SEED, POOLDNS_TEST_PATH } = process.env
  let failedAt = Infinity
  const property = fc.asyncProperty(arbitrary, async (input) => {
    if (performance.now() - failedAt > shrinkingMs) return
    try {
      await attempt(input)
    } catch (error) {
      failedAt = Math.min(failedAt, performance.now())
      throw error
    }
  })
  const details = await fc.check(property, {
    numRuns: Number(POOLDNS_TEST_RUNS ?? runs),
    ...(POOLDNS_TEST_SEED === undefined ? {} : { seed: Number(POOLDNS_TEST_SEED) }),
    ...(POOLDNS_TEST_PATH === undefined ? {} : { path: POOLDNS_TEST_PATH, endOnFailure: true }),
  })
  if (!details.failed) return
  const again = `POOLDNS_TEST_SEED=${details.seed} POOLDNS_TEST_PATH=${details.counterexamplePath}`
  const cause = details.errorInstance
  const why = cause instanceof Error ? cause.message : String(cause)
  throw new Error(`again with ${again}\n${why}\nfor ${fc.stringify(details.counterexample)}`, { cause })
}
