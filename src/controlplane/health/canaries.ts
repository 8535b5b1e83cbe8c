/**
 * Canaries: addresses that answer whenever this node's network works, asked by TCP connections at a pace of their own. What they
 * say goes to the guard (`guard.ts`).
 */

import type { TcpMonitor } from '../model/monitor.ts'
import type { AddressText } from '../model/pool.ts'
import { says } from './check.ts'
import { authority } from './probes/connection.ts'
import type { Probe } from './probes/probe.ts'
import { longestGapMs, Scheduler, type SchedulerOptions } from './scheduler.ts'

interface CanaryAddress {
  readonly host: AddressText
  readonly port: number
}

const silentRounds = 5
const intervalMs = 2000
const timeoutMs = 1000
/** The longest time from one word of a canary to the next. */
export const canaryPeriodMs = longestGapMs(intervalMs) + timeoutMs

const monitor: TcpMonitor = {
  name: 'canary',
  type: 'tcp',
  port: 1,
  send: null,
  expect: { contains: null, matches: null, lacks: null, mismatches: null },
  tls: null,
  intervalMs,
  timeoutMs,
  rise: 1,
  fall: 1,
  clear: 1,
  recheckMs: null,
  failBack: 'auto',
  failBackDelayMs: 0,
  flap: null,
}

interface CanaryOptions extends SchedulerOptions {
  /** Called once, when no canary has answered in the first `silentRounds` rounds: the guard does without them then. */
  readonly onSilence?: () => void
  /** Called when one could not be asked, by a fault of this host. */
  readonly onOwnFault?: (reason: string) => void
}

export interface Canaries extends AsyncDisposable {
  /** Asks all of them at once, and from then on at their pace again. What they were asked before says nothing any more. */
  ask(): void
}

/** Asks until it is disposed of. @param onWord a canary has answered, or has not */
export function startCanaries(
  canaries: readonly CanaryAddress[],
  probe: Probe,
  onWord: (name: string, ok: boolean) => void,
  options: CanaryOptions = {},
): Canaries {
  const scheduler = new Scheduler(options)
  /** Words until it is said that all are silent; below 1 once that is settled. */
  let patience = silentRounds * canaries.length
  const askOne = async (canary: CanaryAddress, signal: AbortSignal) => {
    const name = authority(canary.host, canary.port)
    const target = { pool: '', member: name, address: canary.host, port: canary.port, monitor }
    const verdict = await probe(target, signal)
    if (signal.aborted) return null
    if (!says(verdict)) {
      if (!verdict.ok) options.onOwnFault?.(verdict.reason)
      return null
    }
    onWord(name, verdict.ok)
    if (verdict.ok) patience = 0
    else if (--patience === 0) options.onSilence?.()
    return null
  }
  const start = () =>
    canaries.map((canary) => scheduler.schedule(intervalMs, (signal) => askOne(canary, signal)))
  let jobs = start()
  let ended = false
  return {
    ask: () => {
      if (ended) return
      for (const job of jobs) job.cancel()
      jobs = start()
    },
    [Symbol.asyncDispose]: () => {
      ended = true
      return scheduler.stop()
    },
  }
}
