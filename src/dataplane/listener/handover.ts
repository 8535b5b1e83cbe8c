/**
 * Connections on their way from a process that leaves to the one that takes its place: a queue in the kernel, made of two sockets that
 * the supervisor holds and that both processes have. It outlives either of them, so that a connection that was given away waits for
 * whoever takes it, as queries do in the sockets of DNS.
 *
 * A message is one connection, as a descriptor (SCM_RIGHTS of unix(7)), and what its client has sent so far of a query:
 *
 *     octet 0    1, the version of this layout; a process that does not know it closes the connection
 *     then       the beginning of a message with its length, as it came; nothing as a rule
 *
 * ## Bound
 * The kernel keeps as many messages as the buffer of the socket has room for, some hundreds; then nothing more can be given until
 * somebody has taken some. It keeps no more descriptors on their way than a process may have open.
 *
 * ## Rejected
 * - Handles by the channels that Node opens to children: they lead over the supervisor, whose runtime would begin to read from what
 *   passes, and each waits until the one before has been acknowledged.
 * - Closing all connections with a restart: whatever a client sends before it sees that is lost, unless it asks again.
 */
import { closeSync } from 'node:fs'
import { lengthOctets, type NetworkStream } from './stream-connection.ts'
import { linux, SyscallError, type Syscalls } from './syscalls.ts'

/** The descriptors of both ends; every process that answers has both. */
export interface HandoverEnds {
  readonly give: number
  readonly take: number
}

/** @throws SyscallError */
export function openHandover(syscalls: Syscalls): HandoverEnds {
  // Large enough to lie outside the heap, where nothing moves it.
  const descriptors = new Int32Array(64)
  const address = syscalls.address(new Uint8Array(descriptors.buffer))
  if (syscalls.socketpair(linux.afUnix, linux.sockSeqpacket | linux.sockCloexec, 0, address) < 0)
    throw new SyscallError('socketpair', syscalls.errno())
  return { give: descriptors[0]!, take: descriptors[1]! }
}

/** A connection that was given away by somebody. */
export interface Given {
  readonly fd: number
  readonly begun: Buffer
}

const version = 1
/** Two octets of length, and the longest message. */
const longest = lengthOctets + 65535
/** struct msghdr, struct iovec, and a struct cmsghdr with a descriptor, on platforms of 64 bits. */
const header = { at: 0, iovec: 16, iovecs: 24, control: 32, controlLength: 40, flags: 48 } as const
const iovec = { at: 64, length: 72 } as const
const control = { at: 96, level: 104, type: 108, descriptor: 112, octets: 20, space: 24 } as const
const dataAt = 128

export class Handover {
  /** Whether connections can be given away; a queue that is full is one that works. */
  works = true
  readonly #syscalls: Syscalls
  readonly #ends: HandoverEnds
  readonly #onGiven: () => void
  readonly #memory = Buffer.alloc(dataAt + 1 + longest)
  readonly #at: number
  #toTell: NodeJS.Immediate | null = null

  /** @param onGiven somebody has connections to take; called once for all that were given in a turn of the event loop */
  constructor(syscalls: Syscalls, ends: HandoverEnds, onGiven: () => void) {
    this.#syscalls = syscalls
    this.#ends = ends
    this.#onGiven = onGiven
    this.#at = syscalls.address(this.#memory)
    const pointTo = (at: number, target: number) =>
      this.#memory.writeBigUInt64LE(BigInt(this.#at + target), at)
    pointTo(header.iovec, iovec.at)
    this.#memory.writeBigUInt64LE(1n, header.iovecs)
    pointTo(header.control, control.at)
    pointTo(iovec.at, dataAt)
  }

  /**
   * Gives a connection away. The stream is to be destroyed then, with nothing unsent in it: the client notices nothing.
   *
   * @returns false when it stays here, for now or for good (`works`)
   */
  pass(stream: NetworkStream, begun: Buffer): boolean {
    const fd = descriptorOf(stream)
    if (fd < 0 || !this.works) return false
    const memory = this.#memory
    memory[dataAt] = version
    memory.set(begun, dataAt + 1)
    this.#prepare(1 + begun.length)
    memory.writeBigUInt64LE(BigInt(control.octets), control.at)
    memory.writeInt32LE(linux.solSocket, control.level)
    memory.writeInt32LE(linux.scmRights, control.type)
    memory.writeInt32LE(fd, control.descriptor)
    const flags = linux.msgDontwait | linux.msgNosignal
    if (this.#syscalls.sendmsg(this.#ends.give, this.#at, flags) < 0) {
      this.works = passes.has(this.#syscalls.errno())
      return false
    }
    this.#toTell ??= setImmediate(() => this.tell())
    return true
  }

  /** Says now that connections were given, if that has not been said. */
  tell(): void {
    if (this.#toTell === null) return
    clearImmediate(this.#toTell)
    this.#toTell = null
    this.#onGiven()
  }

  /** Takes what was given. The descriptors are the caller's. */
  *take(): Generator<Given, void> {
    const flags = linux.msgDontwait | linux.msgCmsgCloexec
    const memory = this.#memory
    for (;;) {
      this.#prepare(1 + longest)
      const octets = this.#syscalls.recvmsg(this.#ends.take, this.#at, flags)
      if (octets <= 0) return
      // Without a descriptor free there is none in it, and the kernel has closed the connection.
      if (memory.readBigUInt64LE(header.controlLength) < control.octets) continue
      const fd = memory.readInt32LE(control.descriptor)
      if (memory[dataAt] === version)
        yield { fd, begun: Buffer.from(memory.subarray(dataAt + 1, dataAt + octets)) }
      else closeSync(fd)
    }
  }

  #prepare(octets: number): void {
    this.#memory.writeBigUInt64LE(BigInt(octets), iovec.length)
    this.#memory.writeBigUInt64LE(BigInt(control.space), header.controlLength)
  }
}

/** EAGAIN, ENOBUFS, ETOOMANYREFS: when some have been taken there is room again. */
const passes: ReadonlySet<number> = new Set([11, 105, 109])

/** What Node has under a connection over TCP; -1 for other streams, such as TLS, which is more than its socket. */
function descriptorOf(stream: NetworkStream): number {
  const { _handle: handle } = stream as { readonly _handle?: { readonly fd?: number } | null }
  return handle?.fd ?? -1
}
