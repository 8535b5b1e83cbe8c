import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { askForShortTurns, loadSyscalls, SyscallError } from '../../../src/dataplane/listener/syscalls.ts'

t.test('the calls are those of the C library', async (t) => {
  const syscalls = loadSyscalls()
  // Whatever comes between, writing down what the test found too, may make calls of its own.
  t.same([syscalls.close(-1), syscalls.errno()], [-1, 9])
  t.ok(syscalls.address(new Uint8Array(4096)) > 0)
})

t.test('platforms whose structures nobody has looked at have none', async (t) => {
  t.throws(() => loadSyscalls('linux arm'), { message: 'there is none for linux arm' })
  t.throws(() => loadSyscalls('darwin arm64'), { message: 'there is none for darwin arm64' })
})

t.test('without koffi, or without its binary, the reason is one line', async (t) => {
  const require = () => {
    throw new Error('Cannot find module\nRequire stack:')
  }
  t.throws(() => loadSyscalls('linux x64', require), { message: "koffi can't be loaded: Cannot find module" })
})

t.test('an error names the call, the error and what it was about', async (t) => {
  t.match(new SyscallError('bind', 98, '[::1]:53'), {
    code: 'EADDRINUSE',
    message: 'bind EADDRINUSE: address already in use [::1]:53',
  })
  t.match(new SyscallError('poll', 9999), { code: 'error 9999', message: 'poll error 9999: unknown' })
})

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
