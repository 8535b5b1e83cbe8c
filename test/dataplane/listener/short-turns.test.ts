import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { askForShortTurns } from '../../../src/dataplane/listener/short-turns.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'

t.test('the kernel grants short turns to this thread', async (t) => {
  const before = sliceNanoseconds()
  t.equal(askForShortTurns(loadSyscalls()), true)
  // Kernels before 6.12 don't tell, and take no notice.
  const after = sliceNanoseconds()
  if (after === null) return t.equal(before, null)
  t.equal(after, 100_000)
  return t.not(before, 100_000)
})

/** Null where the kernel does not tell. */
function sliceNanoseconds(): number | null {
  const path = '/proc/thread-self/sched'
  if (!existsSync(path)) return null
  const told = /^slice\s*:\s*(\d+)$/m.exec(readFileSync(path, 'utf8'))
  return told === null ? null : Number(told[1])
}
