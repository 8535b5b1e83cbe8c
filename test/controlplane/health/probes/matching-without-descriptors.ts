/**
 * Takes all descriptors that its process may have, then matches, which needs a thread, and matches again at once; gives the
 * descriptors back, and matches until that can be done. Writes what came of it as JSON on standard output.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { PatternMatcher } from '../../../../src/controlplane/health/probes/pattern-matcher.ts'

const never = new AbortController().signal
const matcher = new PatternMatcher()
const match = () => matcher.match(['a', 'b'], Buffer.from('a'), never)
// Threads that match keep no process.
setInterval(() => {}, 60_000)

const taken: number[] = []
for (;;) {
  try {
    taken.push(openSync('/dev/null', 'r'))
  } catch {
    break
  }
}
const without = [...(await Promise.all([match(), match()])), await match()]
for (const fd of taken) closeSync(fd)
let after = await match()
// There is a pause between two tries.
while (!Array.isArray(after)) {
  await delay(20)
  after = await match()
}
writeSync(1, JSON.stringify({ without, after }))
process.exit(0)
