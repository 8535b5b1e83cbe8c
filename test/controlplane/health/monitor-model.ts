import type { Waiting } from '../../../src/controlplane/health/monitor.ts'
import type { Judging } from '../../../src/controlplane/model/monitor.ts'
import type { HealthState } from '../../../src/controlplane/model/observation.ts'

interface Fall {
  readonly atMs: number
  /** How long it had been up. */
  readonly upMs: number
}

/**
 * The rise/fall machine written the other way: it keeps no count, only everything that has happened since the state was
 * entered and every fall there ever was, and works out from that, each time, what the state must be.
 */
export class HistoryModel {
  readonly #judging: Judging
  #state: HealthState
  #enteredMs: number | null = null
  #fellOrRestored: boolean
  /** `+`, `-` and `!`, since the state was entered, and when each came. */
  #said = ''
  #timesMs: number[] = []
  readonly #falls: Fall[] = []

  constructor(start: HealthState, judging: Judging) {
    this.#state = start
    this.#fellOrRestored = start === 'down'
    this.#judging = judging
  }

  after(
    what: string,
    atMs: number,
  ): { state: HealthState; waiting: Waiting | null; heldUntilMs: number | null } {
    this.#said += what
    this.#timesMs.push(atMs)
    const next = this.#next(what, atMs)
    const fell = this.#state === 'up' && next === 'down'
    if (fell) this.#falls.push({ atMs, upMs: this.#enteredMs === null ? 0 : atMs - this.#enteredMs })
    if (next !== this.#state) {
      // What was given to one that is still unknown is good for what it turns out to be.
      const given = this.#state === 'unknown' && this.#said.includes('!')
      this.#said = given && next === 'down' ? '!' : ''
      this.#timesMs = this.#said === '' ? [] : [atMs]
      this.#enteredMs = atMs
      this.#fellOrRestored = fell
      this.#state = next
    }
    const answers = next === 'down' && /\+!*$/.test(this.#said)
    return { state: next, waiting: answers ? this.#waiting(atMs) : null, heldUntilMs: this.#heldUntilMs() }
  }

  #next(what: string, atMs: number): HealthState {
    const { clear, fall } = this.#judging
    switch (this.#state) {
      case 'unknown':
        return what === '!' ? 'unknown' : what === '+' ? 'up' : 'down'
      case 'up': {
        const verdicts = this.#said.replaceAll('!', '')
        const failures = verdicts
          .split(new RegExp(`\\+{${clear},}`))
          .at(-1)!
          .replaceAll('+', '')
        return what === '-' && failures.length >= fall ? 'down' : 'up'
      }
      case 'down':
        return what !== '-' && this.#said.includes('+') && this.#waiting(atMs) === null ? 'up' : 'down'
      default:
        return this.#state satisfies never
    }
  }

  #waiting(atMs: number): Waiting | null {
    const { rise, failBack, failBackDelayMs } = this.#judging
    const tail = /[+!]*$/.exec(this.#said)![0]
    const successes = tail.replaceAll('!', '').length
    if (successes < rise) return 'rise'
    if (this.#said.includes('!')) return null
    if (atMs < (this.#heldUntilMs() ?? 0)) return 'flap'
    const firstMs = this.#timesMs[this.#said.length - tail.length]!
    if (atMs - firstMs < failBackDelayMs) return 'delay'
    return failBack === 'manual' && this.#fellOrRestored ? 'manual' : null
  }

  /** What is known of the fall that led to where it is now, by going through all falls from the first. */
  #heldUntilMs(): number | null {
    const { flap } = this.#judging
    const latest = this.#falls.at(-1)
    if (flap === null || latest === undefined || this.#state !== 'down' || !this.#fellOrRestored) return null
    let lengthMs = 0
    let doublings = 0
    for (const [index, { atMs, upMs }] of this.#falls.entries()) {
      for (let goodMs = flap.withinMs; goodMs <= upMs && doublings > 0; goodMs += flap.withinMs) doublings--
      const near = this.#falls.slice(0, index + 1).filter((one) => atMs - one.atMs <= flap.withinMs)
      lengthMs = 0
      if (near.length > flap.changes) {
        lengthMs = flap.holdMs
        for (let i = 0; i < doublings && lengthMs < flap.maxHoldMs; i++) lengthMs *= 2
        if (lengthMs < flap.maxHoldMs) doublings++
        lengthMs = Math.min(lengthMs, flap.maxHoldMs)
      }
    }
    return lengthMs === 0 ? null : latest.atMs + lengthMs
  }
}
