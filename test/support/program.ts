/** Other people's programs in tests: whether they are there, and running one until the test is over. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { patience } from './patience.ts'

/** Where a program lies, also in the folders that only root has in its path; null when it isn't installed. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  for (const folder of folders) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return null
}

/** For tap's `skip`: false when all are there, else which are missing. */
export function missingPrograms(...names: string[]): string | false {
  const missing = names.filter((name) => findProgram(name) === null)
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`
}

export interface Program extends AsyncDisposable {
  readonly pid: number
  /** All that it wrote so far, to either stream. */
  readonly output: string
  /** Resolves when `pattern` is in its output. Rejects with the output when it ends before. */
  said(pattern: RegExp): Promise<void>
  /** By the signal of its options, or this one; SIGKILL when it takes longer than 10 s. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface ProgramOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Who it runs as; by default whoever starts it. */
  readonly uid?: number
  readonly gid?: number
  /** Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
}

/** Starts a program, by its name or its path, that runs until it is stopped. */
export function startProgram(
  name: string,
  args: readonly string[],
  { stopSignal = 'SIGTERM', ...options }: ProgramOptions = {},
): Program {
  const child = spawn(findProgram(name) ?? name, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let ended = false
  const closed = once(child, 'close')
    .catch((error: unknown) => {
      output += String(error)
    })
    .finally(() => {
      ended = true
    })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const killAtExit = () => child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const stop = async (signal = stopSignal) => {
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await closed
    clearTimeout(timer)
    process.removeListener('exit', killAtExit)
  }
  return {
    pid: child.pid ?? -1,
    get output() {
      return output
    },
    async said(pattern) {
      const signal = patience()
      while (!pattern.test(output)) {
        if (ended || signal.aborted) throw new Error(`${name} did not say ${pattern}:\n${output}`)
        const either = new AbortController()
        const options = { signal: AbortSignal.any([signal, either.signal]) }
        const next = [once(child.stdout, 'data', options), once(child.stderr, 'data', options), closed]
        await Promise.race(next).catch(() => undefined)
        either.abort()
        for (const each of next) each.catch(() => undefined)
      }
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  }
}
