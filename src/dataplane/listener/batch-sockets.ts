/**
 * The sockets of one batched UDP worker, and the doorbell to wake it by. The main thread opens them and closes them, after
 * the worker has ended: descriptors are the process's, so a thread that dies could not take them along, and the kernel would
 * go on giving clients to a socket that nobody reads.
 *
 * The two wildcard addresses of a port become one socket, so that the usual configurations have one, which a thread can
 * block on.
 */
import { parseAddress } from '../wire/address.ts'
import { sockaddrOctets } from './batch-buffers.ts'
import { Doorbell } from './doorbell.ts'
import { formatListenAddress, isWildcard, type ListenAddress } from './listener.ts'
import type { BatchEnd, BatchSocket } from './protocol.ts'
import { linux, SyscallError, type Syscalls } from './syscalls.ts'

/** Asked of the kernel for each socket, to ride out bursts; it may grant less. */
const bufferOctets = 4 << 20
/** How long a receive blocks; a clock tick of the kernel makes it longer. */
const blockMs = 2
/** Room for sockaddrs and option values; large enough to lie outside the heap, where nothing moves it. */
const scratchOctets = 256
/** Where the length of a sockaddr is kept, behind it. */
const lengthAt = 64

interface Wanted extends ListenAddress {
  readonly dual: boolean
}

export class BatchSockets {
  readonly bound: readonly ListenAddress[]
  readonly end: BatchEnd
  readonly #syscalls: Syscalls
  readonly #doorbell: Doorbell
  #open = true

  /**
   * @param listen addresses that the host has: TCP was bound to them before
   * @throws SyscallError when an address can't be bound, or the calls are not to be had here; then nothing stays open
   */
  constructor(syscalls: Syscalls, listen: readonly ListenAddress[]) {
    this.#syscalls = syscalls
    this.#doorbell = new Doorbell(syscalls)
    const sockets: BatchSocket[] = []
    this.end = { sockets, doorbell: this.#doorbell.end }
    try {
      for (const wanted of mergeWildcards(listen)) sockets.push(openSocket(syscalls, wanted))
    } catch (error) {
      this.close()
      throw error
    }
    this.bound = sockets.flatMap(listensOn)
  }

  /** Call it after a message was posted to the worker. */
  ring(): void {
    this.#doorbell.ring()
  }

  close(): void {
    if (this.#open) for (const { fd } of this.end.sockets) this.#syscalls.close(fd)
    this.#open = false
    this.#doorbell.close()
  }
}

function listensOn({ host, port, dual }: BatchSocket): ListenAddress[] {
  return dual
    ? [
        { host: '0.0.0.0', port },
        { host, port },
      ]
    : [{ host, port }]
}

function mergeWildcards(listen: readonly ListenAddress[]): Wanted[] {
  const has = (host: string, port: number) =>
    listen.some((address) => address.host === host && address.port === port)
  return listen.flatMap(({ host, port }) => {
    if (host === '::') return [{ host, port, dual: has('0.0.0.0', port) }]
    return host === '0.0.0.0' && has('::', port) ? [] : [{ host, port, dual: false }]
  })
}

function openSocket(syscalls: Syscalls, { host, port, dual }: Wanted): BatchSocket {
  const ipv6 = host.includes(':')
  const wildcard = isWildcard({ host, port })
  const where = formatListenAddress({ host, port })
  const fd = syscalls.socket(ipv6 ? linux.afInet6 : linux.afInet, linux.sockDgram | linux.sockCloexec, 0)
  if (fd < 0) throw new SyscallError('socket', syscalls.errno(), where)
  const socket = new SocketSetup(syscalls, fd, where)
  try {
    socket.set(linux.solSocket, linux.soReuseport, 1)
    if (ipv6) socket.set(linux.solIpv6, linux.ipv6V6only, dual ? 0 : 1)
    if (wildcard && ipv6) socket.set(linux.solIpv6, linux.ipv6RecvPktinfo, 1)
    if (wildcard && !ipv6) socket.set(linux.solIp, linux.ipPktinfo, 1)
    socket.setTime(linux.solSocket, linux.soRcvtimeo, blockMs)
    socket.ask(linux.solSocket, linux.soRcvbuf, bufferOctets)
    socket.ask(linux.solSocket, linux.soSndbuf, bufferOctets)
    socket.ask(linux.solSocket, linux.soRxqOvfl, 1)
    socket.ask(linux.solIp, linux.ipMtuDiscover, linux.pmtudiscOmit)
    if (ipv6) socket.ask(linux.solIpv6, linux.ipv6MtuDiscover, linux.pmtudiscOmit)
    const bound = socket.bind(host, port)
    socket.probe()
    return { fd, host, port: bound, dual }
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

  /** Some sandboxes know the sockets but not these calls: better found now than with the first query. */
  probe(): void {
    this.#check('recvmmsg', this.#syscalls.recvmmsg(this.#fd, this.#at, 0, linux.msgDontwait, 0))
    this.#check('sendmmsg', this.#syscalls.sendmmsg(this.#fd, this.#at, 0, linux.msgDontwait))
  }

  #check(call: string, result: number): void {
    if (result < 0) throw new SyscallError(call, this.#syscalls.errno(), this.#where)
  }
}
