/**
 * How the main thread reaches a worker that blocks in a system call instead of in an event loop. Messages go by the
 * control port; the doorbell says that there are some: a word in shared memory, which the worker looks at between two
 * batches, and an eventfd, which ends its waiting. The main thread makes it and closes it, after the worker has ended.
 */
import { closeSync, writeSync } from 'node:fs'
import { linux, SyscallError, type Syscalls } from './syscalls.ts'

/** The worker's end; can be sent to it. */
export interface DoorbellEnd {
  readonly fd: number
  readonly rings: SharedArrayBuffer
}

export class Doorbell {
  readonly end: DoorbellEnd
  readonly #rings: Int32Array
  #closed = false

  constructor(syscalls: Syscalls) {
    const fd = syscalls.eventfd(0, linux.eventNonblock | linux.eventCloexec)
    if (fd < 0) throw new SyscallError('eventfd', syscalls.errno())
    this.end = { fd, rings: new SharedArrayBuffer(4) }
    this.#rings = new Int32Array(this.end.rings)
  }

  /** Call it after the message was posted. */
  ring(): void {
    if (this.#closed) return
    Atomics.add(this.#rings, 0, 1)
    writeSync(this.end.fd, one)
  }

  close(): void {
    if (!this.#closed) closeSync(this.end.fd)
    this.#closed = true
  }
}

/** The counter would need 2^64 rings to fill, so a write never fails for want of room. */
const one = new Uint8Array(new BigUint64Array([1n]).buffer)
