/**
 * Signs of life, as the thread that gives them has them: a count in shared memory, raised by the very loop that does the thread's work,
 * so that it stands still when that loop does. Nothing is sent and nothing is answered; whoever watches reads (`watch.ts`).
 *
 * Layout: the count, then the thread's number in the system, 0 where that is not known.
 */
import { readlinkSync } from 'node:fs'

const cellsAt = { beats: 0, thread: 1 } as const

/** How often a thread with nothing to do says that it could. */
export const beatEveryMs = 250

export function allocateSigns(): SharedArrayBuffer {
  return new SharedArrayBuffer(8)
}

/** What the signs of a thread say. */
export interface Signs {
  /** 0 until the thread is ready for its work. */
  readonly beats: number
  readonly thread: number
}

export function readSigns(signs: SharedArrayBuffer): Signs {
  const cells = new Int32Array(signs)
  return { beats: Atomics.load(cells, cellsAt.beats), thread: cells[cellsAt.thread]! }
}

/** Of this thread; null while nobody watches it. */
let own: Int32Array | null = null

/** Says that this thread does its work: after each turn of it, and in work that takes longer than some tenths of a second. */
export function beat(): void {
  if (own !== null) Atomics.add(own, cellsAt.beats, 1)
}

/** Has this thread's beats counted there from now on. */
export function beatIn(signs: SharedArrayBuffer): void {
  own = new Int32Array(signs)
  own[cellsAt.thread] = threadNumber()
}

/**
 * Beats at once, and by the event loop of this thread from now on. A beat comes behind the part of the loop that reads from sockets and
 * takes messages: a loop that doesn't get there gives none.
 */
export function beatByEvents(): void {
  beat()
  setInterval(() => setImmediate(beat), beatEveryMs).unref()
}

/** What the system calls this thread: the path is read by the thread itself, and names it. Other systems than Linux have none. */
export function threadNumber(link = '/proc/thread-self'): number {
  try {
    return Number(readlinkSync(link).split('/').at(-1))
  } catch {
    return 0
  }
}
