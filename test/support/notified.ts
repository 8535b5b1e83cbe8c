/** What is told to systemd (sd_notify(3)), for tests: a Unix socket for datagrams, which Node has none of. */
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { linux, loadSyscalls, SyscallError } from '../../src/dataplane/listener/syscalls.ts'
import { patience } from './patience.ts'

export interface Notified extends Disposable {
  /** For NOTIFY_SOCKET. */
  readonly name: string
  /** Datagrams so far. */
  readonly heard: readonly string[]
  /** Resolves with how many datagrams there are when one behind the first `from` matches. */
  until(pattern: RegExp, from?: number): Promise<number>
}

let sockets = 0

export function listenForNotices(kind: 'path' | 'abstract'): Notified {
  const syscalls = loadSyscalls()
  const id = `pooldns-notify-${process.pid}-${++sockets}`
  const path = kind === 'path' ? join(tmpdir(), id) : `\0${id}`
  const address = new Uint8Array(new ArrayBuffer(2 + Buffer.byteLength(path) + (kind === 'path' ? 1 : 0)))
  address[0] = linux.afUnix
  address.set(Buffer.from(path), 2)
  const fd = syscalls.socket(linux.afUnix, linux.sockDgram | linux.sockCloexec | linux.eventNonblock, 0)
  if (syscalls.bind(fd, syscalls.address(address), address.length) < 0)
    throw new SyscallError('bind', syscalls.errno(), id)
  const heard: string[] = []
  const octets = new Uint8Array(new ArrayBuffer(4096))
  const hear = () => {
    for (;;) {
      const count = syscalls.read(fd, syscalls.address(octets), octets.length)
      if (count < 0) return
      heard.push(Buffer.from(octets.subarray(0, count)).toString())
    }
  }
  // The queue of such a socket is short.
  const timer = setInterval(hear, 50).unref()
  return {
    name: path.replace('\0', '@'),
    heard,
    async until(pattern, from = 0) {
      const deadline = patience()
      for (;;) {
        hear()
        if (heard.slice(from).some((each) => pattern.test(each))) return heard.length
        if (deadline.aborted) throw new Error(`not told ${pattern}, but:\n${heard.join('\n')}`)
        await delay(10)
      }
    },
    [Symbol.dispose]: () => {
      clearInterval(timer)
      syscalls.close(fd)
      if (kind === 'path') rmSync(path, { force: true })
    },
  }
}
