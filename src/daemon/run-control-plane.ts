/** The control plane from its start to its end, under a supervisor. */
import { readConfig } from '../config.ts'
import { loadSyscalls } from '../dataplane/listener/syscalls.ts'
import { openLogOutput } from '../log-output.ts'
import { createLog, type Logger } from '../telemetry/log.ts'
import { startDemoBackends } from './demo.ts'
import { type Daemon, startDaemon } from './start.ts'
import { stopBudget } from './stop-budget.ts'
import type { Supervised } from './supervised.ts'
import { containUncaught } from './uncaught.ts'

/**
 * Resolves when it has ended in order. Rejects when it could not start.
 *
 * @param args those of `serve`
 */
export async function runControlPlane(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  supervised: Supervised,
): Promise<void> {
  let serving: Daemon | undefined
  supervised.showsLife(() => serving?.works ?? true)
  const read = readConfig(args, environment)
  const beginning = await supervised.prepared()
  if (beginning === null) return
  // Where HTTP was bound before counts where the port may be any.
  const { http } = beginning
  const config = http !== null && read.httpListen.port === 0 ? { ...read, httpListen: http } : read
  const log = createLog(config.logLevel, openLogOutput(loadSyscalls()))
  containUncaught(log, () => serving)
  await using _backends = config.demo ? await startDemoBackends() : null
  await using daemon = await startDaemon(config, supervised, log)
  serving = daemon
  try {
    supervised.bound(daemon.http)
    const isReady = await Promise.race([supervised.stop.then(() => false), daemon.ready.then(() => true)])
    if (isReady) supervised.ready()
    await supervised.stop
  } finally {
    endInTime(log)
  }
}

/** Nobody else would end a stop that hangs, if the supervisor is gone. */
function endInTime(log: Logger): void {
  setTimeout(() => {
    log.error('stopping took too long')
    process.exit(1)
  }, stopBudget.totalMs).unref()
}
