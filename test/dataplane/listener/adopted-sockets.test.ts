/** Sockets that somebody else has opened, some of them of both families. */
import t from 'tap'
import { openUdp, prepareUdp } from '../../../src/dataplane/listener/bound-sockets.ts'
import { linux, loadSyscalls } from '../../../src/dataplane/listener/syscalls.ts'
import { startTcp } from '../../../src/dataplane/listener/tcp.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { adoptSocket } from '../../../src/supervisor/adopted-socket.ts'
import { query, readResponse, TcpClient, UdpClient } from '../../support/dns-client.ts'
import { answering } from './listening.ts'
import { generation, generationOf, question, startFleet } from './running-fleet.ts'
import { Transferring } from './transferring.ts'

const syscalls = loadSyscalls()

/** A socket on some port, as others open one: of both families when it is bound to `::`. */
function bindOther(type: number, host: string): number {
  const ipv6 = host.includes(':')
  const family = ipv6 ? linux.afInet6 : linux.afInet
  const fd = syscalls.socket(family, type | linux.sockCloexec, 0)
  const address = new Uint8Array(new ArrayBuffer(ipv6 ? 28 : 16))
  address[0] = family
  address.set(parseAddress(host)!, ipv6 ? 8 : 4)
  if (syscalls.bind(fd, syscalls.address(address), address.length) < 0)
    throw new Error(`errno ${syscalls.errno()}`)
  return fd
}

/** A socket for connections over either family, as systemd opens it by default. */
function listenOnBoth(): number {
  const fd = bindOther(linux.sockStream, '::')
  if (syscalls.listen(fd, 16) < 0) throw new Error(`errno ${syscalls.errno()}`)
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

t.test('a client over IPv4 has its own address on a socket for connections of both families', async (t) => {
  const fd = listenOnBoth()
  t.teardown(() => syscalls.close(fd))
  const { port } = adoptSocket(syscalls, fd)
  const parts = answering(true)
  const transferring = new Transferring(parts.responder, 1)
  const listener = await startTcp([{ host: '::', port, fd, dual: true }], {
    ...parts,
    responder: transferring,
  })
  t.teardown(() => listener.stop())
  for (const host of ['127.0.0.1', '::1']) {
    using client = await TcpClient.open({ host, port })
    t.ok(await client.exchange(query('example.test', 'AXFR')))
  }
  t.same(transferring.clients, [
    [127, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ])
})

/** By name, what the kernel has of the options of a socket for queries in datagrams. */
function optionsOf(fd: number, ipv6: boolean): Record<string, string> {
  const { solSocket, solIp, solIpv6 } = linux
  const memory = Buffer.from(new ArrayBuffer(256))
  const at = syscalls.address(memory)
  const option = (level: number, name: number) => {
    memory.writeUInt32LE(16, 128)
    if (syscalls.getsockopt(fd, level, name, at, at + 128) < 0) throw new Error(`errno ${syscalls.errno()}`)
    return memory.toString('hex', 0, memory.readUInt32LE(128))
  }
  return {
    information: ipv6 ? option(solIpv6, linux.ipv6RecvPktinfo) : option(solIp, linux.ipPktinfo),
    blocks: option(solSocket, linux.soRcvtimeo),
    receives: option(solSocket, linux.soRcvbuf),
    sends: option(solSocket, linux.soSndbuf),
    counts: option(solSocket, linux.soRxqOvfl),
    fragments: option(solIp, linux.ipMtuDiscover),
    ...(ipv6 && { fragments6: option(solIpv6, linux.ipv6MtuDiscover) }),
  }
}

for (const host of ['127.0.0.1', '0.0.0.0', '::1', '::']) {
  t.test(`one that somebody else has bound to ${host} is told what one of ours is told`, async (t) => {
    const ipv6 = host.includes(':')
    const ours = openUdp(syscalls, { host, port: 0, dual: false })
    const fd = bindOther(linux.sockDgram, host)
    t.teardown(() => {
      for (const each of [ours.fd, fd]) syscalls.close(each)
    })
    const wanted = optionsOf(ours.fd, ipv6)
    const before = optionsOf(fd, ipv6)
    for (const name of ['blocks', 'counts', 'fragments']) t.not(before[name], wanted[name], name)
    prepareUdp(syscalls, adoptSocket(syscalls, fd))
    t.same(optionsOf(fd, ipv6), wanted)
    const wildcard = host === '::' || host === '0.0.0.0'
    t.equal(wanted.information, wildcard ? '01000000' : '00000000')
  })
}

t.test('what is no socket can not be prepared', async (t) => {
  t.throws(() => prepareUdp(syscalls, { host: '::1', port: 1, fd: 1_000_000, dual: false }), {
    code: 'EBADF',
  })
})
