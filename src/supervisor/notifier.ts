/**
 * Tells systemd, or whoever else has set `NOTIFY_SOCKET`, how we are: one datagram to a Unix socket for each word (sd_notify(3)). A name that
 * begins with `@` is an abstract one. Nothing here waits for it: what it has no room for is told later, and one that is gone is
 * told nothing.
 *
 * `WATCHDOG=1` says that DNS is answered, or nobody has been told to answer it yet: it is left out while the data plane gives no
 * sign of life, and when that lasts for `WatchdogSec` systemd kills all and starts again.
 */
import { errnos, linux, SyscallError, type Syscalls } from '../dataplane/listener/syscalls.ts'

/** Words that wait while the other side has no room; the oldest go. */
const mostUntold = 16

/** sun_path of Linux. */
const longestPath = 108

type Environment = Record<string, string | undefined>

export class Notifier implements Disposable {
  readonly #syscalls: Syscalls
  /** -1 when there is nobody to tell. */
  readonly #fd: number
  /** A struct sockaddr_un; large enough to lie outside the heap, where nothing moves it. */
  readonly #address: Uint8Array
  readonly #watchdogEveryMs: number | null
  #toldAtMs = Number.NEGATIVE_INFINITY
  readonly #untold: string[] = []

  /**
   * Takes what concerns it out of the environment, since none of that is for the processes that we start.
   *
   * @throws Error when `NOTIFY_SOCKET` names none
   */
  constructor(syscalls: Syscalls, environment: Environment, pid: number) {
    const { NOTIFY_SOCKET = '', WATCHDOG_USEC, WATCHDOG_PID } = environment
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name]
    this.#syscalls = syscalls
    this.#address = NOTIFY_SOCKET === '' ? new Uint8Array() : addressOf(NOTIFY_SOCKET)
    this.#fd = NOTIFY_SOCKET === '' ? -1 : openSocket(syscalls)
    const watched =
      this.#fd >= 0 && Number(WATCHDOG_USEC) > 0 && (WATCHDOG_PID ?? String(pid)) === String(pid)
    // Twice in the time that is given, as sd_watchdog_enabled(3) asks for.
    this.#watchdogEveryMs = watched ? Number(WATCHDOG_USEC) / 2000 : null
  }

  /** @param words such as `READY=1` */
  tell(...words: readonly string[]): void {
    if (this.#fd < 0) return
    this.#untold.push(words.join('\n'))
    if (this.#untold.length > mostUntold) this.#untold.shift()
    this.#flush()
  }

  #flush(): void {
    while (this.#untold.length > 0 && this.#send(this.#untold[0]!)) this.#untold.shift()
  }

  /** @returns false when there is no room now */
  #send(text: string): boolean {
    const octets = Buffer.alloc(4096)
    const count = octets.write(text)
    const { address, errno, sendto } = this.#syscalls
    const flags = linux.msgDontwait | linux.msgNosignal
    const sent = sendto(this.#fd, address(octets), count, flags, address(this.#address), this.#address.length)
    return sent >= 0 || errno() !== errnos.again
  }

  /** Call it often while all is well. */
  lives(nowMs = performance.now()): void {
    this.#flush()
    if (this.#watchdogEveryMs === null || nowMs - this.#toldAtMs < this.#watchdogEveryMs) return
    this.#toldAtMs = nowMs
    this.tell('WATCHDOG=1')
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) this.#syscalls.close(this.#fd)
  }
}

function openSocket(syscalls: Syscalls): number {
  const fd = syscalls.socket(linux.afUnix, linux.sockDgram | linux.sockCloexec, 0)
  if (fd < 0) throw new SyscallError('socket', syscalls.errno(), 'for NOTIFY_SOCKET')
  return fd
}

/** An abstract name ends with the address, and a path with a zero. */
function addressOf(name: string): Uint8Array {
  const octets = Buffer.from(name)
  if (!/^[/@]/.test(name) || octets.length >= longestPath)
    throw new Error(
      `NOTIFY_SOCKET: ${JSON.stringify(name)} is neither a path nor an abstract name of a socket`,
    )
  const abstract = name.startsWith('@')
  if (abstract) octets[0] = 0
  // A slice of nothing else: a small one would be a part of a pool, and a view of it moves with none.
  const address = new Uint8Array(new ArrayBuffer(2 + octets.length + (abstract ? 0 : 1)))
  new DataView(address.buffer).setUint16(0, linux.afUnix, true)
  address.set(octets, 2)
  return address
}
