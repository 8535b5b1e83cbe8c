/**
 * How late the event loop of the control plane is, under the names that dashboards know from prom-client.
 *
 * prom-client looks a hundred times a second, by a timer that wakes the process for it: most of what one with nothing to do does. And
 * it tells the time between two looks, ten milliseconds where nothing is late. Here are ten looks a second, and what they are late by.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Registry } from 'prom-client'
import { exposeValue } from './series.ts'

const lookEveryMs = 100

/** For `eventLoopMonitoringPrecision`: its looks, in milliseconds, are not used. */
export const hardlyEverMs = 3_600_000

const prefix = 'nodejs_eventloop_lag'

/** In seconds, since the scrape before; 0 where nobody has looked. */
type Lags = Readonly<Record<'min' | 'max' | 'mean' | 'stddev' | 'p50' | 'p90' | 'p99', number>>

const helpOf: Readonly<Record<keyof Lags, string>> = {
  min: 'The least that the event loop was late by since the scrape before.',
  max: 'The most that the event loop was late by since the scrape before.',
  mean: 'What the event loop was late by on average since the scrape before.',
  stddev: 'The standard deviation of what the event loop was late by since the scrape before.',
  p50: 'What the event loop was late by at the 50th percentile.',
  p90: 'What the event loop was late by at the 90th percentile.',
  p99: 'What the event loop was late by at the 99th percentile.',
}

/** Takes the place of those that prom-client has registered. */
export function registerEventLoopMetrics(registry: Registry): void {
  const histogram = monitorEventLoopDelay({ resolution: lookEveryMs })
  histogram.enable()
  let lags = lagsOf(histogram)
  // The first that is read takes all of them.
  const read = (name: keyof Lags) => {
    if (name === 'min') {
      lags = lagsOf(histogram)
      histogram.reset()
    }
    return lags[name]
  }
  for (const [name, help] of Object.entries(helpOf) as [keyof Lags, string][]) {
    const full = `${prefix}_${name}_seconds`
    registry.removeSingleMetric(full)
    exposeValue(registry, 'gauge', full, help, () => read(name))
  }
}

function lagsOf(histogram: ReturnType<typeof monitorEventLoopDelay>): Lags {
  const late = (nanoseconds: number) =>
    histogram.count === 0 ? 0 : Math.max(0, nanoseconds / 1e9 - lookEveryMs / 1000)
  return {
    min: late(histogram.min),
    max: late(histogram.max),
    mean: late(histogram.mean),
    stddev: histogram.count === 0 ? 0 : histogram.stddev / 1e9,
    p50: late(histogram.percentile(50)),
    p90: late(histogram.percentile(90)),
    p99: late(histogram.percentile(99)),
  }
}
