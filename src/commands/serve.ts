import { getCompileCacheDir } from 'node:module'
import { type Config, readConfig } from '../config.ts'
import { stopBudget } from '../daemon/stop-budget.ts'
import { loadSyscalls, type Syscalls } from '../dataplane/listener/syscalls.ts'
import { Supervisor } from '../supervisor/supervisor.ts'
import { createLog, type Logger } from '../telemetry/log.ts'

/**
 * `pooldns serve`: runs until a signal or a failure ends it. DNS is answered by a process of its own where sockets can be handed to
 * one, which takes system calls; elsewhere by threads of this one.
 */
export async function serveCommand(args: readonly string[]): Promise<void> {
  const config = readConfig(args, process.env)
  const log = createLog(config.logLevel)
  const syscalls = syscallsIfAny()
  if (syscalls === null) {
    const { serveAlone } = await import('../daemon/serve-alone.ts')
    const stop = new AbortController()
    onSignals(log, { stop: () => stop.abort(), kill: () => process.exit(1), replace: null })
    await serveAlone(config, log, stop.signal)
  } else {
    process.exitCode = await serveSupervised(config, args, syscalls, log)
    // It has said why.
    if (process.exitCode !== 0 && !signalled) return
  }
  log.info('stopped')
}

function syscallsIfAny(): Syscalls | null {
  try {
    return loadSyscalls()
  } catch {
    return null
  }
}

async function serveSupervised(config: Config, args: readonly string[], syscalls: Syscalls, log: Logger) {
  const supervisor = new Supervisor({
    config,
    args,
    syscalls,
    log,
    compileCache: getCompileCacheDir(),
    stopMs: stopBudget.totalMs,
  })
  onSignals(log, {
    stop: () => supervisor.stop(),
    kill: () => supervisor.kill(),
    replace: () => supervisor.replace(),
  })
  supervisor.start()
  return supervisor.ended
}

interface Handles {
  readonly stop: () => void
  readonly kill: () => void
  /** Null where it can't be done; false when it can't be done now. */
  readonly replace: (() => boolean) | null
}

let signalled = false

function onSignals(log: Logger, { stop, kill, replace }: Handles): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log[signalled ? 'warn' : 'info']({ signal }, signalled ? 'stopping at once' : 'stopping')
      if (signalled) kill()
      else stop()
      signalled = true
    })
  }
  process.on('SIGHUP', () => {
    const signal = 'SIGHUP'
    if (replace === null) log.warn({ signal }, 'processes are replaced on Linux alone: nothing was done')
    else if (replace()) log.info({ signal }, 'replacing the processes by what is installed now')
    else log.warn({ signal }, 'the processes are being started: nothing was done')
  })
}
