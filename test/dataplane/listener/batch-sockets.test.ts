/** What can go wrong when sockets are opened; what they do is in `udp-batch.test.ts`. */
import t from 'tap'
import { BatchSockets } from '../../../src/dataplane/listener/batch-sockets.ts'
import { loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { countingSockets, failing } from './listening-udp.ts'

const real = loadSyscalls()
const enosys = 38
const eafnosupport = 97
const eacces = 13

t.test('an address that can not be bound: what was opened before is closed', async (t) => {
  const { counted, open } = countingSockets({})
  const listen = ['127.0.0.1', '192.0.2.1'].map((host) => ({ host, port: 0 }))
  t.throws(() => new BatchSockets(counted, listen), {
    code: 'EADDRNOTAVAIL',
    message: /^bind EADDRNOTAVAIL: .* 192\.0\.2\.1:0$/,
  })
  t.equal(open.size, 0)
})

t.test('where a call is forbidden, opening says so', async (t) => {
  for (const [name, error, code] of [
    ['socket', eafnosupport, 'EAFNOSUPPORT'],
    ['recvmmsg', enosys, 'ENOSYS'],
    ['sendmmsg', enosys, 'ENOSYS'],
    ['setsockopt', eacces, 'EACCES'],
  ] as const) {
    const { call, errno } = failing(real[name] as (...args: number[]) => number, () => error)
    const { counted, open } = countingSockets({ [name]: call, errno })
    t.throws(() => new BatchSockets(counted, [{ host: '127.0.0.1', port: 0 }]), {
      code,
      message: new RegExp(`^${name} ${code}: .* 127\\.0\\.0\\.1:0$`),
    })
    t.equal(open.size, 0)
  }
})

t.test('closing twice closes each descriptor once', async (t) => {
  const { counted, open } = countingSockets({})
  const sockets = new BatchSockets(counted, [{ host: '127.0.0.1', port: 0 }])
  t.equal(open.size, 1)
  sockets.close()
  t.equal(open.size, 0)
  let closed = 0
  open.delete = () => ++closed > 0
  sockets.close()
  t.equal(closed, 0)
})
