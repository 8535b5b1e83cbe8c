import { readConfig } from '../config.ts'
import { startDemoBackends } from '../daemon/demo.ts'
import { type Daemon, startDaemon } from '../daemon/start.ts'
import { stopBudget } from '../daemon/stop-budget.ts'
import { containUncaught } from '../daemon/uncaught.ts'
import { createLog, type Logger } from '../telemetry/log.ts'

/** `pooldns serve`: runs until a signal or a failure ends it. */
export async function serveCommand(args: readonly string[]): Promise<void> {
  const config = readConfig(args, process.env)
  const log = createLog(config.logLevel)
  const end = Promise.withResolvers<void>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => onSignal(signal, log, end.resolve))
  let serving: Daemon | undefined
  containUncaught(log, () => serving)
  {
    await using _backends = config.demo ? await startDemoBackends() : null
    const daemon = await startDaemon(config, log)
    serving = daemon
    daemon.ready.catch(end.reject)
    try {
      await end.promise
    } finally {
      await stopInTime(daemon, log)
    }
  }
  log.info('stopped')
}

let signalled = false

function onSignal(signal: NodeJS.Signals, log: Logger, end: () => void): void {
  if (signalled) {
    log.warn({ signal }, 'stopping at once')
    process.exit(1)
  }
  signalled = true
  log.info({ signal }, 'stopping')
  end()
}

async function stopInTime(daemon: Daemon, log: Logger): Promise<void> {
  const timer = setTimeout(() => {
    log.error('stopping took too long')
    process.exit(1)
  }, stopBudget.totalMs)
  await daemon.stop()
  clearTimeout(timer)
}
