/** Sockets that somebody else has opened, and that are of both families. */
import t from 'tap'
import { openUdp, prepareUdp } from '../../../src/dataplane/listener/bound-sockets.ts'
import { linux, loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { adoptSocket } from '../../../src/supervisor/adopted-socket.ts'
import { query, readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { generation, generationOf, question, startFleet } from './running-fleet.ts'

const syscalls = loadSyscalls()

/** A socket for connections over either family, as systemd opens it by default. */
function listenOnBoth(): number {
  const fd = syscalls.socket(linux.afInet6, linux.sockStream | linux.sockCloexec, 0)
  const address = new Uint8Array(new ArrayBuffer(28))
  address[0] = linux.afInet6
  if (syscalls.bind(fd, syscalls.address(address), address.length) < 0 || syscalls.listen(fd, 16) < 0)
    throw new Error(`errno ${syscalls.errno()}`)
  return fd
}

t.test('clients of both families are answered by one socket each', async (t) => {
  const fd = listenOnBoth()
  const { port } = adoptSocket(syscalls, fd)
  const udp = openUdp(syscalls, { host: '::', port, dual: true })
  prepareUdp(syscalls, udp)
  const tcp = { host: '::', port, fd, dual: true }
  const { fleet } = await startFleet(t, { sockets: { tcp: [tcp], udp: [[udp]] } }, generation(1))
  for (const host of ['127.0.0.1', '::1']) {
    await using client = await UdpClient.open({ host, port })
    t.equal(generationOf(readResponse(await client.insist(question))), 1)
    using stream = await TcpClient.open({ host, port })
    t.match(readResponse((await stream.exchange(query('a.one.test', 'A')))!), { rcode: 0 })
  }
  await fleet.stop()
  syscalls.close(fd)
  syscalls.close(udp.fd)
})

t.test('what is no socket can not be prepared', async (t) => {
  t.throws(() => prepareUdp(syscalls, { host: '::1', port: 1, fd: 1_000_000, dual: false }), {
    code: 'EBADF',
  })
})
