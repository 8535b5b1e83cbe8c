/**
 * Watches a thread, or the main thread of a process: does it still do its work? Whoever finds that it does not replaces it.
 *
 * ## What counts
 * A thread gives signs of life (`signs.ts`). While none comes, time counts against it, in two sums, each with a limit of its own:
 *
 * - time in which it was **still**: it waited for something, or had been stopped. Its loop would have given a sign, so there is
 *   little to doubt.
 * - time in which it was **busy**: it had a processor. It may be at work that takes long, so there is more patience.
 *
 * What does not count: waiting for a processor, for that says only that the machine has much to do; waiting for the disk; and time
 * in which the watch itself did not come to look. A machine that was suspended, or a process that was stopped together with who
 * watches it, has had one look's time and no more when it goes on, whatever the clocks say. Where the system doesn't tell what
 * threads do, all time counts as busy; but none does before the first sign, for a thread that is being started can't be told from
 * one of which nothing is told.
 *
 * ## What is left to chance is bounded
 * Whoever has been found to hang gets twice the patience, and twice again, until it has lived quietly for ten minutes: what keeps the
 * signs away for a reason that nobody thought of costs some restarts, and is no loop of them.
 *
 * ## Rejected
 * - A query to ourselves, by the port that clients ask. A flood fills the queue that it would have to pass, just when a restart
 *   costs most; the kernel gives it to whichever of the workers it likes; and it would be counted as a client's.
 * - A message that the thread has to answer: it says no more than a count that its loop raises, and costs two messages.
 */
import { readSigns } from './signs.ts'
import { type ThreadTime, threadTime } from './thread-time.ts'

export interface Patience {
  /** Without a sign while it waits. */
  readonly stillMs: number
  /** Without a sign while it has a processor. */
  readonly busyMs: number
}

/** One that has not given its first sign is loading code: it waits for the disk, and for threads of the runtime that want a processor. */
export const startPatience: Patience = { stillMs: 60_000, busyMs: 60_000 }

/**
 * The same for a process, of which all threads are looked at: while none of them does anything, nothing is being loaded. One that reads
 * much at its start is busy with it.
 */
export const processStartPatience: Patience = { stillMs: 3000, busyMs: 60_000 }

/** How often whoever watches looks. */
export const lookEveryMs = 250
/** A look that comes later than this was kept from coming, and so was the thread, most likely. */
const mostPassedMs = 2 * lookEveryMs

const forgivenAfterMs = 600_000
/** 64 times the patience: some minutes. */
const mostStrikes = 6

export interface Watched {
  /** How many signs it has given; 0 before the first. */
  beats(): number
  time(): ThreadTime | null
}

/** A thread of this process that gives its signs there. */
export function threadOf(signs: SharedArrayBuffer): Watched {
  return {
    beats: () => readSigns(signs).beats,
    time: () => threadTime('self', readSigns(signs).thread),
  }
}

/** How often whoever stands in a place was found to hang. */
export class Strikes {
  count = 0
  /** How long that place has been watched since. */
  #quietMs = 0

  add(): void {
    this.count = Math.min(this.count + 1, mostStrikes)
    this.#quietMs = 0
  }

  pass(ms: number): void {
    this.#quietMs += ms
    if (this.#quietMs >= forgivenAfterMs) this.count = 0
  }
}

export class Watch {
  readonly #patience: () => Patience
  /** Null when there is nobody to watch. */
  #watched: Watched | null = null
  #beats = 0
  /** At the last look; null when there was a sign since the look before, or the system doesn't tell. */
  #time: ThreadTime | null = null
  #silent = false
  #stillMs = 0
  #busyMs = 0
  readonly #strikes: Strikes
  readonly #start: Patience

  /**
   * @param patience asked at each look without a sign
   * @param strikes of the place that it stands in, when others stand there, too
   * @param start patience until the first sign
   */
  constructor(patience: () => Patience, strikes = new Strikes(), start = startPatience) {
    this.#patience = patience
    this.#strikes = strikes
    this.#start = start
  }

  /** From here on there is this one to watch, in the place of any other. */
  begin(watched: Watched): void {
    this.#watched = watched
    this.#beats = 0
    this.#forget()
  }

  /** It has ended, or is to. */
  end(): void {
    this.#watched = null
    this.#forget()
  }

  /** Whether there has been no sign for half of the time that it is given: nothing is to be expected of it now. */
  get late(): boolean {
    return this.#spent() >= 0.5
  }

  /**
   * @param passedMs since the look before, as far as it counts
   * @returns why it is to be replaced, after which nobody is watched; null when all is well
   */
  look(passedMs: number): string | null {
    if (this.#watched === null) return null
    this.#strikes.pass(passedMs)
    const beats = this.#watched.beats()
    if (beats !== this.#beats) {
      this.#beats = beats
      this.#forget()
      return null
    }
    this.#count(this.#watched, passedMs)
    if (this.#spent() < 1) return null
    const reason = `it hangs: no sign of life in ${this.#busyMs + this.#stillMs} ms, ${this.#busyMs} of them busy`
    this.#strikes.add()
    this.end()
    return reason
  }

  /** The first silent look says from when on; what came before it may have been quieter than it looks. */
  #count(watched: Watched, passedMs: number): void {
    const [before, now] = [this.#time, watched.time()]
    this.#time = now
    if (!this.#silent) {
      this.#silent = true
      return
    }
    if (now === null || before === null) this.#busyMs += this.#beats === 0 ? 0 : passedMs
    else if (now.doing === 'still') this.#stillMs += passedMs
    else if (now.doing === 'runs') this.#busyMs += Math.min(Math.max(now.ranMs - before.ranMs, 0), passedMs)
  }

  #spent(): number {
    const { stillMs, busyMs } = this.#beats === 0 ? this.#start : this.#patience()
    return (this.#stillMs / stillMs + this.#busyMs / busyMs) / 2 ** this.#strikes.count
  }

  #forget(): void {
    this.#silent = false
    this.#time = null
    this.#stillMs = 0
    this.#busyMs = 0
  }
}

/** Looks again and again until it is disposed of. @param look is told how much time counts as passed */
export function lookAgainAndAgain(look: (passedMs: number) => void): Disposable {
  let lastMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    const passedMs = Math.min(Math.round(nowMs - lastMs), mostPassedMs)
    lastMs = nowMs
    look(passedMs)
  }, lookEveryMs).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
