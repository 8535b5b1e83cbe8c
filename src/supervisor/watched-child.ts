/** A child under watch: it is killed when its main thread hangs, and whoever hears of its end does the rest. */
import type { ChildProcess } from 'node:child_process'
import { mainThreadOf } from '../dataplane/life/child-signs.ts'
import { processStartPatience, type Strikes, Watch } from '../dataplane/life/watch.ts'

/**
 * DNS is answered by other threads meanwhile, so a process that is busy may be so for longer: it may be reading a configuration of a
 * million lines.
 */
const patience = { stillMs: 1500, busyMs: 6000 }

export class WatchedChild {
  readonly child: ChildProcess
  readonly #watch: Watch

  /**
   * @param strikes of all that do the same, one after the other
   * @param othersWorkForIt whether its main thread is all that there is to it, and other threads work for that one
   */
  constructor(child: ChildProcess, strikes: Strikes, othersWorkForIt = false) {
    this.child = child
    this.#watch = new Watch(() => patience, strikes, processStartPatience)
    this.#watch.begin(mainThreadOf(child, othersWorkForIt))
  }

  /** Whether there has been no sign of life for half of the time that it is given. */
  get late(): boolean {
    return this.#watch.late
  }

  /** @returns why it was killed, if it was */
  look(passedMs: number): string | null {
    const reason = this.#watch.look(passedMs)
    if (reason !== null) this.child.kill('SIGKILL')
    return reason
  }

  /** It has been told to end, and has some time for that. @param onLate told when that has passed, and it is killed */
  endsWithin(ms: number, onLate: () => void): void {
    this.#watch.end()
    const timer = setTimeout(() => {
      onLate()
      this.child.kill('SIGKILL')
    }, ms)
    this.child.once('exit', () => clearTimeout(timer))
  }
}
