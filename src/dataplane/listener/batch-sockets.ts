/**
 * The sockets of one batched UDP worker, and the doorbell to wake it by. The main thread opens them and closes them, after
 * the worker has ended: descriptors are the process's, so a thread that dies could not take them along, and the kernel would
 * go on giving clients to a socket that nobody reads. Sockets that came bound already are left to whoever bound them.
 *
 * The two wildcard addresses of a port become one socket, so that the usual configurations have one, which a thread can
 * block on.
 */
import { listensOn, mergeWildcards, openUdp } from './bound-sockets.ts'
import { Doorbell } from './doorbell.ts'
import type { BoundSocket, ListenAddress, ListenOn } from './listener.ts'
import type { BatchEnd } from './protocol.ts'
import type { Syscalls } from './syscalls.ts'

export class BatchSockets {
  readonly bound: readonly ListenAddress[]
  readonly end: BatchEnd
  readonly #syscalls: Syscalls
  readonly #doorbell: Doorbell
  /** Sockets that are ours to close. */
  readonly #own: BoundSocket[] = []

  /**
   * @param listen addresses that the host has, since TCP was bound to them before, or sockets
   * @throws SyscallError when an address can't be bound, or the calls are not to be had here; then nothing stays open
   */
  constructor(syscalls: Syscalls, listen: readonly ListenOn[]) {
    this.#syscalls = syscalls
    this.#doorbell = new Doorbell(syscalls)
    const given = listen.filter((on): on is BoundSocket => 'fd' in on)
    try {
      for (const wanted of mergeWildcards(listen.filter((on) => !('fd' in on))))
        this.#own.push(openUdp(syscalls, wanted))
    } catch (error) {
      this.close()
      throw error
    }
    const sockets = [...given, ...this.#own]
    this.end = { sockets, doorbell: this.#doorbell.end }
    this.bound = sockets.flatMap(listensOn)
  }

  /** Call it after a message was posted to the worker. */
  ring(): void {
    this.#doorbell.ring()
  }

  close(): void {
    for (const { fd } of this.#own.splice(0)) this.#syscalls.close(fd)
    this.#doorbell.close()
  }
}
