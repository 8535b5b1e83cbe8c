/** `npm run fuzz`: random input by a seed, until the time is up or something is found. */
import { randomInt } from 'node:crypto'
import { parseFuzzArguments, usage } from './arguments.ts'
import { runTargets } from './run.ts'

try {
  const wanted = parseFuzzArguments(process.argv.slice(2), () => randomInt(2 ** 31))
  if (wanted === null) console.log(usage)
  else if (!(await runTargets({ ...wanted, say: console.log }))) process.exitCode = 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
