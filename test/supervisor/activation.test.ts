/** Sockets that somebody else has opened: what is taken of them, and what is refused by name. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { openTcp, openUdp } from '../../src/dataplane/listener/bound-sockets.ts'
import { linux, loadSyscalls } from '../../src/dataplane/listener/syscalls.ts'
import { type Activation, holdActivated, takeActivation } from '../../src/supervisor/activation.ts'
import { freePort } from '../support/free-port.ts'

const syscalls = loadSyscalls()

t.test('the environment says what was handed over, to whom, and is told to nobody else', async (t) => {
  const take = (fields: Record<string, string>, pid = 7) => {
    const environment: Record<string, string | undefined> = { LISTEN_PID: '7', ...fields, OTHER: '1' }
    const taken = takeActivation(environment, pid)
    t.same(environment, { OTHER: '1' })
    return taken
  }
  t.equal(take({}), null)
  t.equal(take({ LISTEN_FDS: '2' }, 8), null, 'for somebody else')
  t.equal(take({ LISTEN_FDS: '0' }), null)
  t.same(take({ LISTEN_FDS: '2' }), { fds: [3, 4], names: ['socket 3', 'socket 4'] })
  t.same(take({ LISTEN_FDS: '2', LISTEN_FDNAMES: 'dns:' })!.names, ['socket 3 (dns)', 'socket 4'])
  for (const [fields, message] of [
    [{ LISTEN_FDS: 'two' }, 'LISTEN_FDS: "two" is no number from 0 to 1024'],
    [{ LISTEN_FDS: '1025' }, 'LISTEN_FDS: "1025" is no number from 0 to 1024'],
    [{ LISTEN_FDS: '2', LISTEN_FDNAMES: 'dns' }, 'LISTEN_FDNAMES has 1 names for 2 sockets'],
  ] as const) {
    const environment = { LISTEN_PID: '7', ...fields }
    t.throws(() => takeActivation(environment, 7), { name: 'ActivationError', message })
  }
})

const handed = (...fds: number[]): Activation => ({
  fds,
  names: fds.map((_, index) => `socket ${3 + index}`),
})
const anywhere = { udpWorkers: 1, listen: null }

function pair(host = '127.0.0.1', dual = false) {
  const tcp = openTcp(syscalls, { host, port: 0 })
  const udp = openUdp(syscalls, { host, port: tcp.port, dual })
  return { tcp, udp, port: tcp.port }
}

function close(t: Test, ...fds: number[]): void {
  t.teardown(() => {
    for (const fd of fds) syscalls.close(fd)
  })
}

t.test('both families, and both wildcards in one', async (t) => {
  const [ipv4, ipv6] = [pair(), pair('::1')]
  const fds = [ipv4.tcp.fd, ipv4.udp.fd, ipv6.udp.fd, ipv6.tcp.fd]
  using held = holdActivated(syscalls, handed(...fds), anywhere)
  t.same(held.bound, [
    { host: '127.0.0.1', port: ipv4.port },
    { host: '::1', port: ipv6.port },
  ])
  t.same(
    held.sockets.tcp.map(({ fd }) => fd),
    [ipv4.tcp.fd, ipv6.tcp.fd],
  )
  t.same(held.sockets.udp, [[ipv4.udp, ipv6.udp].map((socket) => ({ ...socket, transport: 'udp' }))])
  const wildcard = createServer()
  wildcard.listen(0, '::')
  await once(wildcard, 'listening')
  t.teardown(() => wildcard.close())
  const { fd } = (wildcard as unknown as { _handle: { fd: number } })._handle
  const { port } = wildcard.address() as { port: number }
  const udp = openUdp(syscalls, { host: '::', port, dual: true })
  close(t, udp.fd)
  const both = holdActivated(syscalls, handed(fd, udp.fd), anywhere)
  t.same(both.bound, [
    { host: '0.0.0.0', port },
    { host: '::', port },
  ])
  t.equal(both.sockets.udp[0]![0]!.dual, true)
})

t.test('sockets are shared out: each is read, and each worker reads one', async (t) => {
  const { tcp, udp, port } = pair()
  const more = [1, 2].map(() => openUdp(syscalls, { host: '127.0.0.1', port, dual: false }))
  const fds = [tcp, udp, ...more].map(({ fd }) => fd)
  close(t, ...fds)
  const shares = (udpWorkers: number) =>
    holdActivated(syscalls, handed(...fds), { udpWorkers, listen: null }).sockets.udp.map((each) =>
      each.map(({ fd }) => fds.indexOf(fd)),
    )
  t.same(shares(1), [[1, 2, 3]])
  t.same(shares(2), [[1, 3], [2]])
  t.same(shares(3), [[1], [2], [3]])
  t.same(shares(5), [[1], [2], [3], [1], [2]])
})

t.test('what does not fit together is refused, and says so', async (t) => {
  const { tcp, udp, port } = pair()
  const idle = syscalls.socket(linux.afInet, linux.sockStream | linux.sockCloexec, 0)
  const unbound = syscalls.socket(linux.afInet, linux.sockDgram | linux.sockCloexec, 0)
  const unix = syscalls.socket(linux.afUnix, linux.sockStream | linux.sockCloexec, 0)
  close(t, tcp.fd, udp.fd, idle, unbound, unix)
  const at = `127.0.0.1:${port}`
  const other = { host: '127.0.0.1', port: 1 }
  for (const [fds, listen, message] of [
    [[1_000_000], null, /^socket 3 can't be used: getsockopt EBADF/],
    [[tcp.fd, unix], null, /^socket 4 can't be used: it is neither one of UDP nor one of TCP$/],
    [[idle], null, /^socket 3 can't be used: it is one of TCP, and does not listen$/],
    [[unbound], null, /^socket 3 can't be used: it is bound to no port$/],
    [[tcp.fd], null, `a socket was handed over for TCP at ${at}, and none for UDP there`],
    [[udp.fd], null, `a socket was handed over for UDP at ${at}, and none for TCP there`],
    [
      [tcp.fd, udp.fd],
      [other],
      '127.0.0.1:1, of POOLDNS_DNS_LISTEN, is not among the sockets that were handed over',
    ],
    [
      [
        tcp.fd,
        udp.fd,
        ...Object.values(pair('::1')).flatMap((each) => (typeof each === 'number' ? [] : [each.fd])),
      ],
      [{ host: '127.0.0.1', port }],
      /^\[::1\]:\d+ is among the sockets that were handed over, but not in POOLDNS_DNS_LISTEN$/,
    ],
  ] as const) {
    t.throws(() => holdActivated(syscalls, handed(...fds), { udpWorkers: 1, listen }), {
      name: 'ActivationError',
      message,
    })
  }
  t.ok(
    holdActivated(syscalls, handed(tcp.fd, udp.fd), { udpWorkers: 1, listen: [{ host: '127.0.0.1', port }] }),
  )
})

t.test('a socket that a library has opened is as good', async (t) => {
  const socket = createSocket('udp4')
  const port = await freePort()
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  const tcp = openTcp(syscalls, { host: '127.0.0.1', port })
  close(t, tcp.fd)
  const { fd } = (socket as unknown as Record<symbol, { handle: { fd: number } }>)[
    Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === 'state symbol')!
  ]!.handle
  t.same(holdActivated(syscalls, handed(fd, tcp.fd), anywhere).bound, [{ host: '127.0.0.1', port }])
})
