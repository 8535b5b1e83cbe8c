/** The command line of `npm run fuzz`. */
import { parseArgs } from 'node:util'
import { type TargetName, targetNames } from './targets.ts'

export const usage = `npm run fuzz -- [options]
  --only A,B       only these of ${targetNames.join(', ')}
  --minutes N      how long in all (1); it goes from one seed to the next
  --seed N         this seed alone, once: as it was told of one that found something
  --help`

export interface FuzzArguments {
  readonly only: readonly TargetName[]
  readonly seed: number
  /** Null for one seed, whatever it takes. */
  readonly minutes: number | null
}

/**
 * What the arguments ask for; null when that is help.
 * @param anySeed where none is given
 * @throws Error that names the argument
 */
export function parseFuzzArguments(args: readonly string[], anySeed: () => number): FuzzArguments | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const only = values.only?.split(',').map((word) => {
    const found = targetNames.find((name) => name === word)
    if (found === undefined) throw new Error(`--only ${word}: not one of ${targetNames.join(', ')}`)
    return found
  })
  const seed = numberOf('--seed', values.seed, /^\d{1,10}$/)
  const minutes = numberOf('--minutes', values.minutes, /^\d{1,4}(\.\d+)?$/)
  return {
    only: only ?? targetNames,
    seed: seed ?? anySeed(),
    minutes: minutes ?? (seed === null ? 1 : null),
  }
}

function numberOf(argument: string, text: string | undefined, form: RegExp): number | null {
  if (text === undefined) return null
  if (!form.test(text)) throw new Error(`${argument} ${text}: not a number`)
  return Number(text)
}
