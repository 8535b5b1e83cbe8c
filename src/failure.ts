/** How a process ends that could not do what it was started for. */
import { UsageError } from './config.ts'
import { maskPasswords } from './telemetry/log.ts'
import { printableLines } from './terminal-text.ts'

/**
 * One line on standard error, and the exit code: 2 for a command line or a variable that can't be used, else 1.
 *
 * @returns what it has told
 */
export function tellFailure(error: unknown): string {
  const message = printableLines(maskPasswords(error instanceof Error ? error.message : String(error)))
  const isUsage = error instanceof UsageError
  const help = isUsage ? `Try "pooldns ${error.command === '' ? '' : `${error.command} `}--help".\n` : ''
  process.stderr.write(`pooldns: ${message}\n${help}`)
  process.exitCode = isUsage ? 2 : 1
  return message
}
