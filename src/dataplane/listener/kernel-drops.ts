/** What the kernel has dropped of a socket's datagrams, as it says itself (SO_MEMINFO of socket(7)). */
import { linux, type Syscalls } from './syscalls.ts'

/** Words of what it says, and which of them it is. */
const words = 9
const dropsAt = 8

export class KernelDrops {
  readonly #syscalls: Syscalls
  // Large enough to lie outside the heap, where nothing moves it.
  readonly #said = new Uint32Array(64)
  readonly #at: number

  constructor(syscalls: Syscalls) {
    this.#syscalls = syscalls
    this.#at = syscalls.address(new Uint8Array(this.#said.buffer))
  }

  /** Since the socket was made, modulo 2^32; 0 where that is not known. */
  of(fd: number): number {
    const length = words + 1
    this.#said[length] = 4 * words
    const { solSocket, soMeminfo } = linux
    if (this.#syscalls.getsockopt(fd, solSocket, soMeminfo, this.#at, this.#at + 4 * length) < 0) return 0
    return this.#said[dropsAt]!
  }
}
