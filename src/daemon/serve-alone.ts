/** The whole server in this process, where there can be no other. */
import { once } from 'node:events'
import type { Config } from '../config.ts'
import type { Logger } from '../telemetry/log.ts'
import { startDemoBackends } from './demo.ts'
import { type Daemon, startDaemon } from './start.ts'
import { stopBudget } from './stop-budget.ts'
import { containUncaught } from './uncaught.ts'

/** Resolves when it has been stopped. Rejects when it could not start. */
export async function serveAlone(config: Config, log: Logger, stop: AbortSignal): Promise<void> {
  let serving: Daemon | undefined
  containUncaught(log, () => serving)
  await using _backends = config.demo ? await startDemoBackends() : null
  const daemon = await startDaemon(config, null, log)
  serving = daemon
  const stopped = stop.aborted ? Promise.resolve() : once(stop, 'abort')
  try {
    await Promise.race([stopped, daemon.ready])
    await stopped
  } finally {
    await stopInTime(daemon, log)
  }
}

async function stopInTime(daemon: Daemon, log: Logger): Promise<void> {
  const timer = setTimeout(() => {
    log.error('stopping took too long')
    process.exit(1)
  }, stopBudget.totalMs)
  await daemon.stop()
  clearTimeout(timer)
}
