/**
 * Loaded into a server that is measured (`--import`): how long its control plane is at one thing, by the CPU time of its thread, which other
 * programs on the machine do not lengthen. With each SIGUSR2 it writes what it has seen since the one before into the file of `BENCH_TURNS`.
 */
import { writeFileSync } from 'node:fs'
import { PerformanceObserver } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

/** In milliseconds. */
export interface Turns {
  /** Between two looks, of which there is one a millisecond while nothing else runs. */
  readonly longest: number
  /** Turns of 4 ms and more. */
  readonly long: number
  readonly cpu: number
  readonly longestCollection: number
}

const everyMs = 1
const longMs = 4
const path = process.env.BENCH_TURNS

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

if (path !== undefined && isMainThread) {
  let begunAt = cpuMs()
  let lookedAt = begunAt
  let seen = { longest: 0, long: 0, longestCollection: 0 }
  const look = () => {
    const now = cpuMs()
    const turn = now - lookedAt
    lookedAt = now
    seen.longest = Math.max(seen.longest, turn)
    if (turn >= longMs) seen.long++
  }
  setInterval(look, everyMs).unref()
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries())
      seen.longestCollection = Math.max(seen.longestCollection, duration)
  }).observe({ entryTypes: ['gc'] })
  process.on('SIGUSR2', () => {
    look()
    writeFileSync(path, JSON.stringify({ ...seen, cpu: lookedAt - begunAt } satisfies Turns))
    begunAt = lookedAt
    seen = { longest: 0, long: 0, longestCollection: 0 }
  })
}
