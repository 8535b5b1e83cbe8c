/**
 * Lines for a person at a terminal in the place of JSON, by pino-pretty, which is there unless it was left out of the installation.
 * Whoever collects logs reads them from a pipe or a file, and gets JSON.
 */
import { createRequire } from 'node:module'
import type { LineOutput } from './output.ts'

/** @returns what writes lines for people to the output where that is a terminal, else the output */
export function forPeople(output: LineOutput): LineOutput {
  if (process.stdout.isTTY !== true) return output
  const pretty = prettyIfAny()
  if (pretty === null) return output
  const colorize = process.stdout.hasColors()
  // Its own stream would write a line when the process may be gone already.
  const format = pretty.prettyFactory({ translateTime: 'SYS:HH:MM:ss', singleLine: true, colorize })
  return { write: (line) => output.write(format(line)) }
}

function prettyIfAny(): typeof import('pino-pretty') | null {
  try {
    return createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null
    throw error
  }
}
