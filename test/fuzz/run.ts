/** Fuzzing for a while: each target in turn, seed after seed. */
import type { Target } from './target.ts'
import { makeTarget, type TargetName } from './targets.ts'

export interface FuzzRun {
  readonly only: readonly TargetName[]
  /** The first; each further one is the next number. */
  readonly seed: number
  /** Null for one seed, whatever it takes. */
  readonly minutes: number | null
  /** Of a target with one seed; the same number makes the same inputs of a seed. */
  readonly seconds?: number
  readonly say: (line: string) => void
  readonly make?: (name: TargetName) => Promise<Target>
}

/** About what a target takes for one seed. */
const secondsOfASeed = 2

/** @returns whether nothing was found */
export async function runTargets({
  only,
  seed,
  minutes,
  say,
  make = makeTarget,
  ...run
}: FuzzRun): Promise<boolean> {
  const deadline = minutes === null ? 0 : performance.now() + minutes * 60_000
  const seconds = run.seconds ?? secondsOfASeed
  const found = new Set<TargetName>()
  const counts = new Map<TargetName, number>()
  let next = seed
  await using stack = new AsyncDisposableStack()
  const targets: [TargetName, Target][] = []
  for (const name of only) targets.push([name, stack.use(await make(name))])
  do {
    // Before it begins: who never ends has said by what.
    say(`seed ${next}`)
    for (const [name, target] of targets) {
      if (found.has(name)) continue
      const inputs = Math.ceil(target.inputsPerSecond * seconds)
      try {
        await target.check(next, inputs)
        counts.set(name, (counts.get(name) ?? 0) + inputs)
      } catch (error) {
        found.add(name)
        const { message, cause } = error as Error
        const why = cause instanceof Error ? `${cause.stack}\n` : ''
        say(
          `${name}: found by seed ${next}\n${message}\n${why}again: npm run fuzz -- --only ${name} --seed ${next}`,
        )
      }
    }
    next++
  } while (performance.now() < deadline && found.size < only.length)
  for (const name of only)
    say(`${name}: ${counts.get(name) ?? 0} inputs${found.has(name) ? ', and one that fails' : ''}`)
  return found.size === 0
}
