/**
 * Sockets that are opened by system calls, so that they are descriptors, which can be handed to a thread or to another process, and
 * outlive whoever answers by them.
 */
import { parseAddress } from '../wire/address.ts'
import { sockaddrOctets } from './batch-buffers.ts'
import { type BoundSocket, formatListenAddress, isWildcard, type ListenAddress } from './listener.ts'
import { linux, SyscallError, type Syscalls } from './syscalls.ts'

/** Asked of the kernel for each socket, to ride out bursts; it may grant less. */
const bufferOctets = 4 << 20
/** How long a receive blocks; a clock tick of the kernel makes it longer. */
const blockMs = 2
/** Room for sockaddrs and option values; large enough to lie outside the heap, where nothing moves it. */
const scratchOctets = 256
/** Where the length of a sockaddr is kept, behind it. */
const lengthAt = 64
/** Connections that wait to be accepted. */
export const backlog = 1024

export interface Wanted extends ListenAddress {
  readonly dual: boolean
}

/**
 * Another descriptor of a socket, to be closed by whoever asks. The socket lives as long as one of them.
 *
 * @throws SyscallError
 */
export function copyOf(syscalls: Syscalls, fd: number): number {
  const copy = syscalls.fcntl(fd, linux.dupfdCloexec, 0)
  if (copy < 0) throw new SyscallError('fcntl', syscalls.errno())
  return copy
}

/**
 * Has descriptors be of a socket to which nothing ever comes. Whoever reads by them takes nothing any more from the sockets that they
 * were of, which others have, too. Where the system gives no such socket, all stays as it was.
 */
export function deafen(syscalls: Syscalls, fds: readonly number[]): void {
  const { afInet, sockDgram, sockNonblock, sockCloexec } = linux
  const deaf = syscalls.socket(afInet, sockDgram | sockNonblock | sockCloexec, 0)
  if (deaf < 0) return
  for (const fd of fds) syscalls.dup3(deaf, fd, sockCloexec)
  syscalls.close(deaf)
}

/** The addresses that a socket is bound to. */
export function listensOn({ host, port, dual }: BoundSocket): ListenAddress[] {
  return dual
    ? [
        { host: '0.0.0.0', port },
        { host, port },
      ]
    : [{ host, port }]
}

/** The two wildcard addresses of a port become one. */
export function mergeWildcards(listen: readonly ListenAddress[]): Wanted[] {
  const has = (host: string, port: number) =>
    listen.some((address) => address.host === host && address.port === port)
  return listen.flatMap(({ host, port }) => {
    if (host === '::') return [{ host, port, dual: has('0.0.0.0', port) }]
    return host === '0.0.0.0' && has('::', port) ? [] : [{ host, port, dual: false }]
  })
}

/** For queries in datagrams. Other sockets of ours may be bound to the same address, and the kernel spreads clients over them. */
export function openUdp(syscalls: Syscalls, wanted: Wanted): BoundSocket {
  const { host, port } = wanted
  const ipv6 = host.includes(':')
  const wildcard = isWildcard(wanted)
  return open(syscalls, linux.sockDgram, wanted, (socket) => {
    socket.set(linux.solSocket, linux.soReuseport, 1)
    prepare(socket, { ipv6, wildcard })
    const bound = socket.bind(host, port)
    socket.probe()
    return bound
  })
}

/** What a socket for queries in datagrams must be told, besides where it is bound. */
function prepare(socket: SocketSetup, { ipv6, wildcard }: { ipv6: boolean; wildcard: boolean }): void {
  if (wildcard && ipv6) socket.set(linux.solIpv6, linux.ipv6RecvPktinfo, 1)
  if (wildcard && !ipv6) socket.set(linux.solIp, linux.ipPktinfo, 1)
  socket.setTime(linux.solSocket, linux.soRcvtimeo, blockMs)
  socket.ask(linux.solSocket, linux.soRcvbuf, bufferOctets)
  socket.ask(linux.solSocket, linux.soSndbuf, bufferOctets)
  socket.ask(linux.solSocket, linux.soRxqOvfl, 1)
  socket.ask(linux.solIp, linux.ipMtuDiscover, linux.pmtudiscOmit)
  if (ipv6) socket.ask(linux.solIpv6, linux.ipv6MtuDiscover, linux.pmtudiscOmit)
}

/** Makes a socket that somebody else has bound one for queries in datagrams. @throws SyscallError */
export function prepareUdp(syscalls: Syscalls, on: BoundSocket): void {
  const socket = new SocketSetup(syscalls, on.fd, formatListenAddress(on))
  prepare(socket, { ipv6: on.host.includes(':'), wildcard: isWildcard(on) })
  socket.probe()
}

/** For connections; clients may connect at once, and wait to be accepted. Nobody else may be bound to the address. */
export function openTcp(syscalls: Syscalls, { host, port }: ListenAddress): BoundSocket {
  return open(syscalls, linux.sockStream, { host, port, dual: false }, (socket) => {
    socket.set(linux.solSocket, linux.soReuseaddr, 1)
    const bound = socket.bind(host, port)
    socket.listen(backlog)
    return bound
  })
}

/** @param setUp returns the port that it has bound */
function open(
  syscalls: Syscalls,
  type: number,
  { host, port, dual }: Wanted,
  setUp: (socket: SocketSetup) => number,
): BoundSocket {
  const ipv6 = host.includes(':')
  const where = formatListenAddress({ host, port })
  const fd = syscalls.socket(ipv6 ? linux.afInet6 : linux.afInet, type | linux.sockCloexec, 0)
  if (fd < 0) throw new SyscallError('socket', syscalls.errno(), where)
  const socket = new SocketSetup(syscalls, fd, where)
  try {
    if (ipv6) socket.set(linux.solIpv6, linux.ipv6V6only, dual ? 0 : 1)
    return { fd, host, port: setUp(socket), dual }
  } catch (error) {
    syscalls.close(fd)
    throw error
  }
}

/** Options, address and first use of a new socket. */
class SocketSetup {
  readonly #syscalls: Syscalls
  readonly #fd: number
  readonly #where: string
  readonly #memory = new Uint8Array(scratchOctets)
  readonly #view = new DataView(this.#memory.buffer)
  readonly #at: number

  constructor(syscalls: Syscalls, fd: number, where: string) {
    this.#syscalls = syscalls
    this.#fd = fd
    this.#where = where
    this.#at = syscalls.address(this.#memory)
  }

  set(level: number, option: number, value: number): void {
    this.#view.setInt32(0, value, true)
    this.#check('setsockopt', this.#syscalls.setsockopt(this.#fd, level, option, this.#at, 4))
  }

  /** What is good to have, but works without. */
  ask(level: number, option: number, value: number): void {
    this.#view.setInt32(0, value, true)
    this.#syscalls.setsockopt(this.#fd, level, option, this.#at, 4)
  }

  /** A struct timeval. */
  setTime(level: number, option: number, ms: number): void {
    this.#view.setBigInt64(0, 0n, true)
    this.#view.setBigInt64(8, BigInt(1000 * ms), true)
    this.#check('setsockopt', this.#syscalls.setsockopt(this.#fd, level, option, this.#at, 16))
  }

  /** @returns the port, which the kernel chooses when it is 0 */
  bind(host: string, port: number): number {
    const ipv6 = host.includes(':')
    const length = ipv6 ? sockaddrOctets.ipv6 : sockaddrOctets.ipv4
    this.#memory.fill(0)
    this.#view.setUint16(0, ipv6 ? linux.afInet6 : linux.afInet, true)
    this.#view.setUint16(2, port)
    this.#memory.set(parseAddress(host)!, ipv6 ? 8 : 4)
    this.#check('bind', this.#syscalls.bind(this.#fd, this.#at, length))
    this.#view.setUint32(lengthAt, length, true)
    this.#check('getsockname', this.#syscalls.getsockname(this.#fd, this.#at, this.#at + lengthAt))
    return this.#view.getUint16(2)
  }

  listen(backlog: number): void {
    this.#check('listen', this.#syscalls.listen(this.#fd, backlog))
  }

  /** Some sandboxes know the sockets but not these calls: better found now than with the first query. */
  probe(): void {
    this.#check('recvmmsg', this.#syscalls.recvmmsg(this.#fd, this.#at, 0, linux.msgDontwait, 0))
    this.#check('sendmmsg', this.#syscalls.sendmmsg(this.#fd, this.#at, 0, linux.msgDontwait))
  }

  #check(call: string, result: number): void {
    if (result < 0) throw new SyscallError(call, this.#syscalls.errno(), this.#where)
  }
}
