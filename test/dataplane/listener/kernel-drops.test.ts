import t from 'tap'
import { openUdp } from '../../../src/dataplane/listener/bound-sockets.ts'
import { KernelDrops } from '../../../src/dataplane/listener/kernel-drops.ts'
import { linux, loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { query, UdpClient } from '../../support/dns-client.ts'

const syscalls = loadSyscalls()

t.test('a socket that is full has dropped what came then', async (t) => {
  const drops = new KernelDrops(syscalls)
  const bound = openUdp(syscalls, { host: '127.0.0.1', port: 0, dual: false })
  t.teardown(() => syscalls.close(bound.fd))
  const octets = Int32Array.of(8192, ...Array(63))
  const at = syscalls.address(new Uint8Array(octets.buffer))
  syscalls.setsockopt(bound.fd, linux.solSocket, linux.soRcvbuf, at, 4)
  t.equal(drops.of(bound.fd), 0)
  await using client = await UdpClient.open(bound)
  for (let i = 0; i < 500; i++) client.send(query('www.example.test', 'A'))
  const dropped = drops.of(bound.fd)
  t.ok(dropped > 0 && dropped < 500, `${dropped} of 500`)
})

t.test('of what is no socket there is nothing to say', (t) => {
  t.equal(new KernelDrops(syscalls).of(1_000_000), 0)
  t.end()
})
