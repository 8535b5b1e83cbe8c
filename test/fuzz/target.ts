/** What is fuzzed: a property of random input that holds whatever the input, by a seed. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'

/** For one input, which is small. */
const mostCpuUs = 10e6

export interface Target extends AsyncDisposable {
  /** @throws with what went wrong, for the smallest input that makes it so */
  check(seed: number, inputs: number): Promise<void>
  /** How many inputs take about a second. */
  readonly inputsPerSecond: number
}

/** @param judge throws, or says what is wrong with what came of an input */
export function targetOf<T>(
  inputsPerSecond: number,
  input: fc.Arbitrary<T>,
  judge: (input: T) => Promise<string | null> | string | null,
  dispose: () => Promise<void> = async () => undefined,
): Target {
  return {
    inputsPerSecond,
    check: (seed, numRuns) =>
      fc.assert(
        fc.asyncProperty(input, async (value) => {
          const before = process.cpuUsage()
          const problem = await judge(value)
          if (problem !== null) throw new Error(problem)
          const { user, system } = process.cpuUsage(before)
          if (user + system > mostCpuUs) throw new Error(`it took ${(user + system) / 1e6} s of CPU`)
        }),
        { seed, numRuns },
      ),
    [Symbol.asyncDispose]: dispose,
  }
}

/** Examples that mutation begins with: the files of a folder of the corpus. */
export function corpus(folder: string): readonly string[] {
  const place = fileURLToPath(new URL(`corpus/${folder}/`, import.meta.url))
  return readdirSync(place)
    .sort()
    .map((name) => readFileSync(place + name, 'utf8'))
}

/** Those of files that hold a line of hex each, with blanks and comments (#). */
export function hexCorpus(folder: string): readonly Buffer[] {
  return corpus(folder)
    .flatMap((text) => text.split('\n'))
    .map((line) => line.replace(/#.*/, '').replaceAll(/\s/g, ''))
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'hex'))
}
