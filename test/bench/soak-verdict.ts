/** What a soak run has to show, as a function of what was counted. */
import type { Tally } from './measure.ts'
import { median, trend } from './statistics.ts'

export interface MemorySample {
  readonly atSeconds: number
  readonly residentMiB: number
}

export interface SoakCounts {
  /** In order of time. */
  readonly memory: readonly MemorySample[]
  /** What dnsperf counted. */
  readonly tally: Tally
  /** Responses over UDP to dnsperf by the server's own counters, in the same time. */
  readonly answered: number
  /** The longest that a single query of somebody else than dnsperf took. */
  readonly longestWaitMs: number
  readonly workerRestarts: number
}

export interface Verdict {
  readonly passed: boolean
  /** One a question, each beginning with `ok` or `FAILED`. */
  readonly lines: readonly string[]
}

/** Heaps and caches fill up at first, for some three minutes: that says nothing. */
const warmUpSeconds = 180
/** Less than this behind it says nothing either. */
const leastSeconds = 120
/** A rise that matters, over the time that was looked at; the larger of the two. */
const riseMiB = 16
const riseShare = 0.04
/** See `Trend`. */
const certain = 3
/** Somebody else than dnsperf has waited so long: then it was not dnsperf that was held up. */
const heldUpMs = 4000

export function judge(counts: SoakCounts): Verdict {
  const questions = [
    memoryRises(counts),
    queriesLost(counts),
    responsesUnread(counts),
    workersRestarted(counts),
  ]
  return {
    passed: questions.every(({ failed }) => !failed),
    lines: questions.map(({ failed, text }) => `${failed ? 'FAILED' : 'ok'}: ${text}`),
  }
}

interface Finding {
  readonly failed: boolean
  readonly text: string
}

function memoryRises({ memory }: SoakCounts): Finding {
  const looked = memory.filter(({ atSeconds }) => atSeconds >= warmUpSeconds)
  const lookedSeconds = (looked.at(-1)?.atSeconds ?? 0) - warmUpSeconds
  if (looked.length < 3 || lookedSeconds < leastSeconds) {
    const minutes = Math.ceil((warmUpSeconds + leastSeconds) / 60) + 1
    return { failed: false, text: `resident memory not judged: that takes a run of ${minutes} minutes` }
  }
  const { slope, z } = trend(looked.map(({ atSeconds, residentMiB }) => ({ x: atSeconds, y: residentMiB })))
  const rise = slope * (looked.at(-1)!.atSeconds - looked[0]!.atSeconds)
  const usual = median(looked.map(({ residentMiB }) => residentMiB))
  const most = Math.max(...memory.map(({ residentMiB }) => residentMiB))
  return {
    failed: rise > Math.max(riseMiB, riseShare * usual) && z > certain,
    text:
      `resident memory ${usual.toFixed(0)} MiB, at the most ${most.toFixed(0)} MiB, ` +
      `by ${(slope * 60).toFixed(2)} MiB a minute over the last ${looked.length} samples (z ${z.toFixed(1)})`,
  }
}

function queriesLost({ tally, answered }: SoakCounts): Finding {
  const lost = tally.sent - answered
  return { failed: lost > 0, text: `${Math.max(0, lost)} of ${tally.sent} queries without an answer` }
}

/** See the essay in `soak.ts`. */
function responsesUnread({ tally, answered, longestWaitMs }: SoakCounts): Finding {
  const unread = Math.max(0, Math.min(answered, tally.sent) - tally.completed)
  return {
    failed: unread > 0 && longestWaitMs >= heldUpMs,
    text: `${unread} answers that dnsperf did not see in time; the witness waited for ${longestWaitMs.toFixed(0)} ms at the most`,
  }
}

function workersRestarted({ workerRestarts }: SoakCounts): Finding {
  return { failed: workerRestarts > 0, text: `${workerRestarts} workers started again` }
}
