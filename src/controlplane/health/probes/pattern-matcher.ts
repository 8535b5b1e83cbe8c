/**
 * Matches what members send against the patterns of monitors, in threads of its own.
 *
 * RE2 takes time in proportion to the text, whatever the pattern, but a text that is made for it may take a second of it for
 * 64 KiB, and 50 ms for 1 KiB. That is no time that the main thread has: it answers `/health`, moves fail-overs, and probes
 * everybody else.
 *
 * ## Who waits for whom
 * There are two threads, and what a pattern has cost says which is its own: one that has taken more than 10 ms of CPU goes to
 * the slow one, until it has been quick 32 times in a row. So a pattern that is dear, or whose members make it so, delays others
 * like it, and each of those that are quick once. In a thread patterns take turns, whoever asks more often.
 *
 * A text that takes longer than five seconds ends its thread, and the next one gets a new one. A thread that can't be started (no
 * descriptor, no memory) is this host's fault and says nothing of whose texts wait; for a second no other one is tried.
 *
 * Bounds: what waits are probes that run, of which the scheduler limits the number; a text is 64 KiB at most.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { formatOwnFault, ownFaultCode } from '../../model/own-fault.ts'
import { type Fault, fault } from '../verdict.ts'
import { LeastRecentMap } from './least-recent.ts'
import type { MatchAnswer, MatchMessage } from './pattern-thread.ts'

/** Wall-clock time of one text, which on a busy machine is several times the thread's own. */
const matchLimitMs = 5_000
/** It is counted in these: one in which this process was stopped, and its threads with it, counts once, however long it was. */
const limitTurnMs = 500
const slowMs = 10
const quickRuns = 32
/** Between two starts that fail: what is out of descriptors would try at each text. */
const startPauseMs = 1_000
/** MiB of a thread's heap; one that needs more dies, and is replaced. */
const threadMemory = 256

/** Whether each pattern is in the text; null when that could not be told in time, a fault of this host when it has no thread for it. */
export type Matched = readonly boolean[] | Fault | null

export class PatternMatcher {
  readonly #quick = new MatchLane()
  readonly #slow = new MatchLane()
  /** How often in a row patterns that once were slow must still be quick. Bound: those that were slow last. */
  readonly #probation = new LeastRecentMap<string, number>(1024)

  /**
   * @param patterns that compile
   * @param text copied; good until the call returns
   * @param stop takes it out of the line: the result is null
   */
  async match(patterns: readonly string[], text: Buffer, stop: AbortSignal): Promise<Matched> {
    const key = patterns.join('\0')
    const lane = this.#probation.get(key) === undefined ? this.#quick : this.#slow
    const answer = await lane.ask(key, { patterns, text: new Uint8Array(text) }, stop)
    if (answer === 'called off') return null
    if (answer !== null && 'failure' in answer) return answer
    this.#learn(key, answer?.costMs ?? Infinity)
    return answer?.matched ?? null
  }

  #learn(key: string, costMs: number): void {
    const left = this.#probation.get(key)
    if (costMs > slowMs) this.#probation.set(key, quickRuns)
    else if (left === 1) this.#probation.delete(key)
    else if (left !== undefined) this.#probation.set(key, left - 1)
  }
}

type Outcome = MatchAnswer | Fault | 'called off' | null

interface Waiting extends MatchMessage {
  readonly settle: (outcome: Outcome) => void
}

/** One thread, and who waits for it. */
class MatchLane {
  /** By pattern, in the order of their turns; none is empty. */
  readonly #lines = new Map<string, Set<Waiting>>()
  #worker: Worker | null = null
  /** The thread has begun. */
  #ready = false
  #current: Waiting | null = null
  /** Why the last thread could not be started, and when. */
  #unstarted: { readonly fault: Fault; readonly atMs: number } | null = null
  #limit: NodeJS.Timeout | undefined

  ask(key: string, message: MatchMessage, stop: AbortSignal): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const waiting: Waiting = {
      ...message,
      settle: (outcome) => {
        stop.removeEventListener('abort', onAbort)
        resolve(outcome)
      },
    }
    const onAbort = () => {
      this.#leave(key, waiting)
      waiting.settle('called off')
    }
    if (stop.aborted) return Promise.resolve('called off')
    const unstarted = this.#unstarted
    if (unstarted !== null && performance.now() - unstarted.atMs < startPauseMs) {
      return Promise.resolve(unstarted.fault)
    }
    stop.addEventListener('abort', onAbort)
    const line = this.#lines.get(key) ?? new Set()
    line.add(waiting)
    this.#lines.set(key, line)
    this.#next()
    return promise
  }

  #leave(key: string, waiting: Waiting): void {
    const line = this.#lines.get(key)
    line?.delete(waiting)
    if (line?.size === 0) this.#lines.delete(key)
  }

  #next(): void {
    if (this.#current !== null) return
    const turn = this.#lines.entries().next()
    if (turn.done) return
    try {
      this.#worker ??= this.#start()
    } catch (error) {
      this.#giveUp(error)
      return
    }
    const [key, line] = turn.value
    const [first] = line
    line.delete(first!)
    // To the end, behind the others.
    this.#lines.delete(key)
    if (line.size > 0) this.#lines.set(key, line)
    this.#current = first!
    const { patterns, text } = first!
    this.#worker.postMessage({ patterns, text } satisfies MatchMessage, [text.buffer as ArrayBuffer])
    if (this.#ready) this.#limitCurrent()
  }

  /** From when the thread has begun: its start is no time of a text. */
  #limitCurrent(): void {
    const limited = this.#current
    if (limited === null) return
    // One more turn: an answer that came in time is not late because we were.
    const isLate = () => this.#current === limited && this.#replace()
    const wait = (leftMs: number) => {
      this.#limit = setTimeout(() => {
        if (leftMs > limitTurnMs) wait(leftMs - limitTurnMs)
        else setImmediate(isLate)
      }, limitTurnMs)
    }
    wait(matchLimitMs)
  }

  #start(): Worker {
    const file = new URL(`./pattern-thread${extname(import.meta.url)}`, import.meta.url)
    const resourceLimits = { maxOldGenerationSizeMb: threadMemory }
    const worker = new Worker(file, { name: 'patterns', resourceLimits })
    worker.on('message', (answer: MatchAnswer | 'ready') => {
      if (this.#worker !== worker) return
      if (answer !== 'ready') return this.#settle(answer)
      this.#ready = true
      this.#unstarted = null
      this.#limitCurrent()
    })
    worker.on('error', (error) => {
      if (this.#worker !== worker) return
      // Once it has begun: out of memory, or a pattern that does not compile after all.
      if (this.#ready) this.#replace()
      else this.#giveUp(error)
    })
    // Behind the listeners, each of which would keep the process. Who waits has a deadline and ends by that.
    worker.unref()
    return worker
  }

  /** There is no thread, and none to be had: nobody waits for one. */
  #giveUp(error: unknown): void {
    const reason = ownFaultCode(error) ?? (error instanceof Error ? error.message : String(error))
    const said = fault('aborted', formatOwnFault(`no thread to match in: ${reason}`))
    this.#unstarted = { fault: said, atMs: performance.now() }
    this.#worker = null
    const waiting = [...this.#lines.values()].flatMap((line) => [...line])
    this.#lines.clear()
    for (const one of waiting) one.settle(said)
    const current = this.#current
    this.#current = null
    current?.settle(said)
  }

  #replace(): void {
    void this.#worker?.terminate()
    this.#worker = null
    this.#ready = false
    this.#settle(null)
  }

  #settle(answer: MatchAnswer | null): void {
    clearTimeout(this.#limit)
    const done = this.#current
    this.#current = null
    done?.settle(answer)
    this.#next()
  }
}
