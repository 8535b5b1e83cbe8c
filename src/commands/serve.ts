import { getCompileCacheDir } from 'node:module'
import { type Config, readConfig, UsageError } from '../config.ts'
import { stopBudget } from '../daemon/stop-budget.ts'
import { onUncaught } from '../daemon/uncaught.ts'
import { giveBackAfterStart } from '../dataplane/image/reclaim.ts'
import type { HeldSockets } from '../dataplane/listener/held-sockets.ts'
import { loadSyscalls, type Syscalls } from '../dataplane/listener/syscalls.ts'
import { openLogOutput } from '../log-output.ts'
import { ActivationError, holdActivated, takeActivation } from '../supervisor/activation.ts'
import { allocator } from '../supervisor/children.ts'
import { openDoor } from '../supervisor/door.ts'
import { Notifier } from '../supervisor/notifier.ts'
import type { Outcome } from '../supervisor/replacement.ts'
import { Supervisor } from '../supervisor/supervisor.ts'
import { createLog, type Logger } from '../telemetry/log.ts'
import { checkPorts } from './ports.ts'

/**
 * `pooldns serve`: runs until a signal or a failure ends it. DNS is answered by a process of its own where sockets can be handed to
 * one, which takes system calls; elsewhere by threads of this one.
 */
export async function serveCommand(args: readonly string[]): Promise<void> {
  const config = readConfig(args, process.env)
  const syscalls = syscallsIfAny()
  const log = createLog(config.logLevel, syscalls === null ? undefined : openLogOutput(syscalls))
  if (syscalls === null) {
    await checkPorts(config, false)
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

function loadsOthers(): boolean {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? '']
  return flags.some((each) => /--(?:import|require|experimental-loader)\b|^-r\b/.test(each))
}

async function serveSupervised(config: Config, args: readonly string[], syscalls: Syscalls, log: Logger) {
  // The control plane has the environment of this process. Whoever has set these knows better.
  for (const [name, value] of Object.entries(allocator)) process.env[name] ??= value
  const activated = activatedSockets(config, syscalls)
  await checkPorts(config, activated !== null)
  using notifier = new Notifier(syscalls, process.env, process.pid)
  using doors = new DisposableStack()
  const supervisor = new Supervisor({
    config,
    args,
    syscalls,
    activated,
    notifier,
    log,
    around: { compileCache: getCompileCacheDir(), loadsOthers: loadsOthers() },
    stopMs: stopBudget.totalMs,
    onReady: () => {
      openDoor(config.dataDir, () => replaceAndTell(supervisor, log)).then(
        (door) => doors.use(door),
        (err) => log.warn({ err }, '"pooldns restart" will not find this server; SIGHUP does the same'),
      )
    },
  })
  onSignals(log, {
    stop: () => supervisor.stop(),
    kill: () => supervisor.kill(),
    replace: () => void replaceAndTell(supervisor, log),
  })
  onUncaught(log, (err) => {
    log.error({ err }, 'an internal error of the supervisor: it goes on')
    return true
  })
  supervisor.start()
  giveBackAfterStart()
  return await supervisor.ended
}

/** @throws UsageError when there are some that can't be used */
function activatedSockets(config: Config, syscalls: Syscalls): HeldSockets | null {
  try {
    const activation = takeActivation(process.env, process.pid)
    if (activation === null) return null
    // The default is not what anybody has asked for.
    const listen = config.dnsListenAsked ? config.dnsListen : null
    return holdActivated(syscalls, activation, { udpWorkers: config.workers, listen })
  } catch (error) {
    if (error instanceof ActivationError) throw new UsageError(`socket activation: ${error.message}`)
    throw error
  }
}

async function replaceAndTell(supervisor: Supervisor, log: Logger): Promise<Outcome> {
  log.info('replacing the processes by what is installed now')
  const outcome = await supervisor.replace()
  if (outcome.replaced) log.info('the processes were replaced')
  else log.error({ reason: outcome.reason }, 'the processes were not replaced')
  return outcome
}

interface Handles {
  readonly stop: () => void
  readonly kill: () => void
  /** Null where it can't be done. */
  readonly replace: (() => void) | null
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
    if (replace === null)
      log.warn({ signal: 'SIGHUP' }, 'processes are replaced on Linux alone: nothing was done')
    else replace()
  })
}
