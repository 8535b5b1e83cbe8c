/**
 * The batched UDP listener of Linux: recvmmsg and sendmmsg, up to `batchSize` datagrams a call. The thread that runs it
 * has no event loop; it waits in the kernel, and between two batches its owner may look for messages (`dns-worker.ts`).
 *
 * ## Waiting
 * As a rule in poll, where the doorbell wakes it. Under load, with one socket, in recvmmsg itself, which returns with
 * the first datagram and whatever else is there: one call to receive and one to send for each batch. It doesn't hear the
 * doorbell there, but some milliseconds without a datagram end that.
 *
 * ## Gathering
 * Between a full rate and a low one the thread would be woken for a few datagrams at a time, and the two system
 * calls and the change of threads would cost more than the answers. So after a batch of a few it sleeps for a moment, as a
 * network card does before it interrupts; at low rates, where batches are of one or two, it never does. Rejected:
 * sleeping for longer, which clients would notice, and polling without sleeping, which costs a core.
 *
 * ## Failing
 * What concerns one datagram (no route, a full queue) drops that datagram. What concerns the socket, such as a call that a
 * sandbox forbids, is thrown as a SyscallError; the owner then listens with node:dgram instead.
 */
import { Client, type LocalEnd, localEnd } from '../answer/client.ts'
import type { Counters } from '../counters.ts'
import { BatchBuffers, batchSize, headerOctets } from './batch-buffers.ts'
import { KernelDrops } from './kernel-drops.ts'
import { type Answerer, type BoundSocket, formatListenAddress, isWildcard } from './listener.ts'
import type { BatchEnd } from './protocol.ts'
import { errnos, linux, SyscallError, type Syscalls } from './syscalls.ts'

/** How long a send waits for room in the socket's queue before what is left of the batch is dropped. */
const sendPatienceMs = 5
/** Receives that may fail one after the other, for reasons that pass, before the socket is given up. */
const maxFailures = 1000
/** Batches that `drain` takes at the most from each socket. */
const drainBatches = 256

/** Errors that ICMP messages or a lack of memory leave on a socket: the next call may work. */
const passing: ReadonlySet<number> = new Set<number>([
  errnos.intr,
  errnos.again,
  errnos.nomem,
  errnos.netdown,
  errnos.netunreach,
  errnos.nobufs,
  errnos.connrefused,
  errnos.hostunreach,
])
/** EBADF, EFAULT, ENOSYS, ENOTSOCK, EOPNOTSUPP: sending fails for every datagram alike. */
const hopeless: ReadonlySet<number> = new Set([9, 14, 38, 88, 95])

/** A batch of so many says that the next datagrams are near. */
const loadedFrom = 3
/** Batches of so many are large enough; smaller ones under load are followed by a moment of gathering. */
const gatherBelow = 48
/** How long it is; the kernel makes it up to 50 longer. */
const gatherMicroseconds = 100

/** Octets that one read takes from the doorbell. */
const ringOctets = 8
/** Size of a struct pollfd. */
const pollOctets = 8

/** A socket and the memory of its batches. */
interface Lane {
  readonly socket: BoundSocket
  readonly buffers: BatchBuffers
  readonly local: LocalEnd
  /** What the kernel said last of the datagrams that it dropped. Those from before our time were counted by others. */
  dropsSeen: number
}

export class UdpBatch {
  readonly #lanes: readonly Lane[]
  readonly #syscalls: Syscalls
  readonly #responder: Answerer
  readonly #counters: Counters
  readonly #client = new Client()
  /** struct pollfd by lane, then that of the doorbell, one to wait for room to send, and what is read from the doorbell. */
  readonly #polls: Int32Array
  readonly #pollsAt: number
  readonly #doorbell: number
  /** Datagrams that the last turn answered. */
  #answered = 0
  #failures = 0

  constructor(syscalls: Syscalls, { sockets, doorbell }: BatchEnd, responder: Answerer, counters: Counters) {
    this.#syscalls = syscalls
    const kernel = new KernelDrops(syscalls)
    this.#lanes = sockets.map((socket) => {
      const options = { ipv6: socket.host.includes(':'), pktinfo: isWildcard(socket) }
      return {
        socket,
        buffers: new BatchBuffers(options, syscalls.address),
        local: localEnd(socket.host, socket.port),
        dropsSeen: kernel.of(socket.fd),
      }
    })
    this.#responder = responder
    this.#counters = counters
    this.#doorbell = doorbell.fd
    // A small array of its own would lie inside the heap, where things are moved; a buffer does not.
    this.#polls = new Int32Array(new ArrayBuffer(pollOctets * (sockets.length + 3)))
    for (const [place, { fd }] of [...sockets, doorbell].entries()) this.#watch(place, fd, linux.pollIn)
    this.#pollsAt = syscalls.address(new Uint8Array(this.#polls.buffer))
  }

  /** Answers what has come; waits for it up to `waitMs`, or until the doorbell rings. */
  turn(waitMs: number): void {
    const [first] = this.#lanes
    const loaded = this.#answered >= loadedFrom
    if (loaded && this.#answered < gatherBelow) this.#syscalls.usleep(gatherMicroseconds)
    if (loaded && this.#lanes.length === 1) this.#answered = this.#batch(first!, linux.msgWaitforone)
    else this.#answered = this.#poll(waitMs)
  }

  /** Answers what has arrived so far. */
  drain(): void {
    for (const lane of this.#lanes) {
      let batches = 0
      while (this.#batch(lane, linux.msgDontwait) > 0 && batches < drainBatches) batches++
    }
  }

  /** @returns how many datagrams were answered */
  #poll(waitMs: number): number {
    const lanes = this.#lanes
    const ready = this.#syscalls.poll(this.#pollsAt, lanes.length + 1, waitMs)
    if (ready <= 0) return 0
    let answered = 0
    for (let i = 0; i < lanes.length; i++) {
      if (this.#isReady(i)) answered += this.#batch(lanes[i]!, linux.msgDontwait)
    }
    if (this.#isReady(lanes.length)) {
      this.#syscalls.read(this.#doorbell, this.#pollsAt + pollOctets * (lanes.length + 2), ringOctets)
    }
    return answered
  }

  #watch(place: number, fd: number, events: number): void {
    this.#polls[2 * place] = fd
    this.#polls[2 * place + 1] = events
  }

  /** Also when there is an error: receiving tells which. */
  #isReady(place: number): boolean {
    return this.#polls[2 * place + 1]! >>> 16 !== 0
  }

  /** Receives and answers one batch. @returns how many datagrams there were */
  #batch(lane: Lane, flags: number): number {
    const { buffers } = lane
    const count = this.#syscalls.recvmmsg(lane.socket.fd, buffers.receiveVector, batchSize, flags, 0)
    // Without an error there is at least one.
    if (count < 0) {
      this.#receiveFailed(lane)
      return 0
    }
    this.#failures = 0
    this.#responder.clock.tick()
    this.#client.local = lane.local
    const startMs = performance.now()
    let staged = 0
    for (let slot = 0; slot < count; slot++) {
      if (!buffers.hasPort(slot)) {
        this.#counters.drop('source-port')
        continue
      }
      buffers.readClient(slot, this.#client)
      const request = buffers.requests[slot]!
      const length = this.#responder.respond(
        request,
        buffers.requestLength(slot),
        this.#client,
        buffers.responses[staged]!,
      )
      if (length > 0) buffers.stage(staged++, slot, length)
    }
    this.#countKernelDrops(lane, count - 1)
    if (staged > 0) {
      this.#send(lane, staged)
      this.#counters.duration((performance.now() - startMs) / 1000, staged)
    }
    this.#responder.endBatch()
    buffers.reset(count)
    return count
  }

  #receiveFailed({ socket }: Lane): void {
    const errno = this.#syscalls.errno()
    if (errno === errnos.again) {
      this.#failures = 0
      return
    }
    if (passing.has(errno) && ++this.#failures < maxFailures) return
    throw new SyscallError('recvmmsg', errno, formatListenAddress(socket))
  }

  #countKernelDrops(lane: Lane, slot: number): void {
    const drops = lane.buffers.kernelDrops(slot)
    if (drops < 0 || drops === lane.dropsSeen) return
    this.#counters.drop('receive-queue', (drops - lane.dropsSeen) >>> 0)
    lane.dropsSeen = drops
  }

  #send(lane: Lane, count: number): void {
    const { sendVector } = lane.buffers
    for (let sent = 0; sent < count; ) {
      const vector = sendVector + sent * headerOctets
      const result = this.#syscalls.sendmmsg(lane.socket.fd, vector, count - sent, linux.msgDontwait)
      if (result > 0) {
        sent += result
        continue
      }
      const errno = this.#syscalls.errno()
      if (hopeless.has(errno)) throw new SyscallError('sendmmsg', errno, formatListenAddress(lane.socket))
      if (errno === errnos.intr) continue
      if (errno === errnos.again) {
        if (this.#waitForRoom(lane.socket.fd)) continue
        this.#counters.drop('send', count - sent)
        return
      }
      // The first of those left could not be sent: its address, most likely.
      this.#counters.drop('send')
      sent++
    }
  }

  #waitForRoom(fd: number): boolean {
    const place = this.#lanes.length + 1
    this.#watch(place, fd, linux.pollOut)
    return this.#syscalls.poll(this.#pollsAt + pollOctets * place, 1, sendPatienceMs) > 0
  }
}
