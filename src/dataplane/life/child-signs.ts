/**
 * Signs of life of a process, from its main thread to whoever has started it, by the channel that Node opens to a child. One is sent
 * when the one before has been taken, so that none pile up while nobody takes them.
 */
import type { ChildProcess } from 'node:child_process'
import { beatEveryMs } from './signs.ts'
import { processTime, threadTime } from './thread-time.ts'
import type { Watched } from './watch.ts'

export interface SignOfLife {
  readonly kind: 'alive'
}

/** What it needs of a Node process. */
export interface Channel {
  readonly connected: boolean
  send?(message: { readonly kind: string }, handle: undefined, options: undefined, sent: () => void): unknown
}

/**
 * The child's side. The timer keeps no process alive.
 *
 * @param works whether there is nothing that only a new process could mend; asked each time, and no sign is given otherwise
 */
export function sayAlive(self: Channel, works: () => boolean): void {
  let under = false
  const say = () => {
    if (under || !self.connected || !works()) return
    under = true
    self.send!({ kind: 'alive' }, undefined, undefined, () => {
      under = false
    })
  }
  say()
  setInterval(() => setImmediate(say), beatEveryMs).unref()
}

/**
 * The other side: what is to be watched of a child, which is its main thread. Until the first sign its other threads count, too, and
 * where they work for the main one alone, always: on a machine that has much to do it may wait long for threads of the runtime
 * that wait for a processor, as at a garbage collection.
 */
export function mainThreadOf(child: ChildProcess, othersWorkForIt = false): Watched {
  let beats = 0
  child.on('message', ({ kind }: SignOfLife | { readonly kind: string }) => {
    if (kind === 'alive') beats++
  })
  const { pid = 0 } = child
  return {
    beats: () => beats,
    time: () => (beats === 0 || othersWorkForIt ? processTime(pid) : threadTime(pid, pid)),
  }
}
