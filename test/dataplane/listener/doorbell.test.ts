import t from 'tap'
import { Doorbell } from '../../../src/dataplane/listener/doorbell.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { syscallsWith } from './listening-udp.ts'

const pollIn = 1

t.test('a ring can be waited for, and is counted', async (t) => {
  const syscalls = loadSyscalls()
  const bell = new Doorbell(syscalls)
  const poll = new Int32Array(new ArrayBuffer(8))
  const address = syscalls.address(new Uint8Array(poll.buffer))
  const isReady = () => {
    poll.set([bell.end.fd, pollIn])
    return syscalls.poll(address, 1, 0) === 1
  }
  const rings = new Int32Array(bell.end.rings)
  t.equal(isReady(), false)
  bell.ring()
  bell.ring()
  t.equal(rings[0], 2)
  t.equal(isReady(), true)
  bell.close()
  bell.close()
  // Its number may be somebody else's by now: nothing is written there.
  bell.ring()
  t.equal(rings[0], 2)
})

t.test('no descriptor left: an error', async (t) => {
  const syscalls = syscallsWith({ eventfd: () => -1, errno: () => 24 })
  t.throws(() => new Doorbell(syscalls), { code: 'EMFILE', message: /eventfd EMFILE: too many open files/ })
})
