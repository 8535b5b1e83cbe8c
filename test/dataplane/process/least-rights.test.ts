import { readFileSync } from 'node:fs'
import t from 'tap'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { giveUpRights } from '../../../src/dataplane/process/least-rights.ts'

/** Of this thread, as the kernel tells it. */
function rights() {
  const status = readFileSync('/proc/thread-self/status', 'latin1')
  const told = (name: string) => new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(status)?.[1]
  return {
    effective: told('CapEff'),
    permitted: told('CapPrm'),
    inheritable: told('CapInh'),
    bound: told('NoNewPrivs'),
  }
}

t.test('a kernel that refuses', async (t) => {
  const syscalls = loadSyscalls()
  t.equal(giveUpRights({ ...syscalls, capset: () => -1, prctl: () => 0 }), false)
  t.equal(giveUpRights({ ...syscalls, capset: () => 0, prctl: () => -1 }), false)
})

t.test('nothing is left, whoever runs it', async (t) => {
  t.equal(giveUpRights(loadSyscalls()), true)
  const none = '0000000000000000'
  t.same(rights(), { effective: none, permitted: none, inheritable: none, bound: '1' })
  t.equal(giveUpRights(loadSyscalls()), true, 'once more changes nothing')
})
