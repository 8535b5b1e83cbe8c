import t from 'tap'
import { chooseBackend } from '../../../src/dataplane/listener/backend.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'

const none = () => {
  throw new Error('there are none')
}

t.test('batches where they are to be had, and what was asked for', async (t) => {
  const syscalls = loadSyscalls()
  const load = () => syscalls
  t.same(chooseBackend('auto', load), {
    backend: { name: 'batch', reason: 'the system has what it needs' },
    syscalls,
  })
  t.match(chooseBackend('batch', load), { backend: { name: 'batch', reason: 'it was asked for' } })
  t.same(chooseBackend('dgram', none), {
    backend: { name: 'dgram', reason: 'it was asked for' },
    syscalls: null,
  })
  const reason = 'no batched UDP listener: there are none'
  t.same(chooseBackend('auto', none), { backend: { name: 'dgram', reason }, syscalls: null })
  t.throws(() => chooseBackend('batch', none), { code: 'ENOTSUP', message: reason })
  t.equal(chooseBackend('auto').backend.name, 'batch')
})
