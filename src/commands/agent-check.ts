/** Runs one check, and reads its exit by the conventions of Nagios plugins. */
import { spawn } from 'node:child_process'
import { toReason } from '../controlplane/model/reason.ts'

export interface CheckResult {
  /** Null: the check could not tell. */
  readonly state: 'up' | 'down' | null
  readonly reason: string
}

/** Of what a check writes; the rest is read and dropped. */
const longestOutput = 4096
/** How long after its end output is waited for: what it has left running may hold the pipe for ever. */
const lastOutputMs = 500

/** @param signal ends the check */
export function runCheck(
  [program, ...words]: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  return new Promise((resolve) => {
    // A group of its own, so that what it has started ends with it.
    const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
    let output = ''
    let late = false
    const kill = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
    const timer = setTimeout(() => {
      late = true
      kill()
    }, timeoutMs)
    signal.addEventListener('abort', kill)
    let last: NodeJS.Timeout | undefined
    const end = (result: CheckResult) => {
      clearTimeout(timer)
      clearTimeout(last)
      signal.removeEventListener('abort', kill)
      resolve(result)
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < longestOutput) output += text.slice(0, longestOutput - output.length)
    })
    child.once('error', (error) =>
      end({ state: null, reason: toReason(`the check was not run: ${error.message}`) }),
    )
    child.once('exit', () => {
      clearTimeout(timer)
      last = setTimeout(() => child.stdout.destroy(), lastOutputMs)
    })
    child.once('close', (code, by) => {
      if (late) end({ state: 'down', reason: `the check took longer than ${timeoutMs} ms` })
      else end(readExit(code, by, output))
    })
  })
}

/** What an exit means. @param code null when a signal ended it */
export function readExit(code: number | null, by: string | null, output: string): CheckResult {
  // Behind a bar there are numbers for charts.
  const said = toReason(output.split(/[\n|]/, 1)[0] ?? '')
  switch (code) {
    case 0:
      return { state: 'up', reason: said || 'ok' }
    case 1:
      return { state: 'up', reason: toReason(`warning: ${said || 'no output'}`) }
    case 2:
      return { state: 'down', reason: said || 'critical' }
    case 3:
      return { state: null, reason: said || 'the check does not know' }
    case null:
      return { state: 'down', reason: toReason(`the check was ended by ${by}${said && `: ${said}`}`) }
    default:
      return { state: 'down', reason: toReason(`exit ${code}${said && `: ${said}`}`) }
  }
}
