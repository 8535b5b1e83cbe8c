/** Whether, and to whom, traces and metrics are sent by OpenTelemetry. Its packages are optional, and loaded only where they are asked for. */
import { type Config, UsageError } from '../config.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { OpenTelemetry } from '../telemetry/otel/start-otel.ts'
import { version } from '../version.ts'
import { seldom } from './announce.ts'

interface Surroundings {
  readonly config: Config
  readonly nodeId: string
  readonly log: Logger
  readonly metrics: Metrics
  /** Resolves when the workers serve what a revision changed. */
  readonly served: (revision: number, signal: AbortSignal) => Promise<void>
}

/**
 * Null where nothing is to be sent.
 *
 * @throws UsageError when a package is missing
 */
export async function makeOpenTelemetry(around: Surroundings): Promise<OpenTelemetry | null> {
  const { config, nodeId, log, metrics, served } = around
  const { openTelemetry: settings } = config
  if (settings === null) return null
  try {
    const { startOpenTelemetry } = await import('../telemetry/otel/start-otel.ts')
    return startOpenTelemetry({
      settings,
      version,
      node: nodeId,
      families: () => metrics.families(),
      served,
      onTrouble: seldom((reason) => log.warn({ reason }, 'not everything was sent by OpenTelemetry')),
    })
  } catch (error) {
    const missing = missingPackage(error)
    if (missing === null) throw error
    throw new UsageError(
      `POOLDNS_OTEL is on, and the package ${missing} is not installed: install the optional packages of pooldns, or leave it off`,
    )
  }
}

function missingPackage(error: unknown): string | null {
  const { code, message } = error as NodeJS.ErrnoException
  const name = /'(@opentelemetry\/[a-z-]+)/.exec(message)?.[1]
  return code === 'ERR_MODULE_NOT_FOUND' && name !== undefined ? name : null
}
