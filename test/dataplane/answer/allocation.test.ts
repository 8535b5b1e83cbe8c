/** The query path allocates nothing: the garbage collector has nothing to do, however many queries there are. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const load = fileURLToPath(new URL('allocation-load.ts', import.meta.url))
/** The first rounds are run by code that is not optimised yet, and allocates; on a busy machine that takes a while. */
const rounds = 4
/** The young generation holds some MiB: one number on the heap for each of them would fill it several times. */
const queries = 250_000

t.test('answers cost no garbage', async (t) => {
  // Coverage, which comes by the environment, keeps code from being optimised as it is elsewhere.
  const args = ['-i', process.execPath, '--trace-gc', load, String(rounds), String(queries)]
  const { stdout } = await run('env', args)
  const collections = new Map<string, number[]>()
  for (const [, kind, between] of stdout.matchAll(/^begin (.*)$([\s\S]*?)^end \1$/gm)) {
    const count = between!.match(/Scavenge|Mark-Compact|Minor/g)?.length ?? 0
    collections.set(kind!, [...(collections.get(kind!) ?? []), count])
  }
  t.equal(collections.size, 33)
  for (const [kind, counts] of collections) {
    t.equal(counts.length, rounds)
    t.equal(Math.min(...counts), 0, `${kind}: ${counts.join(', ')}`)
  }
})
